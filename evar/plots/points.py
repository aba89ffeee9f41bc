"""What is drawn. Colours are Okabe and Ito's, which colour-blind readers distinguish."""

from dataclasses import dataclass

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, "#E69F00", "#56B4E9")
GREY = "#808080"


@dataclass(frozen=True)
class CurvePoint:
    """A score with its 95 % interval, all as shares (0 to 1); spread: the scores that it is the mean of."""

    name: str
    value: float
    low: float
    high: float
    spread: tuple[float, ...] = ()


@dataclass(frozen=True)
class RateCurve:
    """A probe's scores at each of `rates`, and that of another one, which has no rate."""

    name: str
    rates: tuple[float, ...]
    points: tuple[CurvePoint, ...]
    other: CurvePoint


@dataclass(frozen=True)
class Series:
    """Points that are drawn with one mark. places: x of each, or the line (from the top) on which a dot plot has it.

    encoders: the number of each point's encoder, which gives its colour; empty where there is none.
    """

    name: str
    points: tuple[CurvePoint, ...]
    places: tuple[float, ...]
    hollow: bool = False
    encoders: tuple[int, ...] = ()
