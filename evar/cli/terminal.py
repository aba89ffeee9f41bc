"""What a person sees: progress bars and notes on stderr, tables on stdout. The only door to tqdm."""

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

from evar.progress import Advance

if TYPE_CHECKING:
    from tqdm import tqdm

SECONDS_BETWEEN_LINES_OF_A_LOG = 10.0
LEAST_WIDTH = 40  # characters; a narrower terminal breaks lines itself


def say(text: str) -> None:
    """One line on stderr."""
    print(f"evar: {' '.join(text.split())}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def bar(stage: str, *, total: int, unit: str, initial: int = 0) -> Iterator[Advance]:
    """A progress bar with a rate on stderr; where stderr is no terminal, a line now and then."""
    with _line(stage, total, unit, initial) as line:

        def advance(amount: int) -> None:
            line.update(amount)

        yield advance


@contextlib.contextmanager
def step_bar(*, total: int, initial: int) -> Iterator[Callable[[int, str], None]]:
    """The progress bar of a training run, which also shows a text (the loss) beside its rate and the time left."""
    with _line("pretrain", total, "step", initial) as line:

        def advance(steps: int, shown: str) -> None:
            line.set_postfix_str(shown, refresh=False)
            line.update(steps)

        yield advance


def _line(stage: str, total: int, unit: str, initial: int) -> "tqdm[NoReturn]":
    from tqdm import tqdm

    return tqdm(
        total=total,
        desc=stage,
        unit=f" {unit}",
        unit_scale=unit == "byte",
        initial=initial,
        file=sys.stderr,
        mininterval=0.1 if sys.stderr.isatty() else SECONDS_BETWEEN_LINES_OF_A_LOG,
        dynamic_ncols=True,
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned by their widest cell."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def size(count: float) -> str:
    """Bytes for people: 12.3 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def width() -> int:
    """Characters in a line of stdout; $COLUMNS, else 100, where it is no terminal."""
    return max(LEAST_WIDTH, shutil.get_terminal_size((100, 24)).columns)
