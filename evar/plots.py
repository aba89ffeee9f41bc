"""Every picture; the only door to matplotlib, which is imported when a picture is asked for.

Pictures are SVG files, drawn without a display; colours are Okabe and Ito's, which colour-blind readers tell apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evar.files import atomic_path

BLUE, ORANGE = "#0072B2", "#D55E00"
INCHES = (6.4, 4.0)
MOST_POINTS = 5_000  # of a curve over steps


@dataclass(frozen=True)
class Point:
    """A score with its 95 % interval, all as shares (0 to 1)."""

    name: str
    value: float
    low: float
    high: float


def layer_curve(path: Path, title: str, metric: str, layers: Sequence[Point], chosen: Point) -> None:
    """Draw the score over depth, with intervals, and the score of the layer chosen on validation as a line across.

    Raises StorageError where `path` cannot be written.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=INCHES, layout="constrained")
    axes = figure.add_subplot(title=title, xlabel="layer, from 0", ylabel=f"{metric}, %")
    depth = range(len(layers))
    values = [100 * point.value for point in layers]
    below = [100 * (point.value - point.low) for point in layers]
    above = [100 * (point.high - point.value) for point in layers]
    axes.errorbar(depth, values, yerr=[below, above], fmt="o-", color=BLUE, capsize=3, label="each layer")
    axes.axhline(100 * chosen.value, color=ORANGE, linestyle="--", label="layer chosen on validation")
    axes.set_xticks(depth)
    axes.grid(axis="y", alpha=0.3)
    axes.legend()
    FigureCanvasSVG(figure)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None, "Title": title})


def loss_curve(path: Path, title: str, steps: Sequence[int], losses: Sequence[float]) -> None:
    """Draw the loss over the steps: each step pale, and the mean over a hundredth of them as a line.

    Raises StorageError where `path` cannot be written.
    """
    import numpy as np
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    shown = max(1, len(steps) // MOST_POINTS)  # of so many steps one is drawn
    window = max(1, len(steps) // 100)
    means = np.convolve(losses, np.full(window, 1 / window), mode="valid")
    figure = Figure(figsize=INCHES, layout="constrained")
    axes = figure.add_subplot(title=title, xlabel="step", ylabel="loss")
    axes.plot(steps[::shown], losses[::shown], color=BLUE, alpha=0.25, linewidth=0.5, label="a step")
    axes.plot(steps[window - 1 :: shown], means[::shown], color=BLUE, label=f"mean of {window:,} steps")
    axes.grid(axis="y", alpha=0.3)
    axes.legend()
    FigureCanvasSVG(figure)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None, "Title": title})
