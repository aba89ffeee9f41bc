"""Scores of another harness, to stand beside one's own and marked as imported: `imported.csv` in the results folder.

What is read is the table that the EVAR package of the M2D authors writes: columns representation, task, score (a share)
and report (free text); other columns are left out. Nothing of a run's provenance is in it, so its rows are never ranked
among one's own.

`imported.csv` may be edited by hand: rows are added below what is there, in the order of its own header.
"""

import dataclasses
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evar.base.errors import DataError
from evar.base.files import locked, storage_errors, write_atomic
from evar.leaderboard import lines

log = logging.getLogger(__name__)

NAME = "imported.csv"
COLUMNS = ("representation", "task", "score", "report", "source")


@dataclass(frozen=True)
class Imported:
    """One score (a share) as another harness reported it; `source` is the name of the file that it was read from."""

    representation: str
    task: str
    score: float
    report: str
    source: str


def read_scores(file: Path) -> list[Imported]:
    """The rows of a scores.csv; notes lines that are no rows. Raises DataError for another table."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    unix = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return [dataclasses.replace(row, source=file.name) for row in _rows(file, _sheet(file, unix))]


def read_imported(results: Path) -> list[Imported]:
    """What was imported into this results folder; none where nothing was.

    Notes lines that are no rows. Raises DataError for another table, StorageError where it is unreadable.
    """
    sheet = _kept(results / NAME)
    return [] if sheet is None else _rows(results / NAME, sheet)


def add(results: Path, rows: Sequence[Imported]) -> int:
    """Add the rows that are not there yet; returns how many. Scores that agree in ten digits are the same.

    All that the file holds stays, lines that are no rows too, which are noted. Raises DataError where it is
    another table, StorageError where the folder is not writable.
    """
    path = results / NAME
    with locked(path):
        sheet = _kept(path)
        known = {_same(row) for row in (_rows(path, sheet) if sheet else ())}
        new: dict[Imported, Imported] = {}
        for row in rows:
            if _same(row) not in known:
                new.setdefault(_same(row), row)
        if new:
            write_atomic(path, _added(sheet or _sheet(path, lines.line(COLUMNS).encode()), list(new.values())))
    return len(new)


def _added(sheet: lines.Sheet, rows: Sequence[Imported]) -> bytes:
    """The file with `rows` as its last ones."""
    first, *rest = [{**dataclasses.asdict(row), "score": repr(row.score)} for row in rows]
    header = [*sheet.header, *(name for name in COLUMNS if name not in sheet.header)]
    more = "".join(lines.line([cells.get(name, "") for name in header]) for cells in rest)
    return lines.extended(sheet, COLUMNS, first) + more.encode(lines.ENCODING, lines.ON_ERROR)


def _same(row: Imported) -> Imported:
    """What is equal of rows that tell the same, also where one was written with fewer digits."""
    return dataclasses.replace(row, score=float(f"{row.score:.10g}"))


def _kept(path: Path) -> lines.Sheet | None:
    """What was imported, taken apart; None where there is no file or nothing in it."""
    with storage_errors(path):
        content = path.read_bytes() if path.exists() else b""
    return _sheet(path, content) if content else None


def _sheet(file: Path, content: bytes) -> lines.Sheet:
    """A table of scores, taken apart. Raises DataError where it is none."""
    needs = f"a scores.csv has {', '.join(COLUMNS[:4])}"
    try:
        sheet = lines.parse(content)
    except ValueError as error:
        raise DataError(f"{file}, line 1: {error}: {needs}") from error
    if missing := [name for name in COLUMNS[:3] if name not in sheet.header]:
        raise DataError(f"{file} lacks the column {', '.join(missing)}: {needs}")
    return sheet


def _rows(file: Path, sheet: lines.Sheet) -> list[Imported]:
    rows = []
    for line, cells in sheet.records():
        try:
            if cells is None:
                raise ValueError(f"not a row of {len(sheet.header)} cells")
            rows.append(_row(cells))
        except ValueError as error:
            log.warning(f"{file}, line {line}: {error}; the line is skipped")
    return rows


def _row(cells: Mapping[str, str]) -> Imported:
    """A row of text, column -> cell. Raises ValueError where it is no score."""
    representation, task, score, report, source = (cells.get(name, "") for name in COLUMNS)
    share = _share(score)
    if share is None:
        raise ValueError(f"score {score!r} is no share from 0 to 1")
    if not representation or not task:
        raise ValueError("a name is missing")
    return Imported(representation, task, share, report, source)


def _share(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= 1 else None
