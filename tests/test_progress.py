"""What is shown of long work, and that hidden work shows nothing."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from evar.base.progress import Bar, advance, displayed, hidden_progress, progress

WARNED = """
import logging
from evar.base.progress import hidden, progress, show_progress

log = logging.getLogger("evar.data.store")
with show_progress():
    with hidden():
        log.warning("not this")
        with progress("nor this", total=1, unit="clip") as advance:
            advance(1)
    log.warning("but this")
"""


def test_hidden_work_shows_neither_bars_nor_notes() -> None:
    done = subprocess.run([sys.executable, "-c", WARNED], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "evar: but this\n")


def test_hidden_work_shows_no_warning_where_nothing_was_asked_for() -> None:
    program = WARNED.replace("with show_progress():", "if True:").replace('    log.warning("but this")\n', "")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_what_a_script_asks_to_see_is_shown_also_where_it_keeps_nothing() -> None:
    program = """
import gc, logging
from evar.base.progress import show_progress
show_progress()
gc.collect()
logging.getLogger("evar.data").warning("seen")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "evar: seen\n"


@pytest.fixture
def done() -> Iterator[dict[str, int]]:
    """How far each stage came, by a display that threads would lose counts of."""
    counts: dict[str, int] = {}

    @contextlib.contextmanager
    def display(stage: str, *, total: int, unit: str, initial: int) -> Iterator[Bar]:
        counts[stage] = initial

        def bar(amount: int, text: str = "", /) -> None:
            before = counts[stage]
            time.sleep(1e-4)
            counts[stage] = before + amount

        yield bar

    with displayed(display):
        yield counts


def test_innermost_open_bar_is_advanced(done: dict[str, int]) -> None:
    advance()
    with progress("outer", total=9, unit="clip"):
        advance(2)
        with contextlib.suppress(ZeroDivisionError), progress("inner", total=9, unit="clip"):
            advance(3)
            raise ZeroDivisionError
        advance()
    advance()
    assert done == {"outer": 3, "inner": 3}


def test_hidden_work_advances_no_bar_around_it(done: dict[str, int]) -> None:
    with progress("outer", total=9, unit="clip"), hidden_progress(), progress("inner", total=9, unit="clip"):
        advance()
    assert done == {"outer": 0}


def test_threads_at_once_are_all_counted(done: dict[str, int]) -> None:
    with progress("work", total=100, unit="clip"), ThreadPoolExecutor(4) as pool:
        list(pool.map(advance, [1] * 100))
    assert done == {"work": 100}
