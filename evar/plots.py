"""Every picture; the only door to matplotlib, which is imported when a picture is asked for.

Pictures are SVG files, drawn without a display; colours are Okabe and Ito's, which colour-blind readers tell apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evar.files import atomic_path

BLUE, ORANGE = "#0072B2", "#D55E00"
INCHES = (6.4, 4.0)


@dataclass(frozen=True)
class Point:
    """A score with its 95 % interval, all as shares (0 to 1); spread: the scores that it is the mean of."""

    name: str
    value: float
    low: float
    high: float
    spread: tuple[float, ...] = ()


def layer_curve(path: Path, title: str, metric: str, layers: Sequence[Point], chosen: Point) -> None:
    """Draw the score over depth, with intervals, and the score of the layer chosen on validation as a line across.

    Raises StorageError where `path` cannot be written.
    """

    def draw(axes: Any) -> None:
        depth = range(len(layers))
        _errorbar(axes, depth, layers, "each layer")
        axes.axhline(100 * chosen.value, color=ORANGE, linestyle="--", label="layer chosen on validation")
        axes.set_xticks(depth)

    _picture(path, title, "layer, from 0", metric, draw)


def shots_curve(path: Path, title: str, metric: str, points: Sequence[Point]) -> None:
    """Draw the score over the number of shots (the points' names), with intervals, and each draw's score as a dot.

    Raises StorageError where `path` cannot be written.
    """

    def draw(axes: Any) -> None:
        shots = [int(point.name) for point in points]
        dots = [(number, 100 * score) for number, point in zip(shots, points, strict=True) for score in point.spread]
        axes.plot(*zip(*dots, strict=True), ".", color=ORANGE, alpha=0.6, label="each draw of the training clips")
        _errorbar(axes, shots, points, "mean of the draws, interval over test clips")
        axes.set_xscale("log", base=2)
        axes.set_xticks(shots, [point.name for point in points])
        axes.minorticks_off()

    _picture(path, title, "training clips a class", metric, draw)


def _errorbar(axes: Any, places: Sequence[int], points: Sequence[Point], label: str) -> None:
    values = [100 * point.value for point in points]
    below = [100 * (point.value - point.low) for point in points]
    above = [100 * (point.high - point.value) for point in points]
    axes.errorbar(places, values, yerr=[below, above], fmt="o-", color=BLUE, capsize=3, label=label)


def _picture(path: Path, title: str, xlabel: str, metric: str, draw: Callable[[Any], None]) -> None:
    """Write what `draw` puts on the axes, with a grid and a legend."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=INCHES, layout="constrained")
    axes = figure.add_subplot(title=title, xlabel=xlabel, ylabel=f"{metric}, %")
    draw(axes)
    axes.grid(axis="y", alpha=0.3)
    axes.legend()
    FigureCanvasSVG(figure)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None, "Title": title})
