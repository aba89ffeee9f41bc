"""`table`: any CSV with a row a clip.

Columns: `path` (relative to the CSV's folder), `label` (or `labels`, separated by semicolons), `split` or `fold`,
optionally `group` (else every clip is its own) and `seconds`; beside `labels` optionally `absent`: classes that are
known not to be in the clip, whose other classes are then unknown. More columns are ignored. The functions for reading
CSV tables and lists of lines serve the other readers too.
"""

import csv
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from evar.base.errors import DataError, UsageError, did_you_mean, few
from evar.data.readers.contract import Reader, Reading
from evar.data.task import Task

IN_QUOTES = "put text that holds a comma in quotes"
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
LOOKS_MISSING = {"nan", "na", "n/a", "null", "none"}


def open_reader(csv: str = "clips.csv") -> Reader:
    """csv: the table's path, relative to the dataset's folder."""
    return TableReader(csv)


class TableReader(Reader):
    """Reads one CSV."""

    distinct = False

    def __init__(self, csv: str) -> None:
        if Path(csv).is_absolute() or len(Path(csv).parts) > 1:
            raise UsageError(f"option csv of reader table must be a file name in the task's folder, not {csv!r}")
        self.csv = self.wanted = csv

    def holds(self, folder: Path) -> bool:
        return (folder / self.csv).is_file()

    def read(self, root: Path, task: Task) -> Reading:
        file = root / self.csv
        table = read_csv(file)
        part, other = ("fold", "split") if task.folds else ("split", "fold")
        labels, others = ("labels", "label") if task.kind == "multi-label" else ("label", "labels")
        if part not in table and other in table:
            raise DataError(f"{file}: column {other}, but {task.file.name} has {part}s: call one like the other")
        if labels not in table and others in table:
            raise DataError(f"{file}: column {others}, but {task.file.name} is {task.kind}: its column is {labels}")
        require_columns(table, ["path", labels, part], file)
        if table.empty:
            raise DataError(f"{file}: no rows below the header: it needs a line a clip")
        for column in ["path", part] if task.kind == "multi-label" else ["path", labels, part]:
            if (empty := table.index[table[column].str.strip() == ""]).size:
                raise DataError(f"{file}: empty {column} in line {few(str(row + 2) for row in empty)}")
        sets = table[labels].map(lambda text: _labels(text, task.kind))
        clips = {
            "path": table["path"],
            "labels": sets,
            "part": table[part],
            "group": _groups(table),
            "seconds": _seconds(table, file),
        }
        if task.kind == "multi-label" and "absent" in table:
            clips["absent"] = table["absent"].map(lambda text: _labels(text, task.kind))
        return Reading(
            pd.DataFrame(clips), remarks=(*_unread(table), *_odd_labels(table[labels], sets.explode().dropna()))
        )


def read_csv(file: Path) -> pd.DataFrame:
    """Every value of a CSV as text, empty where nothing stands. Raises DataError where it is not a CSV."""
    try:
        with file.open(encoding="utf-8-sig") as lines:
            _require_header(lines.readline(), file)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
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
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 text (byte {error.start})") from error
    lines = ((number, line.strip()) for number, line in enumerate(text.split("\n"), start=1))
    return [(number, line) for number, line in lines if line]


def _require_header(header: str, file: Path) -> None:
    """Raise DataError for a first line that is blank, names a column twice, or is separated by something else."""
    if not header.strip():
        raise DataError(f"{file}: the first line is empty: it must name the columns")
    names = next(csv.reader([header]))
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{file}: column {few(map(repr, twice))} is there twice")
    if "," not in header:
        for sign, name in SEPARATORS.items():
            if sign in header:
                raise DataError(f"{file}: columns are separated by {name}: save it with commas")


def require_columns(table: pd.DataFrame, columns: list[str], file: Path) -> None:
    """Raise DataError that names the `columns` which `table` lacks, with near names."""
    if missing := [column for column in columns if column not in table]:
        there = _named(table)
        hint = f": {hint}" if (hint := did_you_mean(missing[0], there)) else ""
        raise DataError(f"{file}: no column {', '.join(missing)}{hint} (columns there: {', '.join(there.values())})")


def _named(table: pd.DataFrame) -> dict[str, str]:
    """Column -> how it is shown: with its quotes where blanks stand around it."""
    return {name: name if name == name.strip() else repr(name) for name in table.columns}


def _unread(table: pd.DataFrame) -> Iterator[str]:
    """Remarks on columns that are not read, and are nearly called as those that may be."""
    for column in ("group", "seconds"):
        if column not in table and (hint := did_you_mean(column, _named(table), cutoff=0.85)):
            yield f"no column {column} is read: {hint}"


def _odd_labels(cells: "pd.Series[str]", labels: "pd.Series[str]") -> Iterator[str]:
    """Remarks on labels that are taken as they are written, and may be meant otherwise."""
    counts = labels.value_counts()
    for sign in ("|", ","):
        if cells.name == "labels" and cells.str.contains(sign, regex=False).any() and not cells.str.contains(";").any():
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


def _labels(text: str, kind: str) -> tuple[str, ...]:
    if kind == "single-label":
        return (text,)
    return tuple(sorted({label.strip() for label in text.split(";")} - {""}))


def _seconds(table: pd.DataFrame, file: Path) -> "pd.Series[float]":
    if "seconds" not in table:
        return pd.Series(float("nan"), index=table.index)
    seconds = pd.to_numeric(table["seconds"].replace("", None), errors="coerce")
    if (wrong := table.index[seconds.isna() & (table["seconds"] != "")]).size:
        raise DataError(f"{file}: column seconds is not a number in line {few(str(row + 2) for row in wrong)}")
    return seconds.astype(float)
