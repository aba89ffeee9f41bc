"""How long work tells what it does, without knowing the terminal: a callable that opens a progress bar."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """Opens one bar: `with progress("embed", total=780, unit="clip") as advance: advance(32)`."""

    def __call__(
        self, stage: str, *, total: int, unit: str, initial: int = 0
    ) -> contextlib.AbstractContextManager[Advance]: ...


@contextlib.contextmanager
def silent(stage: str, *, total: int, unit: str, initial: int = 0) -> Iterator[Advance]:
    """The progress that shows nothing."""
    yield lambda amount: None


def say_nothing(text: str) -> None:
    """The note that nobody reads."""
