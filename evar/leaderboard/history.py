"""An encoder's path over time: every run, oldest first, each with its change since the run of its path before it.

A path holds only runs that may be compared: of one task, encoder, probe and output, with the same options, metric, test
clips, protocol and number of training clips. Weights differ along it, as a checkpoint's do while it is trained; what a
pre-training run scored on its way is a path of its own, which begins again where the step does not grow.
"""

import json
from collections.abc import Iterable, Mapping

from evar.base.percent import rounded_percent
from evar.base.tables import Text, TextTable
from evar.leaderboard.ranking import probe_names
from evar.leaderboard.text_tables import names_with_options, per_cent
from evar.result import Result

HEADER = ("run", "encoder", "task", "probe", "output", "time", "weights", "score", "change", "not ranked")
NOTE = "change: since the run before of the same settings, test clips and protocol version"


def history_table(rows: Iterable[Result], ids: Mapping[str, str]) -> TextTable:
    """One line a run, path by path; `rows` are oldest first. ids: run -> its short id."""
    rows = list(rows)
    encoders, probes = names_with_options(rows), probe_names(rows)
    paths: dict[tuple[object, ...], list[Result]] = {}
    for row in rows:
        paths.setdefault(_path(row), []).append(row)
    lines = []
    for members in sorted(paths.values(), key=lambda members: _place(members[0])):
        before: Result | None = None
        for row in members:
            score = per_cent(row.score, row.low, row.high)
            what = (ids[row.run], encoders[row.run], row.task, probes[row.run], row.output, row.time, row.weights)
            lines.append(tuple(map(Text, (*what, score, _change(before, row), row.why_unranked))))
            before = row
    return TextTable("History", HEADER, tuple(lines), (NOTE,))


def _path(row: Result) -> tuple[object, ...]:
    """Runs of the same path may be compared."""
    options = json.dumps([row.encoder_options, row.probe_options], sort_keys=True)
    scored = (row.metric, row.table_digest, row.task_digest, row.protocol_version)
    return row.task, row.encoder, row.probe, row.output, options, *scored, row.limit, row.shots, row.step is None


def _place(row: Result) -> tuple[str, ...]:
    return row.task, row.encoder, row.probe, row.output


def _change(before: Result | None, row: Result) -> str:
    if before is None or (before.step is not None and row.step is not None and row.step <= before.step):
        return ""
    return rounded_percent(row.score - before.score, sign=True)
