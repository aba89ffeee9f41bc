"""Errors that a user can mend: printed as one line, without a traceback, exit code 2.

Every message says what is wrong, where, and what to do. Anything else that is raised is a fault of this project.
"""

import difflib
import unicodedata
from collections.abc import Iterable

UNPRINTABLE = "\ufffd"  # stands for control characters, direction marks, lone surrogates and the like
DISTRIBUTION = "evar-audio"  # the name to install by: on the package index `evar` is another project


class EvarError(Exception):
    """A mistake or a fault outside the program; its text is one line made for people."""


class UsageError(EvarError):
    """An argument, an option or a task file says something that cannot be."""


class DataError(EvarError):
    """Audio, a table or a dataset folder is missing, broken or too incomplete to score."""


class CheckpointError(EvarError):
    """A checkpoint is missing, broken, of another model, or asks to execute code."""


class TrainingError(EvarError):
    """Pre-training cannot go on: its numbers are lost."""


class StorageError(EvarError):
    """The cache or the results cannot be written."""


def unknown(kind: str, name: str, valid: Iterable[str]) -> UsageError:
    """A UsageError for a `name` that is none of `valid`, with the near ones first.

    >>> str(unknown("task", "us9k", ["us8k", "gtzan"]))
    "unknown task 'us9k': did you mean us8k? (valid: gtzan, us8k)"
    """
    names = sorted(valid)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return UsageError(f"unknown {kind} {name!r}: {hint}(valid: {', '.join(names) or 'none'})")


def install_hint(extra: str) -> str:
    """The command that installs what `extra` of this package needs.

    >>> install_hint("parquet")
    "pip install 'evar-audio[parquet]'"
    """
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def few(names: Iterable[str], most: int = 3, total: int | None = None) -> str:
    """The first `most` of `names`, and how many more there are (of `total`, else of `names`): 'a, b, c and 4 more'."""
    listed = list(names)
    total = len(listed) if total is None else total
    rest = f" and {total - most:,} more" if total > most else ""
    return ", ".join(listed[:most]) + rest


def printable(text: str, mark: str = UNPRINTABLE) -> str:
    """The text on one line, as `visible`: it moves no cursor."""
    return visible(" ".join(text.split()), mark)


def visible(text: str, mark: str = UNPRINTABLE) -> str:
    """The text with a mark for each character that is no sign (Unicode's category C), but for line ends and tabs."""
    if all(map(str.isprintable, text.split("\n"))):
        return text
    return "".join(mark if unicodedata.category(c)[0] == "C" and c not in "\n\t" else c for c in text)
