"""The only door to YAML: safe loading and writing, with errors that name the file and the line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from evar.base.errors import UsageError, did_you_mean, in_words
from evar.base.files import read_regular

Content = TypeVar("Content")

MOST_BYTES = 256 << 10  # parsing takes seconds a megabyte
MOST_FAULTS = 10  # of a file, in a message


class _Loader(yaml.SafeLoader):
    """Safe. Refuses aliases, of which a few lines stand for more than any memory holds, and keys given twice."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            where = self.get_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="an alias (*name): write out what it stands for", problem_mark=where)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for (key, _), name in zip(node.value, keys, strict=True):
            if keys.count(name) > 1 and isinstance(name, str):
                raise yaml.constructor.ConstructorError(problem=f"{name} is given twice", problem_mark=key.start_mark)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that the YAML file `path` holds.

    Raises UsageError where it cannot be read, is not YAML without aliases, or is not a mapping.
    """
    try:
        text = read_regular(path, MOST_BYTES)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    return parse_yaml(text, path)


def parse_yaml(text: bytes, path: Path) -> dict[str, Any]:
    """The mapping that `text`, of the file `path`, says. Raises UsageError as `read_yaml` does."""
    try:
        content = yaml.load(text.decode(), _Loader)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (byte {error.start}): save it as UTF-8") from error
    except RecursionError as error:
        raise UsageError(f"{path}: lists or mappings are nested too deep") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: a date or a number that is none
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise UsageError(f"{path}{line}: not valid YAML: {getattr(error, 'problem', None) or error}") from error
    if not isinstance(content, dict):
        found = {type(None): "nothing", list: "a list", str: "text"}.get(type(content), repr(content))
        raise UsageError(f"{path}: expected a line `key: value` for each key, found {found}")
    return content


def read_yaml_as(path: Path, kind: type[Content]) -> Content:
    """The mapping in `path` as a pydantic type. Raises UsageError that names the file and every key at fault."""
    try:
        return TypeAdapter(kind).validate_python(read_yaml(path))
    except ValidationError as error:
        keys = list(getattr(kind, "model_fields", ()))
        faults = []
        for fault in error.errors():
            key = ".".join(map(str, fault["loc"]))
            hint = did_you_mean(key, keys) if len(fault["loc"]) == 1 and key not in keys else ""
            faults.append(f"{key}: {in_words(fault)}{f', {hint}' if hint else ''}")
        raise UsageError(f"{path}: {in_short(faults)}") from error


def in_short(faults: Sequence[str]) -> str:
    """All faults of a file on one line; of very many the first."""
    more = f"; and {len(faults) - MOST_FAULTS:,} more" if len(faults) > MOST_FAULTS else ""
    return "; ".join(faults[:MOST_FAULTS]) + more


def yaml_text(content: dict[str, Any]) -> str:
    """`content` as YAML that `read_yaml` gives back, in the order of its keys; text that YAML misreads is quoted."""
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    return text
