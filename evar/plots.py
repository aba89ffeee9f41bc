"""Every picture; the only door to matplotlib, which is imported when a picture is asked for.

Pictures are SVG files, drawn without a display; colours are Okabe and Ito's, which colour-blind readers tell apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evar.files import atomic_path

BLUE, ORANGE = "#0072B2", "#D55E00"
INCHES = (6.4, 4.0)


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
