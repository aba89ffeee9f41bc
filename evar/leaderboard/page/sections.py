"""Which pictures the page shows, section by section; a section without pictures is not there."""

from collections.abc import Sequence
from dataclasses import dataclass

from evar.leaderboard.page.curves import layer_curves, shots_curves
from evar.leaderboard.page.dots import dot_plot
from evar.leaderboard.page.pictures import Picture
from evar.leaderboard.page.speed import speed_plot
from evar.leaderboard.published import Published
from evar.leaderboard.ranking import Board, task_order
from evar.result import Result

PUBLISHED = " Hollow marks are published scores of linear classifiers on frozen encoders, whose protocols differ."


@dataclass(frozen=True)
class Section:
    """Pictures of one kind. name: of its place on the page; lead: how to read them."""

    name: str
    title: str
    lead: str
    pictures: tuple[Picture, ...]


def sections(
    rows: Sequence[Result], board: Board, names: dict[str, str], published: Sequence[Published]
) -> list[Section]:
    """rows: oldest first, what `board` was built from; names: run -> encoder."""
    tasks = task_order(task for table in board.tables for task in table.tasks)
    with_task = {task: [table for table in board.tables if task in table.tasks] for task in tasks}
    linear = [row for row in published if row.kind == "linear"]
    dots = [dot_plot(task, with_task[task], names, [row for row in linear if row.task == task]) for task in tasks]
    speeds = [speed_plot(task, max(with_task[task], key=lambda each: len(each.column(task))), names) for task in tasks]
    every = [
        Section(
            "by-task", "Task by task", "Lines are 95 % intervals." + (PUBLISHED if linear else ""), tuple(dots),
        ),
        Section(
            "speed", "Score against speed", "Speed is of embedding alone, each device by itself.",
            tuple(each for each in speeds if each),
        ),
        Section(
            "layers", "Layer by layer", "One layer's score each. Which one is best here is not for choosing by: a row "
            "with the output “chosen” took its layer on validation clips.", tuple(layer_curves(rows)),
        ),
        Section("shots", "Few shots", "Fitted on few training clips of each class.", tuple(shots_curves(rows))),
    ]  # fmt: skip
    return [section for section in every if section.pictures]
