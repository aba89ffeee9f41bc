"""The runs that the page shows in full, and what lies behind each: classes, confusions, hardest clips, its setting.

Shown are the latest of each encoder, task and probe, up to a number of bytes. One layer of a sweep and one number of
shots are points of a curve, not shown in full.
"""

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Template

from evar.base.errors import DataError
from evar.leaderboard.page.pictures import of_curve
from evar.leaderboard.page.predictions import (
    Classes,
    Confusion,
    HardClip,
    classes_of,
    confusion_of,
    hardest_clips,
)
from evar.leaderboard.page.selection import Selection, selection_of
from evar.leaderboard.ranking import Board, task_order
from evar.leaderboard.runs import read_predictions
from evar.leaderboard.text_tables import encoder_names
from evar.result import Result


@dataclass(frozen=True)
class Details:
    """html: run -> its details, in the order of the page: by task, the best first; left_out: how many did not fit."""

    html: dict[str, str]
    left_out: int


@dataclass(frozen=True)
class Behind:
    """What the predictions show. confusion: None for clips with several labels; selection: where nothing was chosen."""

    classes: Classes
    confusion: Confusion | None
    hardest: tuple[HardClip, ...]
    selection: Selection | None


def run_details(template: Template, results: Path, board: Board, probes: dict[str, str], most_bytes: int) -> Details:
    """Render each run by `template`, the latest first, until `most_bytes` are full. probes: run -> its probe's name."""
    why = {each.result.run: each.reason for each in board.apart}
    rows = [*board.ranked, *(each.result for each in board.apart if not of_curve(each.result))]
    names = encoder_names(rows)
    texts: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: (row.time, row.run), reverse=True):
        text = template.render(run_facts(results, row, names[row.run], probes[row.run], why.get(row.run)))
        most_bytes -= len(text.encode(errors="replace"))
        if most_bytes < 0:
            break
        texts[row.run] = text
    tasks = task_order(row.task for row in rows)
    order = sorted(rows, key=lambda row: (tasks.index(row.task), row.run in why, -row.score))
    return Details({row.run: texts[row.run] for row in order if row.run in texts}, len(rows) - len(texts))


def run_facts(results: Path, row: Result, name: str, probe: str, why_apart: str | None) -> dict[str, object]:
    """What the template of a run shows. name: of its encoder; why_apart: why it is not ranked, None where it may be."""
    behind, said = _behind(results, row), _remarks(row, why_apart)
    return {"row": row, "name": name, "probe": probe, "behind": behind, "remarks": said}


def _behind(results: Path, row: Result) -> Behind | str:
    """What lies behind the row; a sentence where its predictions are missing or broken."""
    try:
        kept = read_predictions(results, row.run)
        selection = selection_of(kept.curves, row.setting)
        return Behind(classes_of(kept), confusion_of(kept), hardest_clips(kept), selection)
    except DataError as error:
        return str(error)


def _remarks(row: Result, why_apart: str | None) -> str:
    """What a reader of the score should know."""
    said = {
        f"not ranked: {why_apart}": why_apart is not None,
        "random weights": row.random_weights,
        "setting at the grid's edge": row.at_edge,
        "not converged": not row.converged,
        f"{row.groups} groups, too few to claim a difference": row.few_groups,
        f"{row.classes_left_out} classes without a positive clip left out": row.classes_left_out > 0,
    }
    return ", ".join(remark for remark, holds in said.items() if holds)
