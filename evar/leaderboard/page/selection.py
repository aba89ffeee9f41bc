"""How a probe's setting was chosen: the validation score over the grid, as points of a small curve."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from evar.probes.contract import Setting
from evar.probes.selection import name

WIDTH, HEIGHT = 320, 120  # of the curve's box, in its own units
LEFT, RIGHT, TOP, BOTTOM = 38, 12, 12, 26
SHORT_NAME, MOST_NAMES = 6, 8  # letters of a setting that fit anywhere; settings that can all be named


@dataclass(frozen=True)
class Step:
    """A setting: its mean validation score over rounds, per cent, how many rounds chose it, and where it is drawn."""

    setting: str
    score: float
    chosen: int
    x: float
    y: float

    @property
    def anchor(self) -> str:
        """Which end of a long name stands at x, so that it stays within the box."""
        if len(self.setting) <= SHORT_NAME or LEFT < self.x < WIDTH - RIGHT:
            return "middle"
        return "start" if self.x <= LEFT else "end"


@dataclass(frozen=True)
class Selection:
    """The curve. rounds: each round's own, as "x,y x,y ..."; low, high: per cent at the bottom and the top."""

    steps: tuple[Step, ...]
    rounds: tuple[str, ...]
    low: float
    high: float
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def named(self) -> tuple[Step, ...]:
        """The steps whose settings are written below the curve: all where they fit, else the chosen ones."""
        fit = len(self.steps) <= MOST_NAMES and all(len(step.setting) <= SHORT_NAME for step in self.steps)
        return tuple(step for step in self.steps if fit or step.chosen)

    @property
    def mean(self) -> str:
        """The mean's points, as "x,y x,y ..."."""
        return _line([(step.x, step.y) for step in self.steps])


def selection_of(curves: Mapping[str, Mapping[str, float]], setting: Mapping[str, Setting]) -> Selection | None:
    """curves: round -> setting -> score (a share); setting: round -> the chosen one. None where nothing was chosen."""
    scored = [curve for curve in curves.values() if curve]
    grid = [each for each in (scored[0] if scored else ()) if all(each in curve for curve in scored)]
    if len(grid) < 2:
        return None
    values = [100 * curve[each] for curve in scored for each in grid]
    low, high = min(values), max(values)
    chosen = Counter(name(each) for each in setting.values())

    def x(number: int) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * number / (len(grid) - 1), 1)

    def y(score: float) -> float:
        share = (score - low) / (high - low) if high > low else 0.5
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share, 1)

    means = [100 * sum(curve[each] for curve in scored) / len(scored) for each in grid]
    steps = [
        Step(each, round(mean, 1), chosen[each], x(k), y(mean))
        for k, (each, mean) in enumerate(zip(grid, means, strict=True))
    ]
    rounds = [_line([(x(k), y(100 * curve[each])) for k, each in enumerate(grid)]) for curve in scored]
    return Selection(tuple(steps), tuple(rounds) if len(rounds) > 1 else (), round(low, 1), round(high, 1))


def _line(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)
