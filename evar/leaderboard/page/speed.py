"""Each task's scores over the speed of embedding: which encoders are worth their time on a device."""

from collections.abc import Iterable, Sequence

from evar import plots
from evar.leaderboard.page.pictures import MOST_SERIES, Picture, cut, on_page, point, short
from evar.leaderboard.ranking import RankedTable
from evar.leaderboard.text_tables import per_cent
from evar.plots import Series
from evar.result import Result

MOST_NUMBERED = 8  # points of a front


def speed_plot(task: str, table: RankedTable, names: dict[str, str]) -> Picture | None:
    """The scores of a task in a table over clips/s, devices apart; None for fewer than two encoders."""
    rows = [row for row in table.column(task) if row.embed_clips_per_second > 0]
    if len(rows) < 2:
        return None
    devices = sorted({row.device for row in rows})
    series, fronts, numbered, names_on_front = [], [], [], []
    for device in devices[:MOST_SERIES]:
        own = [row for row in rows if row.device == device]
        front = pareto_front((row.embed_clips_per_second, row.score) for row in own)
        series.append(_series(device, own, names))
        fronts.append(front)
        where = {(row.embed_clips_per_second, row.score): names[row.run] for row in own}
        for speed, score in front[:: 1 + (len(front) - 1) // MOST_NUMBERED]:
            numbered.append((speed, score))
            names_on_front.append(f"{where[speed, score]}, {per_cent(score)} % at {speed:,.0f} clips/s")
    title = f"{task}: {rows[0].metric} over speed"
    svg = plots.speed_plot(short(rows[0].metric), series, fronts, numbered)
    parts = [
        f"{table.title}, on {', '.join(devices[:MOST_SERIES])}. On the line: no encoder is both faster and better.",
        cut([(len(numbered), sum(map(len, fronts)), "of these numbered"), (len(series), len(devices), "devices")]),
    ]
    caption = " ".join(filter(None, parts))
    return Picture(task, title, on_page(svg, "speed", title, series), caption, tuple(names_on_front), table.probe)


def pareto_front(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The (speed, score) that no other point exceeds in one and reaches in the other, from slow to fast."""
    front: list[tuple[float, float]] = []
    for speed, score in sorted(set(points), reverse=True):
        if not front or score > front[-1][1]:
            front.append((speed, score))
    return front[::-1]


def _series(device: str, rows: Sequence[Result], names: dict[str, str]) -> Series:
    points = tuple(point(names[row.run], row.score, row.low, row.high) for row in rows)
    return Series(short(device), points, tuple(row.embed_clips_per_second for row in rows))
