"""The only door to YAML: safe loading and writing, with errors that name the file and the line."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from evar.base.errors import UsageError, few
from evar.base.files import read_regular

Content = TypeVar("Content")

MOST_BYTES = 256 << 10  # parsing takes seconds a megabyte
MOST_FAULTS = 10  # of a file, in a message


class _Loader(yaml.SafeLoader):
    """Safe, and without aliases: a few lines of them stand for more than any memory holds."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            where = self.get_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="an alias (*name): write out what it stands for", problem_mark=where)
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that the YAML file `path` holds.

    Raises UsageError where it cannot be read, is not YAML without aliases, or is not a mapping.
    """
    try:
        content = yaml.load(read_regular(path, MOST_BYTES).decode(), _Loader)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except RecursionError as error:
        raise UsageError(f"{path}: lists or mappings are nested too deep") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: a date or a number that is none
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise UsageError(f"{path}{line}: not valid YAML: {getattr(error, 'problem', None) or error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: expected a mapping of keys to values, found {type(content).__name__}")
    return content


def read_yaml_as(path: Path, kind: type[Content]) -> Content:
    """The mapping in `path` as a pydantic type. Raises UsageError that names the file and every key at fault."""
    try:
        return TypeAdapter(kind).validate_python(read_yaml(path))
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise UsageError(f"{path}: {few(faults, MOST_FAULTS)}") from error


def yaml_text(content: dict[str, Any]) -> str:
    """`content` as YAML that `read_yaml` gives back, in the order of its keys; text that YAML misreads is quoted."""
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    return text
