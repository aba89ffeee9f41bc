"""Which files of a dataset of the Hugging Face Hub belong to which split: from its list of files and its card alone.

So the same is chosen before anything is fetched and in what was fetched. The card is README.md, whose YAML header may
list configurations (`configs:`) with the files of each split. Where it does not, names say it: NAME-00000-of-00002, or
a folder or part of a name that is a word for a split (https://huggingface.co/docs/hub/datasets-file-names-and-splits).
"""

import functools
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from evar.base.errors import DataError, UsageError, did_you_mean, few
from evar.base.yaml_file import parse_yaml
from evar.data.readers.clip_files import ANY, ENDINGS

log = logging.getLogger(__name__)

CARD = "README.md"
TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
EVERY_CONFIG = "*"
WORDS = {
    "train": ("train", "training"),
    "valid": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Part of a task -> names of splits that are it."""

_SHARD = re.compile(r"(?:.*/)?(?P<split>[\w.]+?)-(?P<number>\d{5,})-of-(?P<count>\d{5,})[^/]*")
_WORD = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Layout:
    """The files of a configuration.

    kind:     parquet, tar, audio or image
    files:    split -> paths, in rising order
    tables:   paths of the tables that name the clips of a folder (of the last two kinds alone)
    split_of: the split that a path would be of, were its file there; None where nothing says
    """

    kind: str
    files: Mapping[str, Sequence[str]]
    split_of: Callable[[str], str | None]
    tables: Sequence[str] = ()

    @property
    def wanted(self) -> list[str]:
        """All files that are read."""
        return sorted({*(path for paths in self.files.values() for path in paths), *self.tables})

    def require_shards(self, root: Path) -> None:
        """Raise DataError where numbered files are not all there, as after an interrupted download."""
        for split, paths in self.files.items():
            found = [match for path in paths if (match := _SHARD.fullmatch(path))]
            families = Counter((match.string[: match.start("number")], match["count"]) for match in found)
            for (_, count), there in families.items():
                if there != int(count):
                    raise DataError(
                        f"{root}: {there} of {int(count)} files of split {split} are there: fetch the others "
                        "(`evar prepare --download`)"
                    )


@dataclass(frozen=True)
class Card:
    """What a dataset's README.md says in its header: its licence, configurations and classes."""

    content: Mapping[str, Any] = field(default_factory=dict)

    @property
    def licence(self) -> str | None:
        """As it is written there; None where it is not."""
        said = self.content.get("license")
        return ", ".join(map(str, said if isinstance(said, list) else [said or ""])).strip() or None

    @property
    def configs(self) -> dict[str, Mapping[str, Any]]:
        """Name -> what is said of it, of those that list files."""
        found = self.content.get("configs")
        listed = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        return {str(each["config_name"]): each for each in listed if "config_name" in each and "data_files" in each}

    def class_names(self, column: str, config: str | None) -> list[str] | None:
        """Those of a column of class labels; None where the card does not list them."""
        info = self.content.get("dataset_info")
        for each in info if isinstance(info, list) else [info]:
            if not isinstance(each, dict) or config not in (None, EVERY_CONFIG, each.get("config_name", config)):
                continue
            for feature in each.get("features") or ():
                if isinstance(feature, dict) and feature.get("name") == column:
                    return names_of_classes(feature)
        return None


def read_card(root: Path) -> Card:
    """The card of the dataset in `root`; an empty one where there is none, or none that can be read."""
    file = root / CARD
    try:
        return _card(file, file.stat().st_mtime_ns)
    except OSError:
        return Card()


@functools.lru_cache(maxsize=8)
def _card(file: Path, changed_ns: int) -> Card:
    """The card, of which thousands of classes take seconds to parse. Raises OSError."""
    text = file.read_bytes()
    header = re.match(rb"\s*---[ \t]*\r?\n(.*?)\r?\n---", text, re.DOTALL)
    if header is None:
        return Card()
    try:
        return Card(parse_yaml(header[1], file))
    except UsageError as error:
        log.warning(f"{error}; names of files say which split they are of")
        return Card()


def find_layout(paths: Sequence[str], card: Card, config: str | None, place: str) -> Layout:
    """The files that are read. place: the dataset, for errors.

    Raises UsageError for a configuration that there is not, or where one must be chosen; DataError where no file can be
    read.
    """
    configs = card.configs
    if not configs:
        chosen = _of_folder(paths, config, place)
        return _layout({path: _split_by_name(path) for path in chosen}, paths, place, _split_by_name)
    names = _chosen(configs, config, place)

    def splits_of(paths: Sequence[str]) -> dict[str, str | None]:
        return {path: split for name in names for path, split in _of_config(configs[name], paths).items()}

    where = f"{place}, config {few(names)}" if len(configs) > 1 else place
    return _layout(splits_of(paths), paths, where, lambda path: splits_of([path]).get(path))


def part_of(split: str) -> str | None:
    """The part of a task that a split of this name is; None where the name says nothing."""
    return next((part for part, words in WORDS.items() if split.lower() in words), None)


def _layout(
    splits: Mapping[str, str | None], paths: Sequence[str], place: str, split_of: Callable[[str], str | None]
) -> Layout:
    """splits: of each file that may be read, where it is known."""
    endings = {"parquet": (".parquet",), "tar": (".tar",), **ENDINGS}
    for kind, ending in endings.items():
        names = [path for path in splits if path.lower().endswith(ending) and not path.endswith(TABLES)]
        if not names:
            continue
        known = [path for path in names if splits[path] is not None]
        files: dict[str, list[str]] = {}
        for path in known or names:
            files.setdefault(splits[path] or "train", []).append(path)
        tables = [path for path in paths if PurePosixPath(path).name in TABLES] if kind in ENDINGS else []
        return Layout(kind, {split: sorted(files[split]) for split in sorted(files)}, split_of, tables)
    scripts = [path for path in paths if "/" not in path and path.endswith(".py")]
    packed = [path for path in paths if path.endswith((".zip", ".tar.gz", ".tgz", ".arrow"))]
    if scripts:
        hint = f"it is read by a program, {scripts[0]}, which is not executed: try the revision refs/convert/parquet"
    elif packed:
        hint = f"{few(packed)} cannot be read where it lies: unpack it, and see docs/datasets.md for a task of your own"
    else:
        hint = f"there is {few(paths) or 'nothing'}"
    raise DataError(f"{place}: no Parquet file, tar, audio file or image to read: {hint}")


def _of_folder(paths: Sequence[str], config: str | None, place: str) -> Sequence[str]:
    """The files of a configuration that no card lists: of the folder of this name."""
    if config is None or config == EVERY_CONFIG:
        return paths
    chosen = [path for path in paths if path.startswith(f"{config}/")]
    if not chosen:
        folders = sorted({path.partition("/")[0] for path in paths if "/" in path})
        hint = did_you_mean(config, folders) or f"its card lists none, and its folders are {few(folders, 8) or 'none'}"
        raise UsageError(f"{place}: no config {config!r}: {hint}")
    return chosen


def _chosen(configs: Mapping[str, Mapping[str, Any]], config: str | None, place: str) -> list[str]:
    if config == EVERY_CONFIG:
        return list(configs)
    if config is not None:
        if config not in configs:
            hint = f": {hint}" if (hint := did_you_mean(config, list(configs))) else ""
            raise UsageError(f"{place}: no config {config!r}{hint} (valid: {few(configs, 20)})")
        return [config]
    marked = [name for name, each in configs.items() if each.get("default") is True]
    for names in (list(configs), marked, ["default"] if "default" in configs else []):
        if len(names) == 1:
            return names
    raise UsageError(f"{place}: choose a config, or '*' for all: {few(configs, 20)}")


def _of_config(config: Mapping[str, Any], paths: Sequence[str]) -> dict[str, str | None]:
    """Path -> split of the files that a configuration lists."""
    listed = config["data_files"]
    folder = f"{str(config['data_dir']).strip('/')}/" if config.get("data_dir") else ""
    found: dict[str, str | None] = {}
    for each in listed if isinstance(listed, list) else [listed]:
        split, patterns = (each.get("split"), each.get("path")) if isinstance(each, dict) else (None, each)
        for pattern in patterns if isinstance(patterns, list) else [patterns]:
            fits = _expression(folder + str(pattern).removeprefix("./"))
            for path in paths:
                if fits.fullmatch(path):
                    found.setdefault(path, str(split) if split is not None else _split_by_name(path))
    return found


def _expression(pattern: str) -> re.Pattern[str]:
    """What a pattern of the card matches: `*` and `?` within a folder, `**` over folders."""
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]*\])", pattern)
    return re.compile("".join(signs.get(part, part if part[:1] == "[" and part else re.escape(part)) for part in parts))


def _split_by_name(path: str) -> str | None:
    """The split that a path names; None where it names none."""
    if shard := _SHARD.fullmatch(path):
        return shard["split"].rpartition(".")[2]
    place = PurePosixPath(path)
    stem = [] if path.lower().endswith(ANY) else [place.stem]  # clips have names of all kinds
    for part in [*stem, *reversed(place.parent.parts)]:
        words = _WORD.split(part.lower())
        for split, names in WORDS.items():
            if any(word in names for word in words):
                return {"valid": "validation"}.get(split, split)
    return None


def names_of_classes(feature: Any) -> list[str] | None:
    """Names of classes anywhere in what a card says of a column: a list, or {'0': name, ...}."""
    if isinstance(feature, dict):
        names = feature.get("names")
        if isinstance(names, dict):
            return [str(names[key]) for key in sorted(names, key=by_number)]
        if isinstance(names, list):
            return [str(name) for name in names]
        children: Iterable[Any] = feature.values()
    elif isinstance(feature, list):
        children = feature
    else:
        return None
    return next((found for each in children if (found := names_of_classes(each)) is not None), None)


def by_number(key: object) -> tuple[int, str]:
    """What sorts keys that are numbers as such."""
    text = str(key)
    return (int(text) if text.isdigit() else 0), text
