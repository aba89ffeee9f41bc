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
from typing import Any

from evar.base.errors import DataError, UsageError
from evar.base.files import locked, read_regular, storage_errors, write_atomic
from evar.leaderboard import csv_text, leaderboard_csv, runs

log = logging.getLogger(__name__)

NAME = "imported.csv"
MOST_BYTES = 16 << 20
COLUMNS = ("representation", "task", "score", "report", "source")


@dataclass(frozen=True)
class Imported:
    """One score (a share) as another harness reported it; `source` is the name of the file that it was read from."""

    representation: str
    task: str
    score: float
    report: str
    source: str

    def facts(self) -> dict[str, Any]:
        """What programs get of it."""
        row = dataclasses.asdict(self)
        return {"task": row.pop("task"), "encoder": row.pop("representation"), **row}


@dataclass(frozen=True)
class Copied:
    """What an import did: `new` of the `there` things of kind `what` were copied to `place`."""

    new: int
    there: int
    what: str
    place: Path


def import_results(source: str | Path, results: str | Path = "results") -> Copied:
    """Copy what is new in another results folder (its runs), or in a table of scores, to a results folder.

    Raises UsageError, DataError where `source` is neither, and StorageError where nothing can be written.
    """
    source, results = Path(source), Path(results)
    if source.is_dir():
        new, there = runs.copy_runs(source, results)
        leaderboard_csv.update(results)
        return Copied(new, there, "runs", results / runs.FOLDER)
    kept = results / NAME
    if kept.exists() and source.exists() and kept.samefile(source):
        raise UsageError(f"{source} is where imported scores are kept: name the table that they come from")
    if not (rows := read_scores(source)):
        raise DataError(f"{source} holds no line below its header")
    return Copied(add(results, rows), len(rows), "scores", kept)


def read_scores(file: Path) -> list[Imported]:
    """The rows of a scores.csv; notes lines that are no rows. Raises DataError where none is, or for another table."""
    try:
        content = read_regular(file, MOST_BYTES)
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    unix = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    _, rows, faults = _parsed(file, unix, COLUMNS[:3])
    if faults and not rows:
        raise DataError(f"{faults[0]}; none of its {len(faults):,} lines is a score that can be taken")
    _note(faults)
    return [dataclasses.replace(row, source=file.name) for row in rows]


def read_imported(results: Path) -> list[Imported]:
    """What was imported into this results folder; none where nothing was.

    Notes lines that are no rows. Raises DataError for another table, StorageError where it is unreadable.
    """
    path = results / NAME
    content = _content(path)
    if not content:
        return []
    _, rows, faults = _parsed(path, content, COLUMNS)
    _note(faults)
    return rows


def add(results: Path, rows: Sequence[Imported]) -> int:
    """Add the rows that are not there yet; returns how many. Scores that agree in ten digits are the same.

    All that the file holds stays, lines that are no rows too, which are noted. Raises DataError where it is
    another table, StorageError where the folder is not writable.
    """
    path = results / NAME
    with locked(path):
        content = _content(path) or csv_text.line(COLUMNS).encode()
        header, there, faults = _parsed(path, content, COLUMNS)
        _note(faults)
        known, new = set(map(_same, there)), dict[Imported, Imported]()
        for row in rows:
            if _same(row) not in known:
                new.setdefault(_same(row), row)
        if new:
            end = b"" if content.endswith(b"\n") else b"\n"
            write_atomic(path, content + end + b"".join(_line(row, header) for row in new.values()))
    return len(new)


def _line(row: Imported, header: Sequence[str]) -> bytes:
    cells = {**dataclasses.asdict(row), "score": repr(row.score)}
    return csv_text.line([cells.get(name, "") for name in header]).encode("utf-8", "surrogateescape")


def _same(row: Imported) -> Imported:
    """What is equal of the same scores, also where one was written with fewer digits."""
    return dataclasses.replace(row, score=float(f"{row.score:.10g}"))


def _content(path: Path) -> bytes:
    """What was imported; nothing where there is no file."""
    with storage_errors(path):
        try:
            return read_regular(path, MOST_BYTES)
        except FileNotFoundError:
            return b""


def _note(faults: Sequence[str]) -> None:
    for fault in faults:
        log.warning(f"{fault}; the line is skipped")


def _parsed(file: Path, content: bytes, needed: Sequence[str]) -> tuple[list[str], list[Imported], list[str]]:
    """The columns of a table of scores, its rows, and why other lines are none. Raises DataError for another table."""
    needs = f"a table of scores has {', '.join(COLUMNS[: max(4, len(needed))])}"
    try:
        header, cells_by_line = csv_text.parse(content)
    except ValueError as error:
        raise DataError(f"{file}, line 1: {error}: {needs}") from error
    if missing := [name for name in needed if name not in header]:
        raise DataError(f"{file} lacks the column {', '.join(missing)}: {needs}")
    rows, faults = [], []
    for line, cells in cells_by_line:
        try:
            if cells is None:
                raise ValueError(f"not a row of {len(header)} cells")
            rows.append(_row(cells))
        except ValueError as error:
            faults.append(f"{file}, line {line}: {error}")
    return header, rows, faults


def _row(cells: Mapping[str, str]) -> Imported:
    """A row of text, column -> cell. Raises ValueError where it is no score."""
    representation, task, score, report, source = texts = [cells.get(name, "") for name in COLUMNS]
    if (longest := max(map(len, texts))) > runs.MOST_LETTERS:
        raise ValueError(f"a cell has {longest:,} letters, more than {runs.MOST_LETTERS:,}")
    share = _share(score)
    if share is None:
        hint = ", it looks like per cent: divide by 100" if _share(score.rstrip("% "), most=100) else ""
        raise ValueError(f"score {score!r} is no share from 0 to 1{hint}")
    if not representation or not task:
        raise ValueError("a name is missing")
    return Imported(representation, task, share, report, source)


def _share(text: str, most: float = 1) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= most else None
