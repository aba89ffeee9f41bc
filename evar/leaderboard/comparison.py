"""Comparing two rows of each task on their kept predictions: the library's side of `evar compare`.

evar.compare("m2d", "logmel", task="us8k")      # two encoders' latest ranked rows
evar.compare("20261128T120000-1a2b", "m2d")     # a run's id names its row
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evar.base.errors import DataError, UsageError, unknown
from evar.base.spec import split_calls
from evar.leaderboard import leaderboard_csv
from evar.leaderboard.find_row import rivals, row_of, run_of, tasks_of
from evar.leaderboard.ranking import DEFAULT_PROBE
from evar.leaderboard.runs import read_predictions, read_rows
from evar.result import Result
from evar.scoring import compare as scoring
from evar.scoring.compare import Comparison
from evar.scoring.intervals import FEW_GROUPS

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ComparedRows:
    """Two rows of one task and what their comparison says."""

    a: Result
    b: Result
    found: Comparison

    @property
    def verdict(self) -> str:
        """Who is better, or that nobody can say."""
        found = self.found
        if found.few_groups:
            worth = f" of unequal size, worth {found.effective:.0f} equal ones," if found.groups >= FEW_GROUPS else ","
            return f"no claim: only {found.groups} groups{worth} fewer than {FEW_GROUPS} support none"
        if found.separable:
            return "A is better" if found.difference > 0 else "B is better"
        if found.low <= 0 <= found.high:
            return "not separable: the interval holds 0"
        return "not separable: McNemar's test finds no difference"


def compare(a: str, b: str, results: str | Path = "results", **which: Any) -> list[ComparedRows]:
    """Compare two runs or encoders, paired on the clips that both were tested on, task by task.

    a, b:   a run's id, or the name of an encoder or its weights, of which the latest ranked row is taken
    which:  task: a comma list, else all that both have; probe: of the rows, else that of a run's id, else logistic

    Raises UsageError, with near names, and DataError where two rows cannot be compared.
    """
    pairs = ComparedPairs.of(Path(results), a, b, **which)
    return [pairs.compare(task) for task in pairs.tasks]


@dataclass(frozen=True)
class ComparedPairs:
    """Which rows two names mean: the tasks to compare them on, by one probe."""

    results: Path
    a: str
    b: str
    rows: Sequence[Result]
    probe: str
    tasks: Sequence[str]

    @classmethod
    def of(cls, results: Path, a: str, b: str, task: str | None = None, probe: str | None = None) -> "ComparedPairs":
        """See `compare`."""
        leaderboard_csv.require_there(results)
        rows = read_rows(results)
        if not rows:
            raise DataError(f"no runs in {results}: `evar --task ... --encoder ...` adds them")
        probe = probe or next((row.probe for name in (a, b) if (row := run_of(rows, name))), DEFAULT_PROBE)
        return cls(results, a, b, rows, probe, _tasks(rows, a, b, task, probe))

    def compare(self, task: str) -> ComparedRows:
        """Compare the rows of a task; notes what else differs between them. Raises UsageError and DataError."""
        a, b = self._row(self.a, task), self._row(self.b, task)
        _require_comparable(a, b)
        kept_a, kept_b = (read_predictions(self.results, row.run) for row in (a, b))
        try:
            found = scoring.compare(kept_a, kept_b, a.metric)
        except DataError as error:
            raise DataError(f"{task}: runs {a.run} and {b.run}: {error}") from error
        for remark in _differences(a, b):
            log.warning(remark)
        return ComparedRows(a, b, found)

    def _row(self, name: str, task: str) -> Result:
        row = row_of(self.rows, name, task, self.probe)
        if others := rivals(self.rows, name, row):
            log.info(f"{task}: {name} also has rows of {others} other weights, options or outputs; latest is {row.run}")
        return row


def _require_comparable(a: Result, b: Result) -> None:
    """Raise DataError where two rows of one task cannot be compared, whatever was predicted."""
    where = f"{a.task}: runs {a.run} and {b.run}"
    if a.run == b.run:
        raise DataError(f"{a.task}: A and B are the same run, {a.run}; name two")
    if a.metric != b.metric:
        raise DataError(f"{where} are scored by {a.metric} and {b.metric}")
    if a.protocol_version != b.protocol_version:
        raise DataError(
            f"{where} are of protocol versions {a.protocol_version} and {b.protocol_version}: score one again"
        )


def _tasks(rows: Sequence[Result], a: str, b: str, named: str | None, probe: str) -> list[str]:
    """The tasks of a comma list, or all that both have. Raises UsageError, DataError where there is none."""
    if named is not None:
        tasks = split_calls(named)
        known = {row.task for row in rows}
        for task in tasks:
            if task not in known:
                raise unknown("task of this leaderboard", task, known)
        if not tasks:
            raise UsageError(f"--task {named!r} names no task (valid: {', '.join(sorted(known))})")
        return tasks
    has_a, has_b = tasks_of(rows, a, probe), tasks_of(rows, b, probe)
    if not (both := [task for task in has_a if task in has_b]):
        raise DataError(
            f"{a} and {b} have no task in common with a ranked row by probe {probe}: "
            f"{a} has {', '.join(has_a) or 'none'}, {b} has {', '.join(has_b) or 'none'}"
        )
    return both


def _differences(a: Result, b: Result) -> Iterator[str]:
    """What else the rows differ in, and why one is never ranked."""
    for what in ("task_digest", "probe", "probe_options", "limit", "shots"):
        if getattr(a, what) != getattr(b, what):
            yield f"{a.task}: runs {a.run} and {b.run} differ in their {what.replace('_', ' ')}"
    for letter, row in (("A", a), ("B", b)):
        if reason := row.why_unranked:
            yield f"{a.task}: {letter}, run {row.run}, is never ranked: {reason}"
