"""Pictures inside a page: SVG text, transparent, in the page's own font and colour, readable at 300 pixels' width."""

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
NAME_INCHES, DOT_INCHES, LEGEND_INCHES, EDGE_INCHES = 0.3, 0.13, 0.2, 0.45


def dot_plot(metric: str, lines: Sequence[str], series: Sequence[Series]) -> str:
    """Scores with intervals, one named line below the other; hollow series are drawn in grey."""
    solid = [each for each in series if not each.hollow]
    hollow = {int(place) for each in series if each.hollow for place in each.places}
    dots = [1 if number in hollow else max(1, len(solid)) for number in range(len(lines))]
    heights = [NAME_INCHES + DOT_INCHES * count for count in dots]
    tops = [sum(heights[:number]) for number in range(len(lines))]

    def draw(axes: Any) -> None:
        for number, (name, top) in enumerate(zip(lines, tops, strict=True)):
            colour = GREY if number in hollow else "black"
            axes.text(0, top + 0.14, name, color=colour, transform=axes.get_yaxis_transform(), va="center")
        if 0 < len(hollow) < len(lines):
            axes.axhline(tops[min(hollow)], color=GREY, linewidth=0.6)
        for each in series:
            below = NAME_INCHES + DOT_INCHES * (0 if each.hollow else solid.index(each))
            _dots(axes, each, _look(series, each), [tops[int(place)] + below for place in each.places])
        axes.set(ylim=(sum(heights), 0), yticks=[], xlabel=f"{metric}, %")
        axes.spines["left"].set_visible(False)
        axes.locator_params("x", nbins=6)
        axes.grid(axis="x")

    return _svg(sum(heights), series if len(series) > 1 else (), draw, left=0.1)


def speed_plot(
    metric: str,
    series: Sequence[Series],
    fronts: Sequence[Sequence[tuple[float, float]]],
    numbered: Sequence[tuple[float, float]],
) -> str:
    """Scores over clips a second (the places), a series a device.

    fronts: of each device, (speed, share) from slow to fast; numbered: (speed, share) that get the numbers from 1 on
    """
    from matplotlib.ticker import LogLocator

    def draw(axes: Any) -> None:
        for each, front in zip(series, fronts, strict=True):
            colour, mark = _look(series, each)
            axes.plot(each.places, _per_cent(each)[0], mark, color=colour, markersize=4.5, label=each.name)
            x, y = [speed for speed, _ in front], [100 * share for _, share in front]
            axes.plot(x, y, color=colour, linewidth=1, drawstyle="steps-pre", zorder=1)
        for number, (speed, share) in enumerate(numbered, start=1):
            axes.annotate(str(number), (speed, 100 * share), (4, 4), textcoords="offset points", weight="bold")
        axes.set(xlabel="embedding speed, clips/s", ylabel=f"{metric}, %")
        speeds = [place for each in series for place in each.places]
        if max(speeds) > LOG_FROM * min(speeds):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.minorticks_off()
        axes.xaxis.set_major_formatter("{x:g}")
        axes.margins(0.12)
        axes.grid()

    return _svg(2.4, series if len(series) > 1 else (), draw)


def curve_plot(metric: str, xlabel: str, series: Sequence[Series], *, doubling: bool = False) -> str:
    """Scores with intervals over the series' places, whole numbers; doubling: on a logarithmic axis."""

    def draw(axes: Any) -> None:
        for each in series:
            colour, mark = _look(series, each)
            values, low, high = _per_cent(each)
            axes.vlines(each.places, low, high, color=colour, alpha=0.45)
            axes.plot(each.places, values, f"{mark}-", color=colour, markersize=4, linewidth=1.2, label=each.name)
        ticks = sorted({place for each in series for place in each.places})
        if doubling:
            axes.set_xscale("log", base=2)
        axes.set_xticks(ticks[:: 1 + len(ticks) // 14], [f"{tick:g}" for tick in ticks[:: 1 + len(ticks) // 14]])
        axes.minorticks_off()
        axes.set(xlabel=xlabel, ylabel=f"{metric}, %")
        axes.grid()

    return _svg(2.4, series, draw)


def _dots(axes: Any, series: Series, look: tuple[str, str], y: Sequence[float]) -> None:
    colour, mark = (GREY, "o") if series.hollow else look
    values, low, high = _per_cent(series)
    axes.hlines(y, low, high, color=colour, linewidth=1.4)
    face = "none" if series.hollow else colour
    axes.plot(values, y, mark, color=colour, markerfacecolor=face, markersize=4.5, label=series.name)


def _per_cent(series: Series) -> tuple[list[float], list[float], list[float]]:
    """Values, lower and upper ends of the points."""
    points = series.points
    return [100 * p.value for p in points], [100 * p.low for p in points], [100 * p.high for p in points]


def _look(series: Sequence[Series], each: Series) -> tuple[str, str]:
    """Colour and mark of a series: colours come round, and then with other marks."""
    number = series.index(each)
    return COLOURS[number % len(COLOURS)], MARKS[(number + number // len(COLOURS)) % len(MARKS)]


def _svg(height: float, legend: Sequence[Series], draw: Callable[[Any], None], left: float = 0.5) -> str:
    """The SVG of what `draw` puts on axes of `height` inches, the legend above them."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

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
            figure.legend(loc="upper left", borderpad=0, borderaxespad=0.2, labelspacing=0.35)
        FigureCanvasSVG(figure)
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return text.getvalue()
