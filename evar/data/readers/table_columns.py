"""Rows of one or several tables, and columns made from their columns: templates, expressions, values, joins, choices.

All are text; a mistake in a mapping is one line that names the file and the columns that are there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from string import Formatter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evar.base.errors import DataError, UsageError, few
from evar.data.readers.table_files import Header, as_text, read_table, require_columns

EVERY_OTHER = "*"
TABLE = "table"  # the column that says which of several tables, by the name in the options, a row is from
YES = {"1", "1.0", "true", "yes"}
NO = {"", "0", "0.0", "false", "no"}


@dataclass(frozen=True)
class Rows:
    """Rows of tables, one after the other.

    frame: their columns, of which some lack in some tables; files: the tables; source: (row,) place among the files;
    line: (row,) number in its file, by which `unit` people find it; separator: joins what is a list in JSON
    """

    frame: pd.DataFrame
    files: tuple[Path, ...]
    source: NDArray[np.int64]
    line: NDArray[np.int64]
    separator: str

    def text(self, column: str) -> "pd.Series[str]":
        """A column as text, empty where a row has none. Raises DataError where no table has it."""
        require_columns(self.frame, [column], self.files[0])
        return as_text(self.frame[column], self.separator)

    def keep(self, chosen: "pd.Series[bool]") -> "Rows":
        """The rows that are chosen."""
        mask = chosen.to_numpy(dtype=bool)
        frame = self.frame[mask].reset_index(drop=True)
        return replace(self, frame=frame, source=self.source[mask], line=self.line[mask])

    def add(self, columns: Mapping[str, "pd.Series[str]"]) -> "Rows":
        """With these columns, in place of those of the same names."""
        return replace(self, frame=self.frame.assign(**columns))

    def places(self, chosen: "pd.Series[bool]") -> tuple[Path, str]:
        """The first file of the rows that are chosen, and which of its lines they are."""
        there = np.flatnonzero(chosen.to_numpy(dtype=bool))
        first = self.source[there[0]]
        file = self.files[first]
        unit = "row" if file.suffix.lower() == ".json" else "line"
        if file.is_dir():
            return file, few(self.frame["path"].iloc[there])
        return file, f"{unit} {few(str(self.line[row]) for row in there if self.source[row] == first)}"


def read_rows(root: Path, tables: Mapping[str, str], header: Header, separator: str) -> Rows:
    """The rows of all tables (name -> file below `root`), with the column TABLE where they have names.

    Raises DataError where one cannot be read, is empty or has a column TABLE of its own.
    """
    frames, files = [], []
    for name, place in tables.items():
        file = root / place
        frame = read_table(file, header)
        if frame.empty:
            raise DataError(f"{file}: no rows below the header: it needs a line a clip")
        if name:
            if TABLE in frame:
                raise DataError(f"{file}: a column {TABLE} of its own, which named tables get: rename it")
            frame[TABLE] = name
        frames.append(frame)
        files.append(file)
    first = 1 if isinstance(header, list) else header + 1
    starts = [1 if file.suffix.lower() in (".json", ".jsonl", ".ndjson") else first for file in files]
    return Rows(
        frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True),
        tuple(files),
        np.concatenate([np.full(len(frame), number) for number, frame in enumerate(frames)]),
        np.concatenate([np.arange(len(frame)) + start for frame, start in zip(frames, starts, strict=True)]),
        separator,
    )


def join(rows: Rows, others: Rows, ours: str, theirs: str) -> Rows:
    """With the columns of `others` that `rows` lacks, of the row whose column `theirs` is our column `ours`.

    Raises DataError where a key is there twice, or lacks.
    """
    keys, wanted = others.text(theirs), rows.text(ours)
    if keys.duplicated().any():
        raise DataError(f"{others.files[0]}: column {theirs} holds {few(map(repr, keys[keys.duplicated()]))} twice")
    places = pd.Index(keys).get_indexer(pd.Index(wanted))
    if (lost := wanted[places < 0]).size:
        raise DataError(
            f"{others.files[0]}: no row whose {theirs} is {few(map(repr, lost.unique()))}, of column {ours}"
        )
    new = [column for column in others.frame if column not in rows.frame]
    found = others.frame[new].iloc[places].reset_index(drop=True)
    return replace(rows, frame=pd.concat([rows.frame, found], axis=1))


def one_a_path(rows: Rows, labels: Mapping[str, "pd.Series[bool]"], same: list[str]) -> Rows:
    """The first row of each path, with the labels of all its rows: column -> (row,) whose label belongs to it.

    Raises DataError where rows of one path differ in a column of `same`.
    """
    paths, own = rows.frame["path"], rows.frame["labels"]
    first = ~paths.duplicated()
    for column in same:
        cells = rows.text(column)
        strange = cells != paths.map(dict(zip(paths[first], cells[first], strict=True)))
        if strange.any():
            file, lines = rows.places(strange)
            raise DataError(f"{file}: rows of one path differ in {column}: {lines} and an earlier one")
    kept = rows.keep(first)
    joined = {column: own[mask].groupby(paths[mask]).agg(rows.separator.join) for column, mask in labels.items()}
    return kept.add({column: kept.frame["path"].map(cells).fillna("") for column, cells in joined.items()})


def numbers(rows: Rows, column: str, *, needed: bool = True) -> "pd.Series[float]":
    """A column as numbers, NaN for empty cells unless they are `needed`. Raises DataError where it holds no number."""
    cells = rows.text(column)
    found = pd.to_numeric(cells.replace("", None), errors="coerce")
    if (wrong := found.isna() & (needed | (cells != ""))).any():
        file, lines = rows.places(wrong)
        raise DataError(f"{file}: column {column} is not a number in {lines}")
    return found.astype(float)


def extract(rows: Rows, column: str, expression: re.Pattern[str]) -> Rows:
    """With a column for each named group of the expression, which is searched for in a column.

    Raises DataError for a cell that does not fit, or where a column of such a name is there.
    """
    cells = rows.text(column)
    if clash := [name for name in expression.groupindex if name in rows.frame]:
        raise DataError(f"{rows.files[0]}: the expression for {column} names {few(clash)}, which is a column there")
    found = cells.str.extract(expression)
    if (strange := cells[~found.notna().any(axis=1)]).size:
        raise DataError(
            f"{rows.files[0]}: column {column} of {len(strange):,} rows does not fit {expression.pattern}: "
            f"{few(map(repr, strange))}"
        )
    return rows.add({name: found[name].fillna("") for name in expression.groupindex})


def fill(rows: Rows, template: str) -> "pd.Series[str]":
    """A column made of columns: "audio/{filename}". A template without braces is a column's name."""
    if "{" not in template:
        return rows.text(template)
    parts: list[str | pd.Series[str]] = []
    for literal, column, _, _ in Formatter().parse(template):
        parts += [literal] if column is None else [literal, rows.text(column)]
    together = reduce(lambda left, right: left + right, parts)
    assert isinstance(together, pd.Series)  # a template names at least one column
    return together


def check_template(template: str, option: str) -> None:
    """Raise UsageError where a template is not text with plain {column}s."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise UsageError(f"{option}: {template!r} is no template: {error}") from error
    fields = [(name, form, turn) for _, name, form, turn in parts if name is not None]
    if wrong := [name for name, form, turn in fields if not name or form or turn]:
        raise UsageError(
            f"{option}: {template!r} must hold columns as {{column}}, plainly, not {few(map(repr, wrong))}"
        )
    if "{" in template and not fields:
        raise UsageError(f"{option}: {template!r} names no column")


def those_marked(rows: Rows, columns: list[str]) -> "pd.Series[str]":
    """Of each row the columns that say yes (1, true), with the separator between them.

    Raises DataError for cells that say neither yes nor no.
    """
    marks = np.zeros((len(rows.frame), len(columns)), dtype=np.bool_)
    for number, column in enumerate(columns):
        cells = rows.text(column).str.strip().str.lower()
        marks[:, number] = cells.isin(YES)
        if (strange := cells[~(cells.isin(YES | NO))]).size:
            raise DataError(
                f"{rows.files[0]}: column {column} must hold 1 or 0, not {few(map(repr, strange.unique()))}"
            )
    names = np.array(columns, dtype=object)
    return pd.Series([rows.separator.join(names[row]) for row in marks], index=rows.frame.index, dtype=object)


def translate(cells: "pd.Series[str]", values: Mapping[str, str]) -> "pd.Series[str]":
    """Old values by new ones; EVERY_OTHER stands for all that are not named, which else stay."""
    new = cells.map(dict(values)).astype(object)
    return new.fillna(values.get(EVERY_OTHER, cells))


def chosen(rows: Rows, column: str, values: list[str], listed: bool) -> "pd.Series[bool]":
    """(row,) whether a column holds one of these values.

    Raises DataError for a value that no row has, where rows are `listed` and therefore complete.
    """
    cells = rows.text(column)
    there = set(cells.unique())
    if lost := [value for value in values if listed and value not in there]:
        raise DataError(
            f"{rows.files[0]}: column {column} never holds {few(map(repr, lost))} (it holds "
            f"{few(map(repr, sorted(there)), 5)})"
        )
    return cells.isin(values)
