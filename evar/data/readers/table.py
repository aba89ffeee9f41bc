"""`table`: any CSV with a row a clip.

Columns: `path` (relative to the CSV's folder), `label` (or `labels`, separated by semicolons), `split` or `fold`,
optionally `group` (else every clip is its own) and `seconds`. More columns are ignored.
"""

import warnings
from pathlib import Path

import pandas as pd

from evar.base.errors import DataError, UsageError, few
from evar.data.readers.contract import Reader, Reading
from evar.data.task import Task


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
        part = "fold" if task.folds else "split"
        labels = "labels" if task.kind == "multi-label" else "label"
        require_columns(table, ["path", labels, part], file)
        for column in ["path", part] if task.kind == "multi-label" else ["path", labels, part]:
            if (empty := table.index[table[column] == ""]).size:
                raise DataError(f"{file}: empty {column} in line {few(str(row + 2) for row in empty)}")
        return Reading(
            pd.DataFrame(
                {
                    "path": table["path"],
                    "labels": table[labels].map(lambda text: _labels(text, task.kind)),
                    "part": table[part],
                    "group": _groups(table),
                    "seconds": _seconds(table, file),
                }
            )
        )


def read_csv(file: Path) -> pd.DataFrame:
    """Every value of a CSV as text, empty where nothing stands. Raises DataError where it is not a CSV."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    except pd.errors.ParserWarning as error:
        raise DataError(f"{file}: not a CSV table: lines have more fields than the header") from error
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{file}: not a CSV table: {' '.join(str(error).split())}") from error


def require_columns(table: pd.DataFrame, columns: list[str], file: Path) -> None:
    """Raise DataError that names the `columns` which `table` lacks."""
    if missing := [column for column in columns if column not in table]:
        raise DataError(f"{file}: no column {', '.join(missing)} (columns there: {', '.join(table.columns)})")


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
