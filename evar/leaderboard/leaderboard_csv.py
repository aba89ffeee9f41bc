"""`leaderboard.csv`, for people and spreadsheets: a row a run, made from the runs' records and never read back.

`.leaderboard.json` beside it says which files it was made from, each by its size and time. A run that came is a line
at the end; any other difference (a record that changed or went, a table that was edited or deleted) makes it anew.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from evar.base.errors import StorageError, UsageError, did_you_mean
from evar.base.files import open_regular, remove_unfinished, storage_errors, write_atomic
from evar.base.json_file import read_json, write_json
from evar.leaderboard import runs
from evar.leaderboard.csv_text import defused, line
from evar.leaderboard.runs import Kept
from evar.result import COLUMNS, Result

NAME = "leaderboard.csv"
DEFAULT = Path("results")
MADE_FROM = ".leaderboard.json"

Stamp = tuple[int, int]
"""A file's size in bytes and its time of change in nanoseconds."""
Stamps = dict[str, Stamp]
"""Of files by name."""


def require_writable(results: Path) -> None:
    """Raise StorageError now, before hours of work, where a run could not be kept in the end.

    What killed processes left there is deleted.
    """
    _require_own(results / NAME)
    with storage_errors(results / MADE_FROM), contextlib.suppress(FileNotFoundError):
        open_regular(results / MADE_FROM).close()
    for probe in (results / runs.FOLDER / ".check", results / f".{NAME}.check"):
        write_atomic(probe, "")
        with storage_errors(probe):
            probe.unlink(missing_ok=True)  # another run may look at the same time
    with runs.only_writer(results):
        remove_unfinished(results)
        runs.remove_unfinished_runs(results)


def require_there(results: Path) -> None:
    """Raise UsageError, with near names, for a results folder that is named and not there."""
    if results.is_dir() or results == DEFAULT:  # which the first evaluation makes
        return
    if results.exists():
        raise UsageError(f"--results {results} is no folder: name the one that holds {NAME}")
    try:
        near = [place.name for place in results.parent.iterdir() if place.is_dir()]
    except OSError:
        near = []
    hint = did_you_mean(results.name, near, cutoff=0.75) or "an evaluation with --results makes one"
    raise UsageError(f"no results folder {results}: {hint}")


def append(results: Path, result: Result, kept: Kept) -> Path:
    """Keep the run (see `runs.keep`) and update the table. Returns the table's path. Raises StorageError."""
    runs.keep(results, result, kept)
    update(results)
    return results / NAME


def update(results: Path) -> None:
    """Bring the table up to date with the runs. Raises StorageError where it cannot be written or is no such table."""
    if _made_from(results) == _there(results):  # nothing to write, also where nothing can be written
        return
    path = results / NAME
    with runs.only_writer(results):
        _require_own(path)
        known, now = _made_from(results), _there(results)
        grows = known is not None and known.items() <= now.items()
        new = [name for name in now if known is None or not grows or name not in known]
        records = runs.readable([results / runs.FOLDER / name for name in new])
        rows = sorted((record.result for record in records), key=runs.moment)
        if grows:
            with storage_errors(path), open_regular(path, "ab") as file:
                file.write(_lines(rows))
                os.fsync(file.fileno())
        else:
            write_atomic(path.resolve(), ",".join(COLUMNS).encode() + b"\n" + _lines(rows))
        made = {"columns": COLUMNS, "table": _stamp(path), "runs": now}
        write_json(results / MADE_FROM, made)


def _there(results: Path) -> Stamps:
    """The record files that are there now, by name, which is by time."""
    place, found = results / runs.FOLDER, list[tuple[str, Stamp]]()
    with storage_errors(place), contextlib.suppress(FileNotFoundError), os.scandir(place) as entries:
        found = [(each.name, stamp) for each in entries if runs.is_record(each.name) and (stamp := _stamp(each))]
    return dict(sorted(found))


def _made_from(results: Path) -> Stamps | None:
    """The record files that the table as it is was made from; None where that is not known."""
    try:
        made = read_json(results / MADE_FROM)
        stamps = {str(name): (int(size), int(time)) for name, (size, time) in made["runs"].items()}
        whole = made["columns"] == list(COLUMNS) and tuple(made["table"]) == _stamp(results / NAME)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return stamps if whole else None


def _lines(rows: Iterable[Result]) -> bytes:
    return "".join(line(list(map(defused, row.row().values()))) for row in rows).encode()


def _require_own(path: Path) -> None:
    """Raise StorageError where the file was not made from runs: it stays as it is."""
    with storage_errors(path):
        try:
            with open_regular(path) as file:
                start = file.read(len(",".join(COLUMNS[:4])))
        except FileNotFoundError:
            return
    if start not in (b"", ",".join(COLUMNS[:4]).encode()):
        raise StorageError(
            f"{path} was not made from runs, it stays as it is: move it away or give another folder by --results"
        )


def _stamp(file: Path | os.DirEntry[str]) -> Stamp | None:
    """None where there is no file."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns
