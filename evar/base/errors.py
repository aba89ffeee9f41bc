"""Errors that a user can fix: printed as one line, without a traceback, exit code 2.

Every message says what is wrong, where, and what to do. Anything else that is raised is a fault of this project.
"""

import difflib
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

UNPRINTABLE = "\ufffd"  # stands for control characters, direction marks, lone surrogates and the like
LONGEST_NAME = 300  # characters of a name in a message
DISTRIBUTION = "evar-audio"  # the name to install by: on the package index `evar` is another project


class EvarError(Exception):
    """A mistake or a fault outside the program; its text is one line made for people."""


class UsageError(EvarError):
    """An argument, an option or a task file says something that cannot be."""


class DataError(EvarError):
    """A clip, a table or a dataset folder is missing, broken or too incomplete to score."""


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
    hint = f": {hint}" if (hint := did_you_mean(name, names)) else ""
    return UsageError(f"unknown {kind} {name!r}{hint} (valid: {', '.join(names) or 'none'})")


def did_you_mean(name: str, valid: Iterable[str] | Mapping[str, str], cutoff: float = 0.5) -> str:
    """The names that are near, whatever their case: "did you mean us8k?"; empty where none is.

    valid:  names, or a mapping of them to what they are shown as
    cutoff: how alike they must be, 0 to 1

    >>> did_you_mean("US8K", ["us8k", "gtzan"])
    'did you mean us8k?'
    """
    names = valid if isinstance(valid, Mapping) else {each: each for each in valid}
    folded = {each.casefold().strip(" -"): shown for each, shown in names.items()}
    near = difflib.get_close_matches(name.casefold().strip(" -"), folded, n=3, cutoff=cutoff)
    return f"did you mean {' or '.join(folded[each] for each in near)}?" if near else ""


WANTED = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "string": "text in quotes",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "sequence": "a list",
    "is": "a list",  # an instance of Sequence
    "dict": "names with their values",
    "model": "names with their values",
}
"""First word of pydantic's name of a fault -> what the value must be."""

LIMITS = {
    "greater_than_equal": "of at least {ge:g}",
    "greater_than": "above {gt:g}",
    "less_than_equal": "of at most {le:g}",
    "less_than": "below {lt:g}",
}


def wanted(fault: Mapping[str, Any]) -> str:
    """What a value must be in whose place pydantic found a fault, in plain words; empty where it is no such fault.

    >>> wanted({"type": "int_type"})
    'a whole number'
    """
    kind, limits = fault["type"], fault.get("ctx", {})
    if kind == "string_too_short":
        return "text that is not empty"
    if kind == "literal_error":
        return str(limits["expected"])
    if kind in LIMITS:
        return "a number " + LIMITS[kind].format(**limits)
    return WANTED.get(kind.partition("_")[0], "")


def in_words(fault: Mapping[str, Any]) -> str:
    """A fault that pydantic found, in plain words: "must be a whole number, not '1'"."""
    if fault["type"] == "missing":
        return "is missing"
    if fault["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return "is unknown"
    if not (what := wanted(fault)):
        return str(fault["msg"]).removeprefix("Value error, ")
    if fault["input"] is None:
        return f"is empty, must be {what}"
    return f"must be {what}, not {shortened(fault['input'])}"


def shortened(value: object, most: int = 60) -> str:
    """A value as a literal, of at most so many characters."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        text = "a number of thousands of digits"
    return text if len(text) <= most else f"{text[: most - 1]}…"


def install_hint(extra: str) -> str:
    """The command that installs what `extra` of this package needs.

    >>> install_hint("parquet")
    "pip install 'evar-audio[parquet]'"
    """
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def counted(count: int, one: str, more: str = "") -> str:
    """How many there are of `one`: "1 file", "1,200 files"; more: its plural, where that is not `one` with an s."""
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"


def few(names: Iterable[str], most: int = 3, total: int | None = None) -> str:
    """The first `most` of `names`, and how many more there are (of `total`, else of `names`): 'a, b, c and 4 more'."""
    listed = list(names)
    total = len(listed) if total is None else total
    rest = f" and {total - most:,} more" if total > most else ""
    return ", ".join(shown(name) for name in listed[:most]) + rest


def shown(name: object) -> str:
    """A name on one line, a long one cut."""
    text = printable(str(name))
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME // 2]}...{text[-LONGEST_NAME // 2 :]}"


def printable(text: str, mark: str = UNPRINTABLE) -> str:
    """The text on one line, as `visible`: it moves no cursor."""
    return visible(" ".join(text.split()), mark)


def visible(text: str, mark: str = UNPRINTABLE) -> str:
    """The text with a mark for each character that is no sign (Unicode's category C), but for line ends and tabs."""
    if all(map(str.isprintable, text.split("\n"))):
        return text
    return "".join(mark if unicodedata.category(c)[0] == "C" and c not in "\n\t" else c for c in text)
