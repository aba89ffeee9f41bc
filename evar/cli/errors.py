"""How an error is shown: one line on stderr, with `--debug` where it comes from too. Exit codes."""

import traceback
from collections.abc import Callable, Iterable
from typing import TypeVar

from evar.base.errors import EvarError
from evar.base.progress import Stderr, say

Item = TypeVar("Item")

DONE, OUR_FAULT, USERS_MISTAKE, INTERRUPTED = 0, 1, 2, 130

with_traceback = False
"""Whether --debug was given."""


def show(error: EvarError) -> int:
    """Show an error. Returns its exit code."""
    if with_traceback:
        traceback.print_exception(error, file=Stderr())
    say(f"error: {error}")
    return USERS_MISTAKE


def for_each(items: Iterable[Item], work: Callable[[Item], None]) -> int:
    """Do `work` for each item; an error of one is shown and does not stop the others. Returns the exit code."""
    code = DONE
    for item in items:
        try:
            work(item)
        except EvarError as error:
            code = show(error)
    return code
