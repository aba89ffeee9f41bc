"""What long work shows: progress bars and notes. The only door to tqdm.

    with progress("embed", total=780, unit="clip") as advance:
        advance(32)

Where another function opened the bar, `advance(32)` of this module does the same: no function takes a callable for it.

Nothing is shown until somebody asks for it: the command line does, and so may a script or a notebook
(`evar.show_progress()`). Notes are records of the logger "evar" and of those below it, at INFO, or at WARNING where a
score may suffer.
"""

import contextlib
import io
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol

from evar.base.errors import printable

SECONDS_BETWEEN_LINES_OF_A_LOG = 10.0


class Bar(Protocol):
    """Called with how far the work came; shows a text beside the rate where one is given."""

    def __call__(self, amount: int, text: str = "", /) -> None: ...


class Display(Protocol):
    """Opens a bar, see `progress`."""

    def __call__(self, stage: str, *, total: int, unit: str, initial: int) -> AbstractContextManager[Bar]: ...


@contextlib.contextmanager
def _nothing(stage: str, *, total: int, unit: str, initial: int) -> Iterator[Bar]:
    yield lambda amount, text="", /: None


_display: Display = _nothing
_open: list[Bar] = []
_advancing = threading.Lock()


@contextlib.contextmanager
def progress(stage: str, *, total: int, unit: str, initial: int = 0) -> Iterator[Bar]:
    """A bar of a stage of work, on whatever display is switched on."""
    with _display(stage, total=total, unit=unit, initial=initial) as opened:
        _open.append(opened)
        try:
            yield opened
        finally:
            _open.remove(opened)


def advance(amount: int = 1, text: str = "") -> None:
    """Advance the innermost bar that is open; does nothing where none is.

    Any thread may call it, several at once too. Innermost is the bar that was opened last, by whatever thread: where
    threads work side by side, only the one that waits for them opens bars.
    """
    with _advancing:
        if _open:
            _open[-1](amount, text)


@contextlib.contextmanager
def displayed(display: Display) -> Iterator[None]:
    """Within it, bars are shown on `display`."""
    global _display
    before, _display = _display, display
    try:
        yield
    finally:
        _display = before


@contextlib.contextmanager
def forwarded(kind: str, to: Bar) -> Iterator[None]:
    """Within it, bars of the stage `kind` are not shown and advance `to`; others are shown as before."""
    shown = _display

    @contextlib.contextmanager
    def display(stage: str, *, total: int, unit: str, initial: int) -> Iterator[Bar]:
        if stage == kind:
            to(initial)
            yield to
        else:
            with shown(stage, total=total, unit=unit, initial=initial) as bar:
                yield bar

    with displayed(display):
        yield


def hidden_progress() -> AbstractContextManager[None]:
    """Within it, bars are not shown; notes are."""
    return displayed(_nothing)


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Within it, neither bars nor notes are shown."""
    logger = logging.getLogger("evar")
    before = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [logging.NullHandler()], False  # without any, Python itself prints warnings
    try:
        with hidden_progress():
            yield
    finally:
        logger.handlers, logger.propagate = before


class show_progress(contextlib.ExitStack):
    """Bars and notes on stderr, in a notebook below the cell, from now on; as a context, to the end of its block."""

    _open: ClassVar[set["show_progress"]] = set()  # also where nobody keeps what is returned

    def __init__(self) -> None:
        super().__init__()
        self.enter_context(displayed(bar))
        self.enter_context(_notes_on_stderr())
        self._open.add(self)
        self.callback(self._open.discard, self)


@contextlib.contextmanager
def bar(stage: str, *, total: int, unit: str, initial: int) -> Iterator[Bar]:
    """A tqdm bar with a rate; where stderr is no terminal, a line now and then."""
    with _tqdm()(
        total=total,
        desc=stage,
        unit=f" {unit}",
        unit_scale=unit == "byte",
        initial=initial,
        file=Stderr(),
        mininterval=0.1 if Stderr().isatty() else SECONDS_BETWEEN_LINES_OF_A_LOG,
        dynamic_ncols=True,
    ) as line:

        def update(amount: int, text: str = "", /) -> None:
            if text:
                line.set_postfix_str(text, refresh=False)
            line.update(amount)

        yield update


def _tqdm() -> Any:
    if "ipykernel" in sys.modules:
        from tqdm.auto import tqdm as notebook

        return notebook
    from tqdm import tqdm

    return tqdm


@contextlib.contextmanager
def _notes_on_stderr() -> Iterator[None]:
    logger, handler = logging.getLogger("evar"), _Lines()
    if any(isinstance(each, _Lines) for each in logger.handlers):  # asked for before: a note is one line
        yield
        return
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _Lines(logging.Handler):
    """A line a note."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


def say(text: str) -> None:
    """One line on stderr, of which nothing moves the cursor."""
    Stderr().write(f"evar: {printable(text)}\n")


class Stderr(io.TextIOBase):
    """What is written to stderr; dropped where that is closed, full or read by nobody: no score is lost for a note."""

    def write(self, text: str) -> int:
        """Write and flush."""
        if sys.stderr is not None:
            try:
                sys.stderr.write(text)
                sys.stderr.flush()
            except (OSError, ValueError):  # ValueError: closed in this process
                with contextlib.suppress(OSError, ValueError):
                    # what its buffer still holds goes there too, and no later flush fails
                    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        return len(text)

    def flush(self) -> None:
        """Nothing waits: see `write`."""
        self.write("")

    def isatty(self) -> bool:
        """Whether a person sees it."""
        return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()

    def fileno(self) -> int:
        """The descriptor, from which tqdm reads the terminal's width."""
        return sys.stderr.fileno()
