"""Which row a name on the command line means: a run's own, or the latest ranked one of an encoder or its weights."""

import difflib
from collections.abc import Sequence
from pathlib import PurePath

from evar.base.errors import DataError, UsageError, few, unknown
from evar.leaderboard.ranking import subject_of
from evar.leaderboard.runs import means_run, moment
from evar.result import Result


def run_of(rows: Sequence[Result], name: str) -> Result | None:
    """The row of the run of this id, or of the only run with this short id; None where an encoder is meant."""
    exact = next((row for row in reversed(rows) if row.run == name), None)
    if exact is not None or any(is_named(row, name) for row in rows):
        return exact
    found = {row.run: row for row in rows if name and means_run(name, row.run)}
    return found.popitem()[1] if len(found) == 1 else None


def tasks_of(rows: Sequence[Result], name: str, probe: str) -> list[str]:
    """The tasks that a name has rows of: of a run its own; of an encoder all with a ranked row by this probe.

    Raises UsageError, with near names, for a name that is none of the leaderboard's.
    """
    if (run := run_of(rows, name)) is not None:
        return [run.task]
    return list(dict.fromkeys(row.task for row in _ranked(_named(rows, name)) if is_by(row, probe)))


def row_of(rows: Sequence[Result], name: str, task: str, probe: str) -> Result:
    """The row that a name means for a task: the run's, or the encoder's latest ranked one by this probe.

    Raises UsageError, with near names, for an unknown name or a run of another task, DataError where there is no row.
    """
    if (run := run_of(rows, name)) is not None:
        if run.task != task:
            raise UsageError(f"run {name} is of task {run.task}, not {task}")
        return run
    named = _ranked(_named(rows, name))
    found = [row for row in named if row.task == task and is_by(row, probe)]
    if not found:
        has = few(dict.fromkeys(f"{row.task} by {row.probe}" for row in named)) or "none that is ranked"
        raise DataError(f"{name} has no ranked row of task {task} by probe {probe}; it has {has}")
    return max(reversed(found), key=moment)


def is_by(row: Result, probe: str) -> bool:
    """Whether the row is by this probe: a name, or as tables show it, with all its options."""
    return probe in (row.probe, row.probe_call)


def rivals(rows: Sequence[Result], name: str, row: Result) -> int:
    """How many other weights, options or outputs of the same name have ranked rows of the row's task and probe."""
    if run_of(rows, name) is not None:
        return 0
    same = [each for each in _ranked(_named(rows, name)) if (each.task, each.probe) == (row.task, row.probe)]
    return len({(subject_of(each), each.output) for each in same} - {(subject_of(row), row.output)})


def names_of(row: Result) -> tuple[str, ...]:
    """What the row's encoder may be called by: its name, its weights, and the bare name of their file.

    The first two together, and with the digest, are what tables show where several bear one name.
    """
    digest, both = f" #{row.weights_digest[:8]}", f"{row.encoder} {row.weights}"
    file = PurePath(row.weights).name
    return row.encoder, row.weights, file, both, row.encoder + digest, both + digest


def is_named(row: Result, name: str) -> bool:
    """Whether the row's encoder may be called so: by one of its names, with options behind it as tables show them."""
    names = names_of(row)
    if name in names:
        return True
    base, _, options = name.removesuffix(")").partition(" (")
    for option, value in row.encoder_options.items():
        options = options.removeprefix(f"{option}={value!r}").removeprefix(", ")
    return name.endswith(")") and base in names and not options


def _ranked(rows: Sequence[Result]) -> list[Result]:
    return [row for row in rows if not row.why_unranked]


def _named(rows: Sequence[Result], name: str) -> list[Result]:
    found = [row for row in rows if is_named(row, name) or is_named(row, PurePath(name).name)]
    if not found:
        near = difflib.get_close_matches(name, [row.run for row in rows], n=3, cutoff=0.8)
        raise unknown("run or encoder", name, {*near, *(row.encoder for row in rows), *(row.weights for row in rows)})
    return found
