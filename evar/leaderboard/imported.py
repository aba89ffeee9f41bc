"""Scores of another harness, to stand beside one's own and marked as imported: `imported.csv` in the results folder.

What is read is the table that the EVAR package of the M2D authors writes: columns representation, task, score (a share)
and report (free text); other columns are left out. Nothing of a run's provenance is in it, so its rows are never ranked
among one's own.
"""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evar.errors import DataError
from evar.files import locked, storage_errors, write_atomic

NAME = "imported.csv"
COLUMNS = ("representation", "task", "score", "report", "source")
ENCODING, ON_ERROR = "utf-8-sig", "surrogateescape"


@dataclass(frozen=True)
class Imported:
    """One score (a share) as another harness reported it; `source` is the name of the file that it was read from."""

    representation: str
    task: str
    score: float
    report: str
    source: str


def read_scores(file: Path, note: Callable[[str], None]) -> list[Imported]:
    """The rows of a scores.csv; `note` is told of lines that are no rows. Raises DataError for another table."""
    return _read(file, file.name, note)


def read_imported(results: Path, note: Callable[[str], None]) -> list[Imported]:
    """What was imported into this results folder; none where nothing was."""
    return _read(results / NAME, None, note) if (results / NAME).exists() else []


def add(results: Path, rows: Sequence[Imported], note: Callable[[str], None]) -> int:
    """Add the rows that are not there yet; returns how many. Raises StorageError where the folder is not writable."""
    path = results / NAME
    with locked(path):
        before = read_imported(results, note)
        new = [row for row in dict.fromkeys(rows) if row not in before]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if not before:
            writer.writerow(COLUMNS)
        writer.writerows((row.representation, row.task, f"{row.score:.10g}", row.report, row.source) for row in new)
        with storage_errors(path):
            content = path.read_bytes() if before else b""
        if new:
            write_atomic(path, content + text.getvalue().encode("utf-8", ON_ERROR))
    return len(new)


def _read(file: Path, source: str | None, note: Callable[[str], None]) -> list[Imported]:
    try:
        text = file.read_text(encoding=ENCODING, errors=ON_ERROR)
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    reader = csv.DictReader(io.StringIO(text))
    wanted = COLUMNS[:3]
    if missing := [name for name in wanted if name not in (reader.fieldnames or [])]:
        raise DataError(f"{file} lacks the column {', '.join(missing)}: a scores.csv has {', '.join(COLUMNS[:4])}")
    rows = []
    for cells in reader:
        told = {name: cells.get(name) or "" for name in COLUMNS}
        score = _share(told["score"])
        if score is None or not told["representation"] or not told["task"]:
            why = f"score {told['score']!r} is no share from 0 to 1" if score is None else "a name is missing"
            note(f"{file}, line {reader.line_num}: {why}; the line is skipped")
            continue
        name, origin = told["representation"], source if source is not None else told["source"]
        rows.append(Imported(name, told["task"], score, told["report"], origin))
    return rows


def _share(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= 1 else None
