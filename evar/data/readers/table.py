"""`table`: any dataset with a row a clip, or whose paths say everything; without options the CSV `clips.csv`.

Columns: `path` (relative to the dataset's folder), `label` (or `labels`, separated by semicolons), `split` or `fold`,
optionally `group` (else every clip is its own) and `seconds`; beside `labels` optionally `absent`: classes that are
known not to be in the clip, whose other classes are then unknown. More columns are ignored. The options say how they
are made where they are not there; docs/datasets.md explains them by examples. They work in this order:

    table, header      the rows: a CSV, TSV, JSON or JSON lines, or several, by name; or
    files              an expression that whole paths of clips fit; its named groups are columns
    match              expressions searched for in columns; their named groups are columns
    join               columns of another table, by a key
    columns            what the reader's columns are: a column, "audio/{filename}", or a list of columns with 1 and 0
    values             new values for old ones, in the reader's columns
    where, without     which rows are clips
    gather             one clip of all rows of its path, each of which has one of its labels
    deal               splits or folds by a hash of the group, where nobody has made any
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Never, TypeVar

import numpy as np
import pandas as pd
from pydantic import ValidationError

from evar.base.errors import DataError, UsageError, did_you_mean, few, in_words, unknown
from evar.data.readers.clip_files import clip_files, one_each
from evar.data.readers.contract import Reader, Reading
from evar.data.readers.table_columns import (
    EVERY_OTHER,
    Rows,
    check_template,
    chosen,
    extract,
    fill,
    join,
    numbers,
    one_a_path,
    read_rows,
    those_marked,
    translate,
)
from evar.data.readers.table_files import Header, require_columns, shown_columns
from evar.data.split import dealt
from evar.data.task import Strict, Task

COLUMNS = ("path", "label", "labels", "absent", "split", "fold", "group", "seconds")
OF_LABELS = ("labels", "absent")  # cells that hold several
LOOKS_MISSING = {"nan", "na", "n/a", "null", "none"}

Name = str | int | float
Value = str | bool | int | float
Values = Value | list[Value]
Options = TypeVar("Options", bound=Strict)
Tables = str | dict[Name, str]


class Join(Strict):
    """Another table; `by` is a column of both, or {our column: its column}."""

    table: Tables
    by: str | dict[str, str]
    header: Header = 1


class Gather(Strict):
    """Rows whose column `value` is at least `present` have a label, the others name one that the clip has not."""

    value: str
    present: float


def open_reader(
    table: Tables = "clips.csv",
    files: str | None = None,
    header: Header = 1,
    match: dict[str, str] | None = None,
    join: dict[str, Any] | list[dict[str, Any]] | None = None,
    columns: dict[str, str | list[str]] | None = None,
    values: dict[str, dict[Name, Values]] | None = None,
    where: dict[str, Values] | None = None,
    without: dict[str, Values] | None = None,
    gather: bool | dict[str, Any] = False,
    deal: bool | dict[Name, int] = False,
    separator: str = ";",
    nests: list[str] | None = None,
) -> Reader:
    """See above, and docs/datasets.md.

    separator: stands between labels of one cell. nests: folders inside the task's in which archives put the dataset,
    `*` for any part of a name.
    """
    joins = [] if join is None else join if isinstance(join, list) else [join]
    return TableReader(
        tables={} if files is not None else _tables(table, "table"),
        files=None if files is None else _expression(files, "files"),
        header=header,
        match={column: _expression(text, f"match of {column}", names=True) for column, text in (match or {}).items()},
        joins=[_join(each) for each in joins],
        columns=columns or {},
        values={column: _old_to_new(column, names) for column, names in (values or {}).items()},
        where={column: _texts(each) for column, each in (where or {}).items()},
        without={column: _texts(each) for column, each in (without or {}).items()},
        gather=_sound(Gather, gather, "gather") if isinstance(gather, dict) else gather,
        deal={str(part): share for part, share in deal.items()} if isinstance(deal, dict) else deal,
        separator=separator,
        nests=tuple(nests or ()),
    )


@dataclass(frozen=True)
class TableReader(Reader):
    """Reads tables, or paths; the fields are the options. Either `tables` (name -> file) or `files` is there."""

    tables: dict[str, str]
    files: re.Pattern[str] | None
    header: Header
    match: dict[str, re.Pattern[str]]
    joins: list[Join]
    columns: dict[str, str | list[str]]
    values: dict[str, dict[str, str]]
    where: dict[str, list[str]]
    without: dict[str, list[str]]
    gather: bool | Gather
    deal: bool | dict[str, int]
    separator: str
    nests: tuple[str, ...]
    distinct = False

    @property
    def wanted(self) -> str:  # type: ignore[override]
        """The tables, or the expression for files."""
        nests = f" (also in {few(self.nests)})" if self.nests else ""
        if self.files is not None:
            return f"files whose paths fit {self.files.pattern}{nests}"
        return few(self.tables.values()) + nests

    def __post_init__(self) -> None:
        """Raise UsageError where options cannot be."""
        for option in ("columns", "values"):
            for name in getattr(self, option):
                if name not in COLUMNS:
                    raise unknown(f"column in option {option} of reader table", name, COLUMNS)
        for name, made in self.columns.items():
            if isinstance(made, str):
                check_template(made, f"option columns of reader table, {name}")
            elif name not in OF_LABELS:
                _refuse(f"column {name} must be one column or a template; a list of columns is for labels")
        if self.deal and {"split", "fold"} & {*self.columns, *self.values}:
            _refuse("deal makes the splits or folds: columns and values must not name them too")
        if isinstance(self.gather, Gather) and "absent" in {*self.columns, *self.values}:
            _refuse("gather makes the column absent by its value: columns and values must not name it too")
        if not self.separator:
            _refuse("separator must not be empty")

    def holds(self, folder: Path) -> bool:
        if self.files is None:
            return any((folder / table).is_file() for table in self.tables.values())
        return any(self.files.fullmatch(path) for path in clip_files(folder, "any").paths)

    def find(self, folder: Path) -> Path | None:
        places = [folder, *(place for nest in self.nests for place in sorted(folder.glob(nest)))]
        return next((place for place in places if self.holds(place)), None)

    def read(self, root: Path, task: Task) -> Reading:
        rows, remarks = self._rows(root, task.modality)
        early = [column for column in self.match if column in rows.frame]
        for column in early:
            rows = extract(rows, column, self.match[column])
        for each in self.joins:
            others = read_rows(root, _tables(each.table, "join"), each.header, self.separator)
            rows = join(rows, others, *_pair(each.by))
        for column in sorted(self.match.keys() - early):
            rows = extract(rows, column, self.match[column])
        rows = self._named(rows, task)
        listed = self.files is None  # else a value may lack because files do
        for column, values in self.where.items():
            rows = rows.keep(chosen(rows, column, values, listed))
        for column, values in self.without.items():
            rows = rows.keep(~chosen(rows, column, values, listed))
        if self.gather:
            rows = self._gathered(rows, task)
        return self._reading(rows, task, remarks)

    def _rows(self, root: Path, modality: str) -> tuple[Rows, tuple[str, ...]]:
        """The rows of the tables, or of the files, and remarks."""
        if self.files is None:
            return read_rows(root, self.tables, self.header, self.separator), ()
        listing = clip_files(root, modality)
        matches = {path: match for path in listing.paths if (match := self.files.fullmatch(path))}
        found, twice = one_each(matches, lambda path: path.rpartition(".")[0])
        if not found:
            raise DataError(f"{root}: no {self.wanted}")
        paths = sorted(found.values())
        frame = pd.DataFrame([{**matches[path].groupdict(""), "path": path} for path in paths], dtype=object)
        lines = np.arange(len(paths))
        return Rows(frame, (root,), lines * 0, lines, self.separator), (*listing.remarks, *twice)

    def _named(self, rows: Rows, task: Task) -> Rows:
        """With the reader's own columns as far as they are there or made, with their new values."""
        made: dict[str, pd.Series[str]] = {}
        for name in COLUMNS:
            given = self.columns.get(name, name)
            if name not in self.columns and name not in rows.frame:
                continue
            made[name] = those_marked(rows, given) if isinstance(given, list) else fill(rows, given)
            if name in self.values and name not in OF_LABELS:
                made[name] = translate(made[name], self.values[name])
        rows = rows.add(made)
        if self.deal and "path" in made:
            part = "fold" if task.folds else "split"
            rows = rows.add({part: self._dealt(rows, task)})
        return rows

    def _gathered(self, rows: Rows, task: Task) -> Rows:
        """One row a path, of rows of a label each."""
        if task.kind != "multi-label":
            raise UsageError(f"{task.file}: gather is for multi-label tasks, whose clips have several labels")
        require_columns(rows.frame, ["path", "labels"], rows.files[0])
        same = [column for column in ("split", "fold", "group", "seconds") if column in rows.frame]
        if isinstance(self.gather, bool):
            return one_a_path(rows, {"labels": rows.frame["path"].notna()}, same)
        present = numbers(rows, self.gather.value) >= self.gather.present
        return one_a_path(rows, {"labels": present, "absent": ~present}, same)

    def _dealt(self, rows: Rows, task: Task) -> "pd.Series[str]":
        """The part of each clip, by its group; of a clip that is its own group, by its path without the ending."""
        given = self.deal if isinstance(self.deal, dict) else dict.fromkeys(task.parts, 1)
        if set(given) != set(task.parts) or min(given.values()) < 1:
            parts = ", ".join(task.parts)
            raise UsageError(f"{task.file}: deal must give a share of 1 or more to each of {parts}, not {given}")
        shares = {part: given[part] for part in task.parts}
        alone = rows.frame["path"].str.replace(r"\.\w+\Z", "", regex=True)
        groups = alone if "group" not in rows.frame else rows.frame["group"].where(rows.frame["group"] != "", alone)
        return groups.map({group: dealt(group, shares) for group in groups.unique()})

    def _reading(self, rows: Rows, task: Task, remarks: tuple[str, ...]) -> Reading:
        table, file = rows.frame, rows.files[0]
        part, other = ("fold", "split") if task.folds else ("split", "fold")
        labels, others = ("labels", "label") if task.kind == "multi-label" else ("label", "labels")
        if part not in table and other in table:
            raise DataError(f"{file}: column {other}, but {task.file.name} has {part}s: call one like the other")
        if labels not in table and others in table:
            raise DataError(f"{file}: column {others}, but {task.file.name} is {task.kind}: its column is {labels}")
        require_columns(table, ["path", labels, part], file)
        for column in ["path", part] if task.kind == "multi-label" else ["path", labels, part]:
            if (empty := table[column].str.strip() == "").any():
                file, lines = rows.places(empty)
                raise DataError(f"{file}: empty {column} in {lines}")
        sets = self._labels(table[labels], task.kind)
        clips = {
            "path": table["path"],
            "labels": sets,
            "part": table[part],
            "group": _groups(table),
            "seconds": _seconds(rows),
        }
        if task.kind == "multi-label" and "absent" in table:
            clips["absent"] = self._labels(table["absent"], task.kind)
        odd = _odd_labels(table[labels], sets.explode().dropna(), self.separator)
        return Reading(pd.DataFrame(clips), remarks=(*remarks, *_unread(table), *odd))

    def _labels(self, cells: "pd.Series[str]", kind: str) -> "pd.Series[Any]":
        """(row,) tuples of class names."""
        if kind == "single-label":
            return pd.Series(list(zip(_listed(cells), strict=True)), index=cells.index, dtype=object)
        new = self.values.get("labels", {})
        sets = {}
        for cell in cells.unique():
            names = {label.strip() for label in cell.split(self.separator)} - {""}
            sets[cell] = tuple(sorted({new.get(name, new.get(EVERY_OTHER, name)) for name in names}))
        return pd.Series([sets[cell] for cell in _listed(cells)], index=cells.index, dtype=object)


def _listed(cells: "pd.Series[str]") -> list[str]:
    """Cells as a list; asked for one by one, those of pandas' own text take ten times as long."""
    return cells.to_numpy(dtype=object).tolist()


def _refuse(reason: str) -> Never:
    raise UsageError(f"options of reader table: {reason}")


def _tables(given: Tables, option: str) -> dict[str, str]:
    """Name -> file. Raises UsageError for one outside the dataset's folder."""
    tables = {"": given} if isinstance(given, str) else {str(name): file for name, file in given.items()}
    for file in tables.values():
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts or path == PurePosixPath():
            _refuse(f"{option} must be a file below the task's folder, not {file!r}")
    if not tables:
        _refuse(f"{option} names no file")
    return tables


def _join(given: Mapping[str, Any]) -> Join:
    found = _sound(Join, given, "join")
    _tables(found.table, "join")
    _pair(found.by)
    return found


def _sound(model: type[Options], given: Mapping[str, Any], option: str) -> Options:
    """The option as what it is made of. Raises UsageError for an unknown key or a wrong value."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        # first a key that is unknown: for what is missing it may be a typo
        fault = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        key = str(fault["loc"][0])
        if fault["type"] == "extra_forbidden":
            raise unknown(f"key of option {option} of reader table", key, model.model_fields) from error
        _refuse(f"{option}: {key} {in_words(fault)}")


def _expression(text: str, option: str, *, names: bool = False) -> re.Pattern[str]:
    try:
        expression = re.compile(text)
    except re.error as error:
        _refuse(f"{option}: {text!r} is no regular expression: {error}")
    if names and not expression.groupindex:
        _refuse(f"{option}: {text!r} names no column: write (?P<label>...)")
    if not names and "path" in expression.groupindex:
        _refuse(f"{option}: {text!r} names path, which is the file's own")
    return expression


def _pair(by: str | Mapping[str, str]) -> tuple[str, str]:
    """Our column and the other table's."""
    pairs = [(by, by)] if isinstance(by, str) else list(by.items())
    if len(pairs) != 1:
        _refuse("join is by one column, or by {our column: its column}")
    return pairs[0]


def _texts(values: Values) -> list[str]:
    return [str(value) for value in (values if isinstance(values, list) else [values])]


def _old_to_new(column: str, names: Mapping[Name, Values]) -> dict[str, str]:
    """Old value -> new one, of an option that lists the old ones for each new one."""
    found: dict[str, str] = {}
    for new, olds in names.items():
        for old in _texts(olds):
            if found.setdefault(old, str(new)) != str(new):
                _refuse(f"values of {column}: {old!r} becomes both {found[old]} and {new}")
    return found


def _unread(table: pd.DataFrame) -> Iterator[str]:
    """Remarks on columns that are not read, and are nearly called as those that may be."""
    for column in ("group", "seconds"):
        if column not in table and (hint := did_you_mean(column, shown_columns(table), cutoff=0.85)):
            yield f"no column {column} is read: {hint}"


def _odd_labels(cells: "pd.Series[str]", labels: "pd.Series[str]", separator: str) -> Iterator[str]:
    """Remarks on labels that are taken as they are written, and may be meant otherwise."""
    counts = labels.value_counts()
    for sign in ("|", ","):
        held = separator == ";" and cells.name == "labels" and cells.str.contains(sign, regex=False).any()
        if held and not cells.str.contains(";").any():
            yield f"labels that hold {sign!r} are taken for one label each: semicolons separate labels"
    for name, count in counts.items():
        if str(name).strip().casefold() in LOOKS_MISSING:
            yield f"{count:,} clips have the label {name!r}, which is taken for a class"
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(map(str, counts.index)):
        alike["".join(name.split()).casefold()].append(name)
    for names in alike.values():
        if len(names) > 1:
            yield f"labels that differ in case or blanks alone are classes of their own: {few(map(repr, names))}"


def _groups(table: pd.DataFrame) -> "pd.Series[str]":
    """The group column; a clip without one is its own."""
    if "group" not in table:
        return table["path"]
    return table["group"].where(table["group"] != "", table["path"])


def _seconds(rows: Rows) -> "pd.Series[float]":
    if "seconds" not in rows.frame:
        return pd.Series(float("nan"), index=rows.frame.index)
    return numbers(rows, "seconds", needed=False)
