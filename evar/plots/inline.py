"""Pictures inside a page: SVG text, transparent, in the page's own font and colour, readable at 300 pixels' width.

A colour is an encoder's, in every picture the same; a mark is a series'. What is drawn of one encoder is a group with
an id, "e" and its number, in a dot plot also the series': so the page can hide it.
"""

import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from evar.plots.points import COLOURS, GREY, Series

PAGE_INCHES = 4.0  # width; at the page's scale a letter is as tall as the text around it
MARKS = ("o", "s", "D", "^", "v", "P")
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "evar",  # the same picture, the same bytes
    "text.parse_math": False,  # a name may hold a dollar sign
    "font.size": 9,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GREY,
    "grid.alpha": 0.25,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "legend.frameon": False,
    "legend.fontsize": 9,
}
LOG_FROM = 5  # times the slowest: from there on speeds are drawn on a logarithmic axis
MOST_TICKS = 6  # of a logarithmic axis, so that their numbers stand apart
NAME_INCHES, DOT_INCHES, LEGEND_INCHES, EDGE_INCHES = 0.3, 0.13, 0.2, 0.45


def dot_plot(metric: str, lines: Sequence[str], series: Sequence[Series]) -> str:
    """Scores with intervals, one named line below the other; hollow series are drawn in grey."""
    solid = [each for each in series if not each.hollow]
    hollow = {int(place) for each in series if each.hollow for place in each.places}
    encoders = {int(line): f"e{k}" for each in solid for line, k in zip(each.places, each.encoders, strict=False)}
    dots = [1 if number in hollow else max(1, len(solid)) for number in range(len(lines))]
    heights = [NAME_INCHES + DOT_INCHES * count for count in dots]
    tops = [sum(heights[:number]) for number in range(len(lines))]

    def draw(axes: Any) -> None:
        across = axes.get_yaxis_transform()
        for number, (name, top) in enumerate(zip(lines, tops, strict=True)):
            colour = GREY if number in hollow else "black"
            axes.text(0, top + 0.14, name, color=colour, transform=across, va="center", gid=encoders.get(number))
        if 0 < len(hollow) < len(lines):
            axes.axhline(tops[min(hollow)], color=GREY, linewidth=0.6)
        for each in series:
            below = NAME_INCHES + DOT_INCHES * (0 if each.hollow else solid.index(each))
            heights_of = [tops[int(place)] + below for place in each.places]
            values, low, high = _per_cent(each)
            looks = _looks(each, f"-{series.index(each)}")
            for (colour, gid), value, start, end, y in zip(looks, values, low, high, heights_of, strict=True):
                axes.hlines(y, start, end, color=colour, linewidth=1.4, gid=gid)
                face = "none" if each.hollow else colour
                axes.plot(value, y, _mark(series, each), color=colour, mfc=face, markersize=4.5, gid=gid)
        axes.set(ylim=(sum(heights), 0), yticks=[], xlabel=f"{metric}, %")
        axes.spines["left"].set_visible(False)
        axes.locator_params("x", nbins=6)
        axes.grid(axis="x")

    return _svg(sum(heights), series if len(series) > 1 else (), draw, left=0.1)


def speed_plot(
    metric: str,
    series: Sequence[Series],
    fronts: Sequence[Sequence[tuple[float, float]]],
    numbered: Sequence[tuple[float, float, int]],
) -> str:
    """Scores over clips a second (the places), a series a device.

    fronts: of each device, (speed, share) from slow to fast; numbered: (speed, share, encoder) that get the numbers
    from 1 on
    """

    def draw(axes: Any) -> None:
        for each, front in zip(series, fronts, strict=True):
            for (colour, gid), speed, value in zip(_looks(each), each.places, _per_cent(each)[0], strict=True):
                axes.plot(speed, value, _mark(series, each), color=colour, markersize=4.5, gid=gid)
            x, y = [speed for speed, _ in front], [100 * share for _, share in front]
            axes.plot(x, y, color=GREY, linewidth=1, drawstyle="steps-pre", zorder=1)
        for number, (speed, share, encoder) in enumerate(numbered, start=1):
            where: Any = {"xytext": (4, 4), "textcoords": "offset points", "gid": f"e{encoder}"}
            axes.annotate(str(number), (speed, 100 * share), weight="bold", **where)
        axes.set(xlabel="embedding speed, clips/s", ylabel=f"{metric}, %")
        axes.margins(0.12)
        axes.grid()
        speeds = [place for each in series for place in each.places]
        if max(speeds) > LOG_FROM * min(speeds):
            axes.set_xscale("log")
            axes.set_xticks(_ticks(*axes.get_xlim()))
            axes.minorticks_off()
        else:
            axes.locator_params("x", nbins=MOST_TICKS)
        axes.xaxis.set_major_formatter(lambda speed, _: f"{speed:,.6g}" if speed < 1e4 else f"{speed / 1000:,.6g}k")

    return _svg(2.4, series if len(series) > 1 else (), draw)


def curve_plot(metric: str, xlabel: str, series: Sequence[Series], *, doubling: bool = False) -> str:
    """Scores with intervals over the series' places, whole numbers; doubling: on a logarithmic axis."""

    def draw(axes: Any) -> None:
        for each in series:
            (colour, gid), mark = _looks(each)[0], _mark(series, each)
            values, low, high = _per_cent(each)
            axes.vlines(each.places, low, high, color=colour, alpha=0.45, gid=gid)
            axes.plot(each.places, values, f"{mark}-", color=colour, markersize=4, linewidth=1.2, gid=gid)
        ticks = sorted({place for each in series for place in each.places})
        if doubling:
            axes.set_xscale("log", base=2)
        axes.set_xticks(ticks[:: 1 + len(ticks) // 14], [f"{tick:g}" for tick in ticks[:: 1 + len(ticks) // 14]])
        axes.minorticks_off()
        axes.set(xlabel=xlabel, ylabel=f"{metric}, %")
        axes.grid()

    return _svg(2.4, series, draw, of_encoders=True)


def _per_cent(series: Series) -> tuple[list[float], list[float], list[float]]:
    """Values, lower and upper ends of the points."""
    points = series.points
    return [100 * p.value for p in points], [100 * p.low for p in points], [100 * p.high for p in points]


def _looks(series: Series, more: str = "") -> list[tuple[str, str | None]]:
    """Colour and id of each point: its encoder's, colours come round; grey where it has none."""
    if not series.encoders:
        return [(GREY, None)] * len(series.points)
    return [(COLOURS[each % len(COLOURS)], f"e{each}{more}") for each in series.encoders]


def _mark(series: Sequence[Series], each: Series) -> str:
    return "o" if each.hollow else MARKS[series.index(each) % len(MARKS)]


def _ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, ... between the two, or decades where those are too many; at most MOST_TICKS."""
    decades = range(-3, 10)
    fine = [step * 10.0**decade for decade in decades for step in (1, 2, 5) if low <= step * 10.0**decade <= high]
    coarse = [10.0**decade for decade in decades if low <= 10.0**decade <= high]
    return fine if len(fine) <= MOST_TICKS else coarse[:: 1 + (len(coarse) - 1) // MOST_TICKS]


def _svg(
    height: float, legend: Sequence[Series], draw: Callable[[Any], None], left: float = 0.5, of_encoders: bool = False
) -> str:
    """The SVG of what `draw` puts on axes of `height` inches, the legend above them: in grey unless `of_encoders`."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    top = 0.1 + LEGEND_INCHES * len(legend)
    total = height + EDGE_INCHES + top
    text = io.StringIO()
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # the reader's own font draws the text
        figure = Figure(figsize=(PAGE_INCHES, total))
        width = PAGE_INCHES - left - 0.12
        axes = figure.add_axes((left / PAGE_INCHES, EDGE_INCHES / total, width / PAGE_INCHES, height / total))
        draw(axes)
        if legend:
            handles = []
            for each in legend:
                colour = _looks(each)[0][0] if of_encoders else GREY
                face, line = "none" if each.hollow else colour, "-" if of_encoders else ""
                look: Any = {"marker": _mark(legend, each), "markersize": 4.5, "mfc": face, "linestyle": line}
                handles.append(Line2D([], [], color=colour, label=each.name, **look))
            figure.legend(handles=handles, loc="upper left", borderpad=0, borderaxespad=0.2, labelspacing=0.35)
        FigureCanvasSVG(figure)
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return text.getvalue()
