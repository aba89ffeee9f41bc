"""Tables as files: CSV (commas or tabs), JSON lines, JSON. Every reader reads its tables and lists by these functions.

JSON is a list of rows (objects), an object of rows or of values (then the column `key` holds its keys, and `value` the
values), or an object with one list of rows in it.
"""

import csv
import gc
import json
import re
import warnings
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic_core import from_json

from evar.base.errors import DataError, did_you_mean, few

IN_QUOTES = "put text that holds a comma in quotes"
SEPARATORS = {";": "semicolons", "|": "bars"}
LINES = (".jsonl", ".ndjson")

Header = int | list[str]
"""How many lines at the top name the columns (1: as usual; of several, the names are joined by dots), or the names."""


def read_table(file: Path, header: Header = 1) -> pd.DataFrame:
    """The table of any of the formats, by the file's ending. Of CSV all cells are text, of JSON what stands there.

    Raises DataError where the file is not of its format.
    """
    ending = file.suffix.lower()
    if ending == ".json":
        return _read_json(file)
    return _read_json_lines(file) if ending in LINES else read_csv(file, header)


def read_csv(file: Path, header: Header = 1) -> pd.DataFrame:
    """Every value of a CSV as text, empty where nothing stands. Tabs may separate in place of commas.

    Raises DataError where it is not a CSV.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            top = [lines.readline() for _ in range(header if isinstance(header, int) else 1)]
        separator = _separator(top[0], file, named=not isinstance(header, list))
        names = header if isinstance(header, list) else _names(top, separator, file)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                file,
                sep=separator,
                dtype=str,
                keep_default_na=False,
                encoding="utf-8-sig",
                index_col=False,
                header=None if isinstance(header, list) else header - 1,
                names=names if header != 1 else None,
            )
        return table.fillna("")  # of a line that ends early
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 text (byte {error.start}): save it as CSV in UTF-8") from error
    except pd.errors.ParserWarning as error:
        raise DataError(f"{file}: not a CSV table: lines have more fields than the header: {IN_QUOTES}") from error
    except (ValueError, pd.errors.ParserError) as error:
        reason = " ".join(str(error).split())
        if found := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", reason):
            fields, line, more = found.groups()
            reason = f"line {line} has {more} fields, the header {fields}: {IN_QUOTES}"
        raise DataError(f"{file}: not a CSV table: {reason}") from error


def read_lines(file: Path) -> list[tuple[int, str]]:
    """(number from 1, text without outer blanks) of each line that holds anything. Raises DataError."""
    lines = ((number, line.strip()) for number, line in enumerate(_text(file).split("\n"), start=1))
    return [(number, line) for number, line in lines if line]


def require_columns(table: pd.DataFrame, columns: Iterable[str], file: Path) -> None:
    """Raise DataError that names the `columns` which `table` lacks, with near names."""
    if missing := [column for column in columns if column not in table]:
        there = shown_columns(table)
        hint = f": {hint}" if (hint := did_you_mean(missing[0], there)) else ""
        raise DataError(f"{file}: no column {', '.join(missing)}{hint} (columns there: {', '.join(there.values())})")


def shown_columns(table: pd.DataFrame) -> dict[str, str]:
    """Column -> how it is shown: with its quotes where blanks stand around it."""
    return {name: name if name == name.strip() else repr(name) for name in table.columns}


def as_text(cells: "pd.Series[Any]", separator: str) -> "pd.Series[str]":
    """Cells as text: nothing as "", numbers of JSON as they are written, lists joined by the separator."""
    if isinstance(cells.dtype, pd.StringDtype):
        return cells.fillna("")
    return pd.Series(
        [cell if type(cell) is str else _cell_text(cell, separator) for cell in cells.tolist()],
        index=cells.index,
        name=cells.name,
        dtype=str,
    )


def _cell_text(cell: object, separator: str) -> str:
    if cell is None or cell != cell:  # NaN is what a table holds where a row lacks the key
        return ""
    if isinstance(cell, list):
        parts = [_cell_text(part, separator) for part in cell]
        if strange := [part for part in parts if separator in part]:
            raise DataError(
                f"{strange[0]!r} holds {separator!r}, which separates labels: give another separator in the options"
            )
        return separator.join(parts)
    return json.dumps(cell) if isinstance(cell, dict) else str(cell)


def _separator(line: str, file: Path, *, named: bool) -> str:
    """What separates columns, by the first line. Raises DataError where it is neither a comma nor a tab."""
    if named and not line.strip():
        raise DataError(f"{file}: the first line is empty: it must name the columns")
    if "," in line or "\t" not in line:
        if "," not in line:
            for sign, name in SEPARATORS.items():
                if sign in line:
                    raise DataError(f"{file}: columns are separated by {name}: save it with commas")
        return ","
    return "\t"


def _names(top: list[str], separator: str, file: Path) -> list[str]:
    """The columns' names. Raises DataError for names that are there twice."""
    rows = list(csv.reader(top, delimiter=separator))
    names = [".".join(filter(None, parts)) for parts in zip(*rows, strict=False)]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{file}: column {few(map(repr, twice))} is there twice")
    return names


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 text (byte {error.start})") from error


def _read_json(file: Path) -> pd.DataFrame:
    try:
        content = _parsed(_text(file))
    except ValueError as error:
        raise DataError(f"{file}: not JSON: {error}") from error
    if isinstance(content, dict) and len(content) == 1 and _are_rows(*content.values()):
        (content,) = content.values()
    if _are_rows(content):
        return _table(content)
    if not isinstance(content, dict):
        raise DataError(f"{file}: not a table: it must hold a list or an object of rows, each with names and values")
    keys, values = list(content), list(content.values())
    if not _are_rows(values):
        return pd.DataFrame({"key": keys, "value": values}, dtype=object)
    table = _table(values)
    return table if "key" in table else table.assign(key=keys)


def _read_json_lines(file: Path) -> pd.DataFrame:
    rows = []
    for number, line in read_lines(file):
        try:
            rows.append(_parsed(line))
        except ValueError as error:
            raise DataError(f"{file}, line {number}: not JSON: {error}") from error
        if not isinstance(rows[-1], dict):
            raise DataError(f"{file}, line {number}: not a row: it must hold an object, with names and values")
    return _table(rows)


def _parsed(text: str) -> Any:
    """What JSON holds. Raises ValueError.

    A table is hundreds of thousands of small objects; looking for rubbish among them would take most of the time.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return from_json(text)
    finally:
        if collects:
            gc.enable()


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A column for each name that any row has, in the order in which they come up; values as they are."""
    names = dict.fromkeys(chain.from_iterable(rows))
    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names})


def _are_rows(content: object) -> bool:
    return isinstance(content, list) and bool(content) and all(isinstance(row, dict) for row in content)
