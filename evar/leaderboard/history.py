"""An encoder's path over time: every run that may be compared, oldest first, each with its change since the one before.

Runs are of one path where task, encoder, output and probe (with its options) agree; weights differ along it, as a
checkpoint's do while it is trained.
"""

from collections.abc import Iterable

from evar.leaderboard.blocks import Block, Text, per_cent
from evar.leaderboard.table import Result
from evar.leaderboard.views import probe_names, why_apart


def history_block(rows: Iterable[Result]) -> Block:
    """One line a run, path by path; `rows` are oldest first."""
    rows = list(rows)
    names = probe_names(rows)
    paths: dict[tuple[str, ...], list[Result]] = {}
    for row in rows:
        paths.setdefault((row.task, row.encoder, names.of(row), row.output), []).append(row)
    lines = []
    for (task, encoder, probe, output), members in sorted(paths.items()):
        before: Result | None = None
        for row in members:
            change = "" if before is None else f"{100 * (row.score - before.score):+.1f}"
            score = per_cent(row.score, row.low, row.high)
            told = (encoder, row.time, task, probe, output, row.weights, score, change, why_apart(row), row.run)
            lines.append(tuple(map(Text, told)))
            before = row
    header = ("encoder", "time", "task", "probe", "output", "weights", "score", "change", "not ranked", "run")
    return Block("History", header, tuple(lines))
