"""Pictures in files: SVG, drawn without a display."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evar.base.files import atomic_path, remove_unfinished
from evar.plots.points import BLUE, GREEN, ORANGE, PURPLE, CurvePoint, RateCurve

INCHES = (6.4, 4.0)
MOST_POINTS = 5_000  # of a curve over steps


def layer_curve(path: Path, title: str, metric: str, layers: Sequence[CurvePoint], chosen: CurvePoint) -> None:
    """Draw the score over depth, with intervals, and the score of the layer chosen on validation as a line across.

    Raises StorageError where `path` cannot be written.
    """

    def draw(axes: Any) -> None:
        depth = range(len(layers))
        _errorbar(axes, depth, layers, "each layer")
        axes.axhline(100 * chosen.value, color=ORANGE, linestyle="--", label="layer chosen on validation")
        axes.set_xticks(depth)

    _picture(path, title, "layer, from 0", f"{metric}, %", draw)


def shots_curve(path: Path, title: str, metric: str, points: Sequence[CurvePoint]) -> None:
    """Draw the score over the number of shots (the points' names), with intervals, and each draw's score as a dot.

    Raises StorageError where `path` cannot be written.
    """

    def draw(axes: Any) -> None:
        shots = [int(point.name) for point in points]
        dots = [(number, 100 * score) for number, point in zip(shots, points, strict=True) for score in point.spread]
        axes.plot(*zip(*dots, strict=True), ".", color=ORANGE, alpha=0.6, label="each draw of the training clips")
        _errorbar(axes, shots, points, "mean of the draws, 95 % interval")
        axes.set_xscale("log", base=2)
        axes.set_xticks(shots, [point.name for point in points])
        axes.minorticks_off()

    _picture(path, title, "training clips a class", f"{metric}, %", draw)


def rate_curves(path: Path, title: str, metric: str, curves: Sequence[RateCurve], other: str) -> None:
    """Draw scores over the learning rate, with intervals, for up to four encoders, and those of `other` as lines.

    Raises StorageError where `path` cannot be written.
    """

    def draw(axes: Any) -> None:
        for curve, colour in zip(curves, (BLUE, ORANGE, GREEN, PURPLE), strict=False):
            _errorbar(axes, curve.rates, curve.points, curve.name, colour)
            axes.axhline(100 * curve.other.value, color=colour, linestyle="--", linewidth=1)
        axes.plot([], [], color="grey", linestyle="--", linewidth=1, label=other)
        axes.set_xscale("log")

    _picture(path, title, "learning rate", f"{metric}, %", draw)


def loss_curve(path: Path, title: str, steps: Sequence[int], losses: Sequence[float]) -> None:
    """Draw the loss over the steps: each step pale, and the mean over a hundredth of them as a line.

    Raises StorageError where `path` cannot be written.
    """
    shown = max(1, len(steps) // MOST_POINTS)  # of so many steps one is drawn
    window = max(1, len(steps) // 100)
    means = np.convolve(losses, np.full(window, 1 / window), mode="valid")

    def draw(axes: Any) -> None:
        axes.plot(steps[::shown], losses[::shown], color=BLUE, alpha=0.25, linewidth=0.5, label="a step")
        axes.plot(steps[window - 1 :: shown], means[::shown], color=BLUE, label=f"mean of {window:,} steps")

    _picture(path, title, "step", "loss", draw)


def _errorbar(axes: Any, places: Sequence[float], points: Sequence[CurvePoint], label: str, colour: str = BLUE) -> None:
    values = [100 * point.value for point in points]
    below = [100 * (point.value - point.low) for point in points]
    above = [100 * (point.high - point.value) for point in points]
    axes.errorbar(places, values, yerr=[below, above], fmt="o-", color=colour, capsize=3, label=label)


def _picture(path: Path, title: str, xlabel: str, ylabel: str, draw: Callable[[Any], None]) -> None:
    """Write what `draw` puts on the axes, with a grid and a legend."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=INCHES, layout="constrained")
    axes = figure.add_subplot(title=title, xlabel=xlabel, ylabel=ylabel)
    draw(axes)
    axes.grid(axis="y", alpha=0.3)
    axes.legend()
    FigureCanvasSVG(figure)
    # ids that are not drawn anew each time; text as text
    remove_unfinished(path.parent)
    with rc_context({"svg.hashsalt": title, "svg.fonttype": "none"}), atomic_path(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None, "Title": title})
