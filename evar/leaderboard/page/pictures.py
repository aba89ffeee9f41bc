"""A picture of the page: an inline SVG with its title, its text alternative and what stands below it.

Names come from outside: in a picture they stand on one line, without control characters, and not too long.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evar.base.errors import printable
from evar.leaderboard.page.inline_svg import inline
from evar.leaderboard.text_tables import per_cent
from evar.plots import CurvePoint, Series

MOST_SERIES = 6  # colours that can be distinguished
MOST_LETTERS = 50  # of a name


@dataclass(frozen=True)
class Picture:
    """numbered: what the numbers in it mean, from 1; probe: the only one it shows, empty where it shows several."""

    task: str
    title: str
    svg: str
    caption: str = ""
    numbered: tuple[str, ...] = ()
    probe: str = ""


def on_page(svg: str, kind: str, title: str, series: Sequence[Series]) -> str:
    """The SVG for the page; `kind` and `title` together are this picture's alone. The text alternative has it all."""
    key = re.sub("[^a-z0-9]+", "-", f"{kind}-{title}".lower()).strip("-")
    described = ". ".join(f"{each.name}: {', '.join(map(_told, each.points))}" for each in series)
    return inline(svg, key, printable(title), printable(described))


def point(name: str, value: float, low: float | None, high: float | None) -> CurvePoint:
    """A point whose interval is itself where there is none."""
    return CurvePoint(name, value, value if low is None else low, value if high is None else high)


def short(text: str) -> str:
    """A name as it fits into a picture."""
    line = printable(text)
    return line if len(line) <= MOST_LETTERS else f"{line[: MOST_LETTERS - 1]}…"


def cut(what: Iterable[tuple[int, int, str]]) -> str:
    """A sentence on lists that are cut: (shown, of how many, what they are); empty where all is shown."""
    parts = [f"{most} of {count} {name}" for most, count, name in what if count > most]
    return f"Shown: {', '.join(parts)}." if parts else ""


def _told(point: CurvePoint) -> str:
    return f"{point.name} {per_cent(point.value)} % ({per_cent(point.low)} to {per_cent(point.high)})"
