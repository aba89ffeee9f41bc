"""`leaderboard.csv`, for people and spreadsheets: a row a run, made from the runs' records and never read back.

`.leaderboard.json` beside it says which files it was made from, each by its size and time. A run that came is a line
at the end; any other difference (a record that changed or went, a table that was edited or deleted) makes it anew.
"""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from evar.base.errors import StorageError
from evar.base.files import storage_errors, write_atomic
from evar.leaderboard import runs
from evar.leaderboard.lines import line
from evar.probes.predictions import Predictions
from evar.result import COLUMNS, Result

NAME = "leaderboard.csv"
MADE_FROM = ".leaderboard.json"

Stamp = list[int]
"""A file's size in bytes and its time of change in nanoseconds."""


def check(results: Path) -> None:
    """Raise StorageError now, before hours of work, where a run could not be kept in the end."""
    _require_own(results / NAME)
    for probe in (results / runs.FOLDER / ".check", results / f".{NAME}.check"):
        write_atomic(probe, "")
        with storage_errors(probe):
            probe.unlink()


def append(
    results: Path,
    result: Result,
    predictions: Predictions,
    clips: Sequence[str],
    classes: Sequence[str],
    curves: dict[str, dict[str, float]],
) -> Path:
    """Keep the run (see `runs.keep`) and bring the table up to date. Returns the table's path. Raises StorageError."""
    runs.keep(results, result, predictions, clips, classes, curves)
    update(results)
    return results / NAME


def update(results: Path) -> None:
    """Bring the table up to date with the runs. Raises StorageError where it cannot be written or is no such table."""
    path, made_from = results / NAME, results / MADE_FROM
    with runs.only_writer(results):
        _require_own(path)
        files = {file.name: file for file in runs.record_files(results)}
        now = {name: stamp for name, file in files.items() if (stamp := _stamp(file))}
        before = _read(made_from)
        known: dict[str, Stamp] = before.get("runs", {})
        whole = before.get("table") == _stamp(path) is not None and before.get("columns") == list(COLUMNS)
        if whole and known == now:
            return
        grows = whole and all(now.get(name) == stamp for name, stamp in known.items())
        records = list(runs.readable([files[name] for name in now if not grows or name not in known]))
        rows = sorted((record.result for record in records), key=runs.moment)
        if grows:
            with storage_errors(path), path.open("ab", buffering=0) as file:
                file.write(_lines(rows))
                os.fsync(file.fileno())
        else:
            write_atomic(path.resolve(), ",".join(COLUMNS).encode() + b"\n" + _lines(rows))
        write_atomic(made_from, json.dumps({"table": _stamp(path), "columns": COLUMNS, "runs": now}))


def _lines(rows: Iterable[Result]) -> bytes:
    return "".join(line(list(row.row().values())) for row in rows).encode()


def _require_own(path: Path) -> None:
    """Raise StorageError where the file was not made from runs: it stays as it is."""
    with storage_errors(path):
        if not path.exists():
            return
        with path.open("rb") as file:
            start = file.read(len(",".join(COLUMNS[:4])))
    if start not in (b"", ",".join(COLUMNS[:4]).encode()):
        raise StorageError(
            f"{path} was not made from runs, it stays as it is: move it away or give another folder by --results"
        )


def _stamp(file: Path) -> Stamp | None:
    """None where there is no file."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return [stat.st_size, stat.st_mtime_ns]


def _read(path: Path) -> dict[str, Any]:
    """What the table was made from; nothing where that is not known."""
    try:
        made = json.loads(path.read_text(encoding="utf-8"))
        return made if isinstance(made["runs"], dict) else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
