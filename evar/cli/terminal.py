"""What a person sees: progress bars and notes on stderr, tables on stdout. The only door to tqdm."""

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

from evar.base.progress import Advance

if TYPE_CHECKING:
    from tqdm import tqdm

SECONDS_BETWEEN_LINES_OF_A_LOG = 10.0
LEAST_WIDTH = 40  # characters; a narrower terminal breaks lines itself


class Stderr:
    """What is written to stderr; dropped where that is closed, full or read by nobody: no score is lost for a note."""

    def write(self, text: str) -> None:
        """Write and flush."""
        if sys.stderr is None:
            return
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):  # ValueError: closed in this process
            with contextlib.suppress(OSError, ValueError):
                # what its buffer still holds goes there too, and no later flush fails
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())

    def flush(self) -> None:
        """Nothing waits: see `write`."""
        self.write("")

    def isatty(self) -> bool:
        """Whether a person sees it."""
        return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()

    def fileno(self) -> int:
        """The descriptor, from which tqdm reads the terminal's width."""
        return sys.stderr.fileno()


def open_missing_streams() -> None:
    """Give closed stdin, stdout and stderr a descriptor, which else the next opened file would take."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def say(text: str) -> None:
    """One line on stderr."""
    Stderr().write(f"evar: {' '.join(text.split())}\n")


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
        file=Stderr(),
        mininterval=0.1 if Stderr().isatty() else SECONDS_BETWEEN_LINES_OF_A_LOG,
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
