"""The runs that the page shows in full: the latest of each encoder, task and probe, up to a number of bytes.

One layer of a sweep and one number of shots are points of a curve, not shown in full.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Template

from evar.leaderboard.page.curves import of_curve
from evar.leaderboard.page.runs import open_run
from evar.leaderboard.ranking import Board, ProbeNames, task_order
from evar.leaderboard.text_tables import encoder_names
from evar.result import Result


@dataclass(frozen=True)
class Details:
    """html: run -> its details, in the order of the page: by task, the best first; left_out: how many did not fit."""

    html: dict[str, str]
    left_out: int


def run_details(template: Template, results: Path, board: Board, probes: ProbeNames, most_bytes: int) -> Details:
    """Render each run by `template`, the latest first, until `most_bytes` are full."""
    why = {each.result.run: each.reason for each in board.apart}
    rows = _rows(board)
    names = encoder_names(rows)
    texts: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: (row.time, row.run), reverse=True):
        run = open_run(results, row, names[row.run], why.get(row.run, ""))
        text = template.render(run=run, row=row, probe=probes.of(row))
        most_bytes -= len(text.encode(errors="replace"))
        if most_bytes < 0:
            break
        texts[row.run] = text
    tasks = task_order(row.task for row in rows)
    order = sorted(rows, key=lambda row: (tasks.index(row.task), row.run in why, -row.score))
    return Details({row.run: texts[row.run] for row in order if row.run in texts}, len(rows) - len(texts))


def _rows(board: Board) -> Sequence[Result]:
    ranked = [cell.result for table in board.tables for line in table.lines for cell in line.cells.values()]
    apart = [each.result for each in board.apart if not of_curve(each.result)]
    return [*ranked, *apart]
