"""Scores over an encoder's layers, and over the number of training clips a class, where runs have them.

A picture is of one task and probe; an encoder (for shots: with its output) is a series. Of several runs of a point the
latest is drawn.
"""

import re
from collections.abc import Callable, Sequence
from itertools import groupby

from evar import plots
from evar.leaderboard.page.pictures import MOST_SERIES, Picture, cut, on_page, point, short
from evar.leaderboard.ranking import latest_runs, probe_names
from evar.leaderboard.text_tables import encoder_names
from evar.plots import Series
from evar.result import Result

LAYER = re.compile(r"layer(\d+)")


def layer_curves(rows: Sequence[Result]) -> list[Picture]:
    """One picture a task and probe of the layers that were swept; `rows` are oldest first."""
    swept = latest_runs([row for row in rows if row.sweep and LAYER.fullmatch(row.output)])
    return _pictures(swept, "layers", "layer, from 0", _layer, lambda row: "", doubling=False)


def shots_curves(rows: Sequence[Result]) -> list[Picture]:
    """One picture a task and probe of the numbers of shots that were tried; `rows` are oldest first."""
    few = latest_runs([row for row in rows if row.shots])
    return _pictures(few, "shots", "training clips a class", _shots, lambda row: f", {row.output}", doubling=True)


def of_curve(row: Result) -> bool:
    """Whether the row is one point of a curve: one layer of a sweep, or few shots."""
    return row.sweep or row.shots is not None


def _shots(row: Result) -> int:
    return row.shots or 0


def _layer(row: Result) -> int:
    found = LAYER.fullmatch(row.output)
    assert found is not None
    return int(found[1])


def _pictures(
    rows: Sequence[Result],
    kind: str,
    xlabel: str,
    place: Callable[[Result], int],
    suffix: Callable[[Result], str],
    *,
    doubling: bool,
) -> list[Picture]:
    encoders, probes = encoder_names(rows), probe_names(rows)

    def by(row: Result) -> tuple[str, str]:
        return row.task, probes.of(row)

    pictures = []
    for (task, probe), members in groupby(sorted(rows, key=by), key=by):
        curves: dict[str, list[Result]] = {}
        for row in sorted(members, key=place):
            curves.setdefault(encoders[row.run] + suffix(row), []).append(row)
        series = [_series(name, points, place) for name, points in list(curves.items())[:MOST_SERIES]]
        metric = next(iter(curves.values()))[0].metric
        title = f"{task}: {metric} over {kind}, {probe}"
        svg = plots.curve_plot(short(metric), xlabel, series, doubling=doubling)
        caption = cut([(len(series), len(curves), "encoders")])
        pictures.append(Picture(task, title, on_page(svg, kind, title, series), caption, probe=probe))
    return pictures


def _series(name: str, rows: Sequence[Result], place: Callable[[Result], int]) -> Series:
    points = tuple(point(f"{place(row)}:", row.score, row.low, row.high) for row in rows)
    return Series(short(name), points, tuple(map(place, rows)))
