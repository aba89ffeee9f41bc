"""Each task's ranked scores as dots with intervals; published linear scores below them, as hollow marks.

Each probe with its output is a series of its own: no dot is the best of several.
"""

from collections.abc import Sequence

from evar import plots
from evar.leaderboard.page.pictures import MOST_SERIES, Picture, cut, on_page, point, short
from evar.leaderboard.published import Published
from evar.leaderboard.ranking import RankedTable
from evar.plots import Series

MOST_ENCODERS, MOST_PUBLISHED = 20, 8


def dot_plot(
    task: str, tables: Sequence[RankedTable], names: dict[str, str], published: Sequence[Published]
) -> Picture:
    """The scores of a task in `tables` that have it; names: run -> encoder; published: the task's linear rows."""
    rows = [(table, table.column(task)) for table in tables[:MOST_SERIES]]
    encoders = list(dict.fromkeys(names[row.run] for _, column in rows for row in column))
    lines = encoders[:MOST_ENCODERS]
    series = []
    for table, column in rows:
        points = tuple(point(names[row.run], row.score, row.low, row.high) for row in column if names[row.run] in lines)
        series.append(Series(short(table.title), points, tuple(lines.index(each.name) for each in points)))
    models = list(dict.fromkeys(row.model for row in sorted(published, key=lambda row: -row.value)))
    best = models[:MOST_PUBLISHED]
    if best:
        beside = [row for row in published if row.model in best]
        points = tuple(point(row.model, row.value, row.low, row.high) for row in beside)
        places = tuple(len(lines) + best.index(row.model) for row in beside)
        series.append(Series("published, linear", points, places, hollow=True))
    metric = rows[0][1][0].metric
    title = f"{task}: {metric}"
    svg = plots.dot_plot(short(metric), [short(name) for name in (*lines, *best)], series)
    caption = cut(
        [
            (len(lines), len(encoders), "encoders"),
            (len(rows), len(tables), "probes and outputs"),
            (len(best), len(models), "published models, the best"),
        ]
    )
    return Picture(task, title, on_page(svg, "dots", title, series), caption)
