"""Rows of clips in Parquet files, in tars and in folders of clips, as the Hugging Face Hub and WebDataset have them.

Each function gives a table with a row a clip and the columns path, label (text; a tuple of texts of several; None where
there is none), group and fold (text; "" where there is none), and the names of the classes where the files list them.
No clip is read.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from evar.base.errors import DataError, UsageError, did_you_mean, few
from evar.data import parquet, tar
from evar.data.containers import cell_path
from evar.data.readers.clip_files import ENDINGS, one_each
from evar.data.readers.hub_layout import Card, names_of_classes
from evar.data.readers.table_files import read_table, require_columns

Label = str | tuple[str, ...] | None
Classes = tuple[str, ...] | None
LABELS = ("label", "labels")  # columns that are taken where none is named
TEXT_LABELS = (".cls", ".txt")  # members of a tar


@dataclass(frozen=True)
class Columns:
    """Which columns are read; None for the one that there is. separator: stands between labels of one text."""

    audio: str | None = None
    image: str | None = None
    label: str | None = None
    group: str | None = None
    fold: str | None = None
    separator: str | None = None


def parquet_rows(
    root: Path, files: Sequence[str], wanted: Columns, card: Card, config: str | None, modality: str
) -> tuple[pd.DataFrame, Classes]:
    """Rows of Parquet files of one schema. Raises UsageError for columns that are not there, DataError."""
    first = parquet.schema(str(root / files[0]))
    place = str(root / files[0])
    clip, label = (
        _clip_column(first, getattr(wanted, modality), place, modality),
        _label_column(first, wanted.label, place),
    )
    more = {name: column for name in ("group", "fold") if (column := getattr(wanted, name)) is not None}
    for column in more.values():
        _require(column, first.kinds, place)
    names = names_of_classes(first.features.get(label)) or card.class_names(label, config)
    as_label = _labels(names, wanted.separator, place)
    tables = []
    for file in files:
        paths = _clip_paths(root, file, clip, first.kinds[clip])
        columns = parquet.columns(str(root / file), list(dict.fromkeys([label, *more.values()])))
        labels = [as_label(value) for value in columns[label].tolist()]
        texts = {name: [_text(value) for value in columns[column].tolist()] for name, column in more.items()}
        tables.append(pd.DataFrame({"path": paths, "label": pd.Series(labels, dtype=object), **texts}))
    return _joined(tables), tuple(names) if names else None


def tar_rows(root: Path, files: Sequence[str], wanted: Columns, modality: str) -> tuple[pd.DataFrame, Classes]:
    """Rows of tars whose members KEY.flac, KEY.cls, KEY.json belong together.

    label, group, fold: "cls", "txt", or a key of the JSON. Raises UsageError, DataError.
    """
    return _joined([_rows_of_tar(root, file, wanted, modality) for file in files]), None


def _rows_of_tar(root: Path, file: str, wanted: Columns, modality: str) -> pd.DataFrame:
    place = str(root / file)
    try:
        members = tar.members(place)
    except DataError as error:
        raise DataError(f"{place}: {error}") from error
    clips, _ = one_each([name for name in members if name.lower().endswith(ENDINGS[modality])], _key)
    beside = [name for name in members if name.endswith((*TEXT_LABELS, ".json")) and _key(name) in clips]
    facts: dict[str, dict[str, Any]] = {key: {} for key in clips}
    for name, text in tar.texts(place, {name: members[name] for name in beside}).items():
        facts[_key(name)] |= _facts(name.rpartition(".")[2], text, f"{place}: {name}")
    there = list(dict.fromkeys(name for found in facts.values() for name in found))
    label = wanted.label or next((name for name in ("cls", *LABELS, "txt") if name in there), None)
    if facts and label is None:
        names = f"option label must be one of {few(there, 20)}" if there else "there is no .cls, .json or .txt"
        raise UsageError(f"{place}: nothing beside the clips is called label: {names}")
    for column in filter(None, (label, wanted.group, wanted.fold) if facts else ()):
        _require(column, there, place)
    return _table([facts[key] for key in clips], [f"{file}/{name}" for name in clips.values()], label, wanted, place)


def folder_rows(
    root: Path, files: Sequence[str], wanted: Columns, names: Sequence[str]
) -> tuple[pd.DataFrame, Classes]:
    """Rows of clips: of the tables metadata.csv or .jsonl beside or above them, else by their folders' names."""
    if not names:
        label = [PurePosixPath(path).parent.name or None for path in files]
        return pd.DataFrame({"path": list(files), "label": pd.Series(label, dtype=object)}), None
    tables = []
    for name in names:
        file = root / name
        if name.endswith(".parquet"):
            table = parquet.columns(str(file), list(parquet.schema(str(file)).kinds))
        else:
            table = read_table(file)
        require_columns(table, ["file_name"], file)
        there = [str(column) for column in table]
        label_column = wanted.label or next((each for each in LABELS if each in there), None)
        if label_column is None:
            raise UsageError(f"{file}: option label must name a column: {few(there, 20)}")
        for column in filter(None, (label_column, wanted.group, wanted.fold)):
            _require(column, there, str(file))
        folder = name.removesuffix(PurePosixPath(name).name)
        paths = [f"{folder}{each}" for each in table["file_name"].tolist()]
        if strange := [path for path in paths if _leads_out(path)]:
            raise DataError(f"{file}: paths that lead out of the dataset's folder: {few(map(repr, strange))}")
        tables.append(_table(table.to_dict("records"), paths, label_column, wanted, str(file)))
    return _joined(tables), None


def _table(
    facts: Iterable[Mapping[Any, Any]], paths: Sequence[str], label: str | None, wanted: Columns, place: str
) -> pd.DataFrame:
    """The rows of clips, given what is known of each by name."""
    facts, as_label = list(facts), _labels(None, wanted.separator, place)
    table = pd.DataFrame({"path": list(paths)})
    table["label"] = pd.Series([as_label(each.get(label)) for each in facts], dtype=object)
    for own, column in (("group", wanted.group), ("fold", wanted.fold)):
        if column is not None:
            table[own] = [_text(each.get(column)) for each in facts]
    return table


def _key(name: str) -> str:
    """What members of one clip share: the name up to the first dot of its last part."""
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition('.')[0]}"


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True)


def _clip_paths(root: Path, file: str, column: str, kind: str) -> list[str]:
    """Where each row's clip lies: in the file, or beside it where the row has a path alone."""
    if kind == parquet.TEXT:
        beside = parquet.columns(str(root / file), [column])[column].tolist()
        return [_beside(root, file, path) or cell_path(file, column, row) for row, path in enumerate(beside)]
    inside = parquet.holds_bytes(str(root / file), column)
    paths = [cell_path(file, column, row) for row in range(len(inside))]
    if all(inside) or kind != parquet.STRUCT:
        return paths
    beside = parquet.columns(str(root / file), [f"{column}.path"])[f"{column}.path"].tolist()
    return [own if there else _beside(root, file, path) or own
            for own, there, path in zip(paths, inside, beside, strict=True)]  # fmt: skip


def _beside(root: Path, file: str, path: str | None) -> str | None:
    """A path that a row names, from the dataset's folder or from the file's own; None of one that leads out."""
    if not path or _leads_out(path):
        return None
    own = str(PurePosixPath(file).parent / path)
    return own if (root / own).exists() else path


def _leads_out(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts


def holds_images(schema: parquet.Schema) -> bool:
    """Whether a file has a column of images and none of audio, by what the Hub says of them."""
    kinds = {_type(feature) for feature in schema.features.values()}
    return "Image" in kinds and "Audio" not in kinds


def _clip_column(schema: parquet.Schema, given: str | None, place: str, modality: str) -> str:
    what = {"audio": "audio", "image": "images"}[modality]
    may = [name for name, kind in schema.kinds.items() if kind in (parquet.STRUCT, parquet.BYTES)]
    if given is not None:
        _require(given, schema.kinds, place)
        if schema.kinds[given] not in (parquet.STRUCT, parquet.BYTES, parquet.TEXT):
            raise UsageError(f"{place}: column {given} holds no {what}; those that may are {few(may, 20) or 'none'}")
        return given
    marked = [name for name in may if _type(schema.features.get(name)) == modality.title()]
    for names in (marked, may, [modality] if modality in may else []):
        if len(names) == 1:
            return names[0]
    if not may:
        raise UsageError(f"{place}: no column holds {what}; columns there: {few(schema.kinds, 20)}")
    if modality in may:
        return modality
    raise UsageError(f"{place}: several columns hold {what}, option {modality} must name one: {few(may, 20)}")


def _type(feature: Any) -> object:
    return feature.get("_type") if isinstance(feature, dict) else None


def _label_column(schema: parquet.Schema, given: str | None, place: str) -> str:
    if given is not None:
        _require(given, schema.kinds, place)
        return given
    if there := [name for name in LABELS if name in schema.kinds]:
        return there[0]
    named = [name for name, feature in schema.features.items() if names_of_classes(feature) and name in schema.kinds]
    if len(named) == 1:
        return named[0]
    may = named or [name for name, kind in schema.kinds.items() if kind not in (parquet.STRUCT, parquet.BYTES)]
    raise UsageError(f"{place}: option label must name a column: {few(may, 20)}")


def _require(column: str, there: Iterable[str], place: str) -> None:
    there = list(there)
    if column not in there:
        hint = f": {hint}" if (hint := did_you_mean(column, there)) else ""
        raise UsageError(f"{place}: no column {column!r}{hint} (columns there: {few(there, 20)})")


def _labels(names: Sequence[str] | None, separator: str | None, place: str) -> Callable[[Any], Label]:
    """A function that makes a label of a cell; of equal cells once. Raises DataError that names the place."""
    known: dict[Any, Label] = {}

    def one(value: Any) -> str | None:
        if value is None or value != value:
            return None
        if names is not None and isinstance(value, int) and not isinstance(value, bool):
            if value >= len(names):
                raise DataError(f"{place}: label {value}, but there are names for {len(names)} classes")
            return names[value] if value >= 0 else None  # -1 stands for a label that is kept secret
        return _text(value) or None

    def parts(value: str | None) -> list[str]:
        texts = [] if value is None else [value] if separator is None else value.split(separator)
        return [text for each in texts if (text := each.strip())]

    def made(value: Any) -> Label:
        if isinstance(value, list):
            return tuple(sorted({text for each in value for text in parts(one(each))}))
        return one(value) if separator is None or value is None else tuple(sorted(set(parts(one(value)))))

    def label(value: Any) -> Label:
        key = (type(value), tuple(value) if isinstance(value, list) else value)  # True is no 1
        try:
            if key not in known:
                known[key] = made(value)
        except TypeError as error:  # a mapping, which cannot be looked up
            wrong = str(value)[:60]
            raise DataError(f"{place}: a label must be a text, a number or a list of them, not {wrong!r}") from error
        return known[key]

    return label


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


def _facts(ending: str, text: bytes, place: str) -> dict[str, Any]:
    """What a member beside the clip says: by its ending, or of JSON by key."""
    try:
        content = text.decode().strip()
        if ending != "json":
            return {ending: content}
        found = json.loads(content)
    except ValueError as error:
        raise DataError(f"{place} is no {'JSON' if ending == 'json' else 'UTF-8 text'}: {error}") from error
    return found if isinstance(found, dict) else {"json": found}
