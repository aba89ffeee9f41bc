"""Which pictures the page shows, section by section: inline SVG with a title, a text alternative and a caption.

Each task's ranked scores are dots with intervals, the published linear ones below them hollow marks; and points over
the speed of embedding. Layers that were swept and numbers of shots are curves. Each probe with its output is a series
of its own: nothing drawn is the best of several. Names come from outside: in a picture they stand on one line, without
control characters, and not too long.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from evar import plots
from evar.base.errors import printable
from evar.leaderboard.page.inline_svg import inline
from evar.leaderboard.published import Published, beside
from evar.leaderboard.ranking import Board, RankedTable, latest_runs, probe_names, task_order
from evar.leaderboard.text_tables import encoder_names, per_cent
from evar.plots import CurvePoint, Series
from evar.result import Result

MOST_SERIES = 6  # colours that can be distinguished
MOST_LETTERS = 50  # of a name
MOST_ENCODERS, MOST_PUBLISHED = 20, 8  # of a dot plot
MOST_NUMBERED = 8  # points of a front
LAYER = re.compile(r"layer(\d+)")
PUBLISHED = (
    " Hollow marks are published scores of linear classifiers on frozen encoders, on the same splits; their lines are "
    "the spread that is printed, mostly over seeds."
)


@dataclass(frozen=True)
class Picture:
    """numbered: what the numbers in it mean, from 1; probe: the only one it shows, empty where it shows several."""

    task: str
    title: str
    svg: str
    caption: str = ""
    numbered: tuple[str, ...] = ()
    probe: str = ""


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
    """The sections that have pictures. rows: oldest first, what `board` was built from; names: run -> encoder."""
    tasks = task_order(row.task for row in board.ranked)
    with_task = {task: [table for table in board.tables if task in table.tasks] for task in tasks}
    linear = beside(published, rows)
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


def dot_plot(
    task: str, tables: Sequence[RankedTable], names: dict[str, str], published: Sequence[Published]
) -> Picture:
    """The scores of a task in `tables` that have it; published: the task's rows beside."""
    columns = [(table.title, table.column(task)) for table in tables[:MOST_SERIES]]
    encoders = list(dict.fromkeys(names[row.run] for _, column in columns for row in column))
    lines = encoders[:MOST_ENCODERS]
    series = []
    for title, column in columns:
        shown = [row for row in column if names[row.run] in lines]
        series.append(_series(title, shown, lambda row: names[row.run], lambda row: lines.index(names[row.run])))
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
        (len(lines), len(encoders), "encoders"),
        (len(columns), len(tables), "probes and outputs"),
        (len(best), len(models), "published models, the best"),
    )
    return Picture(task, title, _on_page(svg, "dots", title, series), caption)


def speed_plot(task: str, table: RankedTable, names: dict[str, str]) -> Picture | None:
    """The scores of a task in a table over clips/s, devices apart; None for fewer than two encoders."""
    rows = [row for row in table.column(task) if row.embed_clips_per_second > 0]
    if len(rows) < 2:
        return None
    devices = sorted({row.device for row in rows})
    shown = devices[:MOST_SERIES]
    series, fronts, numbered, on_front = [], [], [], []
    for device in shown:
        where = {(row.embed_clips_per_second, row.score): row for row in rows if row.device == device}
        own = [row for row in rows if row.device == device]
        front = pareto_front(where)
        series.append(_series(device, own, lambda row: names[row.run], lambda row: row.embed_clips_per_second))
        fronts.append(front)
        for speed, score in front[:: 1 + (len(front) - 1) // MOST_NUMBERED]:
            numbered.append((speed, score))
            on_front.append(f"{names[where[speed, score].run]}, {per_cent(score)} % at {speed:,.0f} clips/s")
    title = f"{task}: {rows[0].metric} over speed"
    svg = plots.speed_plot(short(rows[0].metric), series, fronts, numbered)
    caption = f"{table.title}, on {', '.join(shown)}. On the line: no encoder is both faster and better. " + _cut(
        (len(numbered), sum(map(len, fronts)), "of these numbered"), (len(shown), len(devices), "devices")
    )
    svg = _on_page(svg, "speed", title, series)
    return Picture(task, title, svg, caption.rstrip(), tuple(on_front), table.probe)


def pareto_front(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The (speed, score) that no other point exceeds in one and reaches in the other, from slow to fast."""
    front: list[tuple[float, float]] = []
    for speed, score in sorted(set(points), reverse=True):
        if not front or score > front[-1][1]:
            front.append((speed, score))
    return front[::-1]


def layer_curves(rows: Sequence[Result]) -> list[Picture]:
    """One picture a task and probe of the layers that were swept, an encoder a series; `rows` are oldest first."""
    layers = {row.run: int(found[1]) for row in rows if row.sweep and (found := LAYER.fullmatch(row.output))}
    swept = latest_runs([row for row in rows if row.run in layers])
    return _curves(swept, "layers", "layer, from 0", encoder_names(swept), layers)


def shots_curves(rows: Sequence[Result]) -> list[Picture]:
    """One picture a task and probe of the numbers of shots, an encoder with its output a series."""
    few = latest_runs([row for row in rows if row.shots])
    encoders = encoder_names(few)
    names = {row.run: f"{encoders[row.run]}, {row.output}" for row in few}
    return _curves(few, "shots", "training clips a class", names, {row.run: row.shots or 0 for row in few})


def of_curve(row: Result) -> bool:
    """Whether the row is one point of a curve: one layer of a sweep, or few shots."""
    return row.sweep or row.shots is not None


def short(text: str) -> str:
    """A name as it fits into a picture."""
    line = printable(text)
    return line if len(line) <= MOST_LETTERS else f"{line[: MOST_LETTERS - 1]}…"


def _curves(
    rows: Sequence[Result], kind: str, xlabel: str, names: dict[str, str], places: dict[str, int]
) -> list[Picture]:
    """One picture a task and probe. names: run -> its series; places: run -> where it stands."""
    probes = probe_names(rows)

    def by(row: Result) -> tuple[str, str]:
        return row.task, probes[row.run]

    pictures = []
    for (task, probe), members in groupby(sorted(rows, key=by), key=by):
        curves: dict[str, list[Result]] = {}
        for row in sorted(members, key=lambda row: places[row.run]):
            curves.setdefault(names[row.run], []).append(row)
        series = [
            _series(name, points, lambda row: f"{places[row.run]}:", lambda row: places[row.run])
            for name, points in list(curves.items())[:MOST_SERIES]
        ]
        metric = next(iter(curves.values()))[0].metric
        title = f"{task}: {metric} over {kind}, {probe}"
        svg = plots.curve_plot(short(metric), xlabel, series, doubling=kind == "shots")
        caption = _cut((len(series), len(curves), "encoders"))
        pictures.append(Picture(task, title, _on_page(svg, kind, title, series), caption, probe=probe))
    return pictures


def _series(
    name: str, rows: Sequence[Result], label: Callable[[Result], str], place: Callable[[Result], float]
) -> Series:
    points = tuple(_point(label(row), row.score, row.low, row.high) for row in rows)
    return Series(short(name), points, tuple(map(place, rows)))


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
