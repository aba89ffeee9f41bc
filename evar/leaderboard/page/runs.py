"""The runs that the page shows in full, and what lies behind each: classes, confusions, hardest clips, its setting.

Shown are the latest of each encoder, task and probe, up to a number of bytes, by encoder and day. One layer of a sweep
and one number of shots are points of a curve, not shown in full.
"""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Template

from evar.base.errors import DataError
from evar.leaderboard.page.pictures import encoder_numbers, of_curve
from evar.leaderboard.page.predictions import (
    Classes,
    Confusion,
    HardClip,
    chance_of,
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
    """html: run -> its details; left_out: how many did not fit; by_day: encoder -> day, the latest first -> runs."""

    html: dict[str, str]
    left_out: int
    by_day: dict[str, dict[str, list[str]]] = field(default_factory=dict)


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
    rows = [row for row in board.rows if not of_curve(row)]
    names, numbers = encoder_names(board.rows), encoder_numbers(board)
    texts: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: (row.time, row.run), reverse=True):
        text = template.render(run_facts(results, row, names[row.run], probes[row.run], why.get(row.run)))
        most_bytes -= len(text.encode(errors="replace"))
        if most_bytes < 0:
            break
        texts[row.run] = text
    tasks, by_day = task_order(row.task for row in rows), dict[str, dict[str, list[str]]]()
    shown = sorted((row for row in rows if row.run in texts), key=lambda row: (tasks.index(row.task), row.run in why))
    shown.sort(key=lambda row: row.time[:10], reverse=True)
    for row in sorted(shown, key=lambda row: numbers[row.run]):
        by_day.setdefault(names[row.run], {}).setdefault(row.time[:10], []).append(row.run)
    return Details(texts, len(rows) - len(texts), by_day)


def chance_levels(results: Path, board: Board) -> dict[tuple[str, str], float]:
    """(task, metric) -> its chance level (`chance_of`), where the predictions of one of its runs can be read."""
    levels: dict[tuple[str, str], float] = {}
    for row in board.ranked:
        if (row.task, row.metric) not in levels:
            with contextlib.suppress(DataError):
                level = chance_of(read_predictions(results, row.run), row.metric)
                levels |= {} if level is None else {(row.task, row.metric): level}
    return levels


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
