"""Which rows stand in a table together, and which of them are the best: results -> tables of encoders by tasks.

A table fixes the probe, its options and the encoder's output, so that no cell is a maximum over probes, layers or
seeds. A line is one encoder with its weights and options; a cell is its latest run that may be ranked. What may not is
in no table: `apart` lists it, each row with the reason.

In each task's column the best score is marked, and every score that is not separable from it (`Verdict`).
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from evar.data.groups import groups
from evar.data.task import CORE
from evar.leaderboard.group_means import GroupMean, group_means
from evar.result import FINE_TUNING, Result

DEFAULT_OUTPUT = "last"  # what encoders call what they give unless asked for something else
DEFAULT_PROBE = "logistic"  # its table comes first

Verdict = Callable[[Result, Result], bool]
"""(the best row, another row of its task) -> whether their scores are separable."""


@dataclass(frozen=True, order=True)
class Subject:
    """What a line is about: an encoder with its weights and options. `digest` is that of the weights."""

    encoder: str
    weights: str
    digest: str
    options: str


@dataclass(frozen=True)
class Cell:
    """A ranked row, and how it stands in its column: the best, not separable from the best, or neither.

    rank: 1 for the best score of the column; equal scores share one, and the next is as many lower
    """

    result: Result
    best: bool
    tied: bool
    rank: int


@dataclass(frozen=True)
class Line:
    """One subject's cells, task -> cell, and its mean for each group of tasks of which it has all."""

    subject: Subject
    cells: dict[str, Cell]
    means: dict[str, GroupMean]

    @property
    def row(self) -> Result:
        """One of its rows, for what all of them share."""
        return next(iter(self.cells.values())).result


@dataclass(frozen=True)
class RankedTable:
    """All ranked rows of one probe (with its options) and one output; lines with most tasks, then the best, first."""

    probe: str
    output: str
    tasks: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def title(self) -> str:
        """The table in words: "probe logistic, output last", or "fine-tuned"."""
        if self.probe.partition("(")[0] == FINE_TUNING:
            return f"fine-tuned: encoder and head trained on the task, {self.probe}"
        return f"probe {self.probe}, output {self.output}"

    @property
    def groups(self) -> list[str]:
        """Groups of tasks of which some line has a mean."""
        return [name for name in groups() if any(name in line.means for line in self.lines)]

    def column(self, task: str) -> list[Result]:
        """The rows of a task, best first."""
        rows = [line.cells[task].result for line in self.lines if task in line.cells]
        return sorted(rows, key=lambda row: -row.score)


@dataclass(frozen=True)
class Apart:
    """A row that stands in no ranking, and why."""

    result: Result
    reason: str


@dataclass(frozen=True)
class Board:
    """Everything that one call shows of one's own rows."""

    tables: tuple[RankedTable, ...]
    apart: tuple[Apart, ...]

    @property
    def ranked(self) -> list[Result]:
        """The rows of all tables, line by line."""
        return [cell.result for table in self.tables for line in table.lines for cell in line.cells.values()]

    @property
    def rows(self) -> list[Result]:
        """Every row that is shown: the ranked ones, then those apart."""
        return [*self.ranked, *(each.result for each in self.apart)]


def build(rows: Sequence[Result], separable: Verdict) -> Board:
    """The tables of `rows` (oldest first), and the latest run of what is in none of them."""
    current = _current_versions(rows)
    reasons = [(row, row.why_unranked or _outdated(row, *current)) for row in rows]
    latest = latest_runs([row for row, reason in reasons if not reason])
    apart = latest_runs([row for row, reason in reasons if reason])
    why = {row.run: reason for row, reason in reasons}
    names = probe_names(rows)

    def place(row: Result) -> tuple[bool, str, bool, str]:
        return row.probe != DEFAULT_PROBE, names[row.run], row.output != DEFAULT_OUTPUT, row.output

    tables = [
        _table(probe, output, list(members), separable)
        for (probe, output), members in groupby(sorted(latest, key=place), key=lambda row: (names[row.run], row.output))
    ]
    return Board(tuple(tables), tuple(Apart(row, why[row.run]) for row in apart))


def subject_of(row: Result) -> Subject:
    """What the row is about."""
    return Subject(row.encoder, row.weights, row.weights_digest, json.dumps(row.encoder_options, sort_keys=True))


def latest_runs(rows: Iterable[Result]) -> list[Result]:
    """Of runs of the same thing the latest alone, in the order of `rows` (oldest first)."""
    kept: dict[tuple[object, ...], Result] = {}
    for row in rows:
        key = (row.task, subject_of(row), row.output, _probe_key(row), row.limit, row.shots)
        kept.pop(key, None)
        kept[key] = row
    return list(kept.values())


def probe_names(rows: Iterable[Result]) -> dict[str, str]:
    """Run -> its probe, with the options where a probe ran with several: "logistic" or "logistic(max_iter=50)"."""
    rows = list(rows)
    several = Counter(probe for probe, _ in {_probe_key(row) for row in rows})
    return {row.run: row.probe_call if several[row.probe] > 1 else row.probe for row in rows}


def task_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names of tasks, each once: the core tasks first, in their order, then by name."""
    return tuple(sorted(set(names), key=lambda name: (CORE.index(name) if name in CORE else len(CORE), name)))


def _probe_key(row: Result) -> tuple[str, str]:
    return row.probe, json.dumps(row.probe_options, sort_keys=True)


def _current_versions(rows: Sequence[Result]) -> tuple[int, dict[str, str]]:
    """The newest protocol version of all rows that may be ranked, and task -> task file of its latest row of them.

    One version for all tasks: a table has a mean over them.
    """
    rankable = [row for row in rows if not row.why_unranked]
    newest = max((row.protocol_version for row in rankable), default=0)
    current = [row for row in rankable if row.protocol_version == newest]
    return newest, {row.task: row.task_digest for row in current}


def _outdated(row: Result, newest: int, files: Mapping[str, str]) -> str:
    if row.protocol_version != newest:
        return f"protocol version {row.protocol_version}, the newest is {newest}"
    return "" if row.task_digest == files[row.task] else "scored under another version of the task's file"


def _table(probe: str, output: str, rows: Sequence[Result], separable: Verdict) -> RankedTable:
    tasks = task_order(row.task for row in rows)
    cells = {row.run: cell for task in tasks for row, cell in _column([r for r in rows if r.task == task], separable)}
    by_subject: dict[Subject, dict[str, Cell]] = {}
    for row in rows:
        by_subject.setdefault(subject_of(row), {})[row.task] = cells[row.run]
    lines = []
    for subject, own in by_subject.items():
        lines.append(Line(subject, own, group_means({task: cell.result for task, cell in own.items()})))
    lines.sort(key=lambda line: (-len(line.cells), -_average(line), line.subject))
    return RankedTable(probe, output, tasks, tuple(lines))


def mean_of_core(scores: dict[str, float]) -> float | None:
    """The unweighted mean over the five core tasks; None unless all five are there."""
    return sum(scores[task] for task in CORE) / len(CORE) if all(task in scores for task in CORE) else None


def _average(line: Line) -> float:
    return sum(cell.result.score for cell in line.cells.values()) / len(line.cells)


def _column(rows: Sequence[Result], separable: Verdict) -> list[tuple[Result, Cell]]:
    best = max(rows, key=lambda row: row.score)
    ranks = dict[float, int]()
    for place, score in enumerate(sorted((row.score for row in rows), reverse=True), start=1):
        ranks.setdefault(score, place)
    cells = []
    for row in rows:
        tied = row.score < best.score and not separable(best, row)
        cells.append((row, Cell(row, row.score == best.score, tied, ranks[row.score])))
    return cells
