"""Formats of the leaderboard: one file each, for people, papers and programs.

A file of this folder is a format where it defines `open_format`, which gives a `Format`; its name is what `--format`
takes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evar.base import plugins
from evar.leaderboard.read import Leaderboard

LEGEND = "Per cent ± half of the 95 % interval. {best} best of the column, ≈ not separable from the best."

Content = str | bytes | Mapping[PurePosixPath, str | bytes | Path] | Mapping[PurePosixPath, str]
"""What is written: a text, a file that is no text, or path below the output folder -> content, or a file to copy."""


@dataclass(frozen=True)
class Format:
    """One way to write a leaderboard.

    write:   (what is shown, columns of the screen) -> content; a text ends with a line break
    is_own:  (first and last bytes of a file) -> whether it is of this format, and so may be written anew
    place:   where it is written unless --out says so: "" stdout, a file's name in the results folder; None: --out must
    folder:  whether it is a folder of several files
    tables:  whether it is made of `Leaderboard.text_tables`, which may be the history too
    """

    write: Callable[[Leaderboard, int], Content]
    is_own: Callable[[bytes], bool]
    place: str | None = ""
    folder: bool = False
    tables: bool = False


def names() -> list[str]:
    """Names of all formats, sorted; imports none of them."""
    return plugins.names("format")


def open_format(name: str) -> Format:
    """The format of a name. Raises UsageError, with near names, where there is none."""
    format: Format = plugins.load("format", name)()
    return format
