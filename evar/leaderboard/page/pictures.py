"""Which pictures the page shows, section by section: inline SVG with a title, a text alternative and a caption.

Each task's ranked scores are dots with intervals, the published linear ones below them hollow marks; and points over
the speed of embedding. Layers that were swept and numbers of shots are curves. Each probe with its output has a mark of
its own: nothing drawn is the best of several. Each encoder has a colour of its own, wherever it is drawn. Names come
from outside: in a picture they stand on one line, without control characters, and not too long.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from evar import plots
from evar.base.errors import printable
from evar.leaderboard.page.inline_svg import inline
from evar.leaderboard.published import Published, beside
from evar.leaderboard.ranking import Board, RankedTable, Subject, probe_names, subject_of, task_order
from evar.leaderboard.text_tables import per_cent
from evar.plots import CurvePoint, Series
from evar.result import Result

MOST_SERIES = 6  # colours that can be distinguished
MOST_LETTERS = 50  # of a name
MOST_ENCODERS, MOST_PUBLISHED = 20, 8  # of a dot plot
MOST_NUMBERED = 8  # points of a front
MOST_SPEEDS = 60  # encoders over speed on one device
LAYER = re.compile(r"layer(\d+)")
PUBLISHED = (
    " Hollow marks are published scores of linear classifiers on frozen encoders, on the same splits; their lines are "
    "the spread that is printed, mostly over seeds."
)


@dataclass(frozen=True)
class Picture:
    """numbered: (encoder, what its number means), from 1; probes: of its series, or the only one of all of them."""

    task: str
    title: str
    svg: str
    caption: str = ""
    numbered: tuple[tuple[int, str], ...] = ()
    probes: tuple[str, ...] = ()


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
    """The sections that have pictures. rows: what `board` was built from; names: run -> its encoder's, of the board."""
    encoders = {run: DrawnEncoder(number, names[run]) for run, number in encoder_numbers(board).items()}
    apart = [each.result for each in board.apart]
    tasks = task_order(row.task for row in board.ranked)
    with_task = {task: [table for table in board.tables if task in table.tasks] for task in tasks}
    linear = beside(published, rows)
    beside_task = {task: [row for row in linear if row.task == task] for task in tasks}
    dots = [dot_plot(task, with_task[task], encoders, beside_task[task]) for task in tasks]
    speeds = [speed_plot(task, with_task[task], encoders) for task in tasks]
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
            "with the output “chosen” took its layer on validation clips.", tuple(layer_curves(apart, encoders)),
        ),
        Section(
            "shots", "Few shots", "Fitted on few training clips a class.", tuple(shots_curves(apart, encoders)),
        ),
    ]  # fmt: skip
    return [section for section in every if section.pictures]


class DrawnEncoder(NamedTuple):
    """An encoder as pictures show it: the number that gives its colour, and its name."""

    number: int
    name: str


Encoders = Mapping[str, DrawnEncoder]
"""Run -> its encoder."""


def encoder_numbers(board: Board) -> dict[str, int]:
    """Run -> the number of its encoder (with weights and options), which gives its colour, from 0: the first first."""
    numbers: dict[Subject, int] = {}
    return {row.run: numbers.setdefault(subject_of(row), len(numbers)) for row in board.rows}


def dot_plot(task: str, tables: Sequence[RankedTable], encoders: Encoders, published: Sequence[Published]) -> Picture:
    """The scores of a task in `tables` that have it; published: the task's rows beside."""
    columns = [(table.title, table.column(task)) for table in tables[:MOST_SERIES]]
    names = list(dict.fromkeys(encoders[row.run].name for _, column in columns for row in column))
    lines = names[:MOST_ENCODERS]
    series = []
    for title, column in columns:
        shown = [row for row in column if encoders[row.run].name in lines]
        series.append(_series(title, shown, encoders, {row.run: lines.index(encoders[row.run].name) for row in shown}))
    models = list(dict.fromkeys(row.model for row in sorted(published, key=lambda row: -row.value)))
    best = models[:MOST_PUBLISHED]
    if best:
        marked = [row for row in published if row.model in best]
        points = tuple(_point(row.model, row.value, row.low, row.high) for row in marked)
        places = tuple(len(lines) + best.index(row.model) for row in marked)
        series.append(Series("published, linear", points, places, hollow=True))
    metric = columns[0][1][0].metric
    title = f"{task}: {metric}"
    svg = plots.dot_plot(short(metric), [short(name) for name in (*lines, *best)], series)
    caption = _cut(
        (len(lines), len(names), "encoders"),
        (len(columns), len(tables), "probes and outputs"),
        (len(best), len(models), "published models, the best"),
    )
    probes = tuple(table.probe for table in tables[:MOST_SERIES])
    return Picture(task, title, _on_page(svg, "dots", title, series), caption, probes=probes)


def speed_plot(task: str, tables: Sequence[RankedTable], encoders: Encoders) -> Picture | None:
    """The scores of a task over clips/s, devices apart, in the first table of two encoders or more; None for none."""
    columns = ((table, [row for row in table.column(task) if row.embed_clips_per_second > 0]) for table in tables)
    table, rows = next((column for column in columns if len(column[1]) > 1), (None, []))
    if table is None:
        return None
    devices = sorted({row.device for row in rows})
    shown = devices[:MOST_SERIES]
    series, fronts, numbered, on_front = [], [], [], []
    for device in shown:
        own = [row for row in rows if row.device == device]
        where = {(row.embed_clips_per_second, row.score): row for row in own}
        front = pareto_front(where)
        best = {row.run for row in (*(where[point] for point in front), *own[:MOST_SPEEDS])}
        own = [row for row in own if row.run in best]
        series.append(_series(device, own, encoders, {row.run: row.embed_clips_per_second for row in own}))
        fronts.append(front)
        for speed, score in front[:: 1 + (len(front) - 1) // MOST_NUMBERED]:
            number, name = encoders[where[speed, score].run]
            numbered.append((speed, score, number))
            on_front.append((number, f"{name}, {per_cent(score)} % at {speed:,.0f} clips/s"))
    title = f"{task}: {rows[0].metric} over speed"
    svg = plots.speed_plot(short(rows[0].metric), series, fronts, numbered)
    caption = f"{table.title}, on {', '.join(shown)}. On the line: no encoder is both faster and better. " + _cut(
        (len(numbered), sum(map(len, fronts)), "of these numbered"),
        (len(shown), len(devices), "devices"),
        (sum(len(each.points) for each in series), len(rows), "encoders, the best"),
    )
    svg = _on_page(svg, "speed", title, series)
    return Picture(task, title, svg, caption.rstrip(), tuple(on_front), (table.probe,))


def pareto_front(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The (speed, score) that no other point exceeds in one and reaches in the other, from slow to fast."""
    front: list[tuple[float, float]] = []
    for speed, score in sorted(set(points), reverse=True):
        if not front or score > front[-1][1]:
            front.append((speed, score))
    return front[::-1]


def layer_curves(rows: Sequence[Result], encoders: Encoders) -> list[Picture]:
    """One picture a task and probe of the layers that were swept, an encoder a series; each layer's latest run."""
    layers = {row.run: int(found[1]) for row in rows if row.sweep and (found := LAYER.fullmatch(row.output))}
    swept = [row for row in rows if row.run in layers]
    return _curves(swept, "layers", "layer, from 0", encoders, layers)


def shots_curves(rows: Sequence[Result], encoders: Encoders) -> list[Picture]:
    """One picture a task and probe of the numbers of shots, an encoder with its output a series."""
    few = [row for row in rows if row.shots]
    named = {row.run: DrawnEncoder(encoders[row.run].number, f"{encoders[row.run].name}, {row.output}") for row in few}
    return _curves(few, "shots", "training clips a class", named, {row.run: row.shots or 0 for row in few})


def of_curve(row: Result) -> bool:
    """Whether the row is one point of a curve: one layer of a sweep, or few shots."""
    return row.sweep or row.shots is not None


def short(text: str) -> str:
    """A name as it fits into a picture."""
    line = printable(text)
    return line if len(line) <= MOST_LETTERS else f"{line[: MOST_LETTERS - 1]}…"


def _curves(
    rows: Sequence[Result], kind: str, xlabel: str, encoders: Encoders, places: dict[str, int]
) -> list[Picture]:
    """One picture a task and probe, a series for each encoder's name; places: run -> where it stands."""
    probes = probe_names(rows)

    def by(row: Result) -> tuple[str, str]:
        return row.task, probes[row.run]

    pictures = []
    for (task, probe), members in groupby(sorted(rows, key=by), key=by):
        curves: dict[str, list[Result]] = {}
        for row in sorted(members, key=lambda row: places[row.run]):
            curves.setdefault(encoders[row.run].name, []).append(row)
        shown = list(curves.items())[:MOST_SERIES]
        series = [_series(name, points, encoders, places, by_place=True) for name, points in shown]
        metric = next(iter(curves.values()))[0].metric
        title = f"{task}: {metric} over {kind}, {probe}"
        svg = plots.curve_plot(short(metric), xlabel, series, doubling=kind == "shots")
        caption = _cut((len(series), len(curves), "encoders"))
        pictures.append(Picture(task, title, _on_page(svg, kind, title, series), caption, probes=(probe,)))
    return pictures


def _series(
    name: str, rows: Sequence[Result], encoders: Encoders, places: Mapping[str, float], *, by_place: bool = False
) -> Series:
    """The rows' points. places: run -> where it is drawn; by_place: points are named by that, not by their encoder."""
    labels = [f"{places[row.run]}:" if by_place else encoders[row.run].name for row in rows]
    points = [_point(label, row.score, row.low, row.high) for label, row in zip(labels, rows, strict=True)]
    numbers = tuple(encoders[row.run].number for row in rows)
    return Series(short(name), tuple(points), tuple(places[row.run] for row in rows), encoders=numbers)


def _point(name: str, value: float, low: float | None, high: float | None) -> CurvePoint:
    """A point whose interval is itself where there is none."""
    return CurvePoint(name, value, value if low is None else low, value if high is None else high)


def _on_page(svg: str, kind: str, title: str, series: Sequence[Series]) -> str:
    """The SVG for the page; `kind` and `title` together are this picture's alone. The text alternative has it all."""
    key = re.sub("[^a-z0-9]+", "-", f"{kind}-{title}".lower()).strip("-")
    described = ". ".join(f"{each.name}: {', '.join(map(_described, each.points))}" for each in series)
    return inline(svg, key, printable(title), printable(described))


def _described(point: CurvePoint) -> str:
    return f"{point.name} {per_cent(point.value)} % ({per_cent(point.low)} to {per_cent(point.high)})"


def _cut(*lists: tuple[int, int, str]) -> str:
    """A sentence on lists that are cut: (shown, of how many, what they are); empty where all is shown."""
    parts = [f"{most} of {count} {name}" for most, count, name in lists if count > most]
    return f"Shown: {', '.join(parts)}." if parts else ""
