"""What a person sees on a terminal: lines, widths, tables."""

import dataclasses
import json
import os
import shutil
from collections.abc import Sequence

from evar.base import plugins
from evar.base.errors import visible
from evar.base.tables import on_screen, text_table

LEAST_WIDTH = 40  # characters; a narrower terminal breaks lines itself
FULL_WIDTH = 10_000


def open_missing_streams() -> None:
    """Give closed stdin, stdout and stderr a descriptor, which else the next opened file would take."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def echo(text: str = "") -> None:
    """Print to stdout at once; nothing in it moves the cursor."""
    print(visible(text), flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns within the width of the terminal, in full where stdout is none.

    The first one names a line, and is repeated where the table is cut.
    """
    return on_screen(text_table(header, rows), width(otherwise=FULL_WIDTH))


def plugin_list(kind: str, *, as_json: bool = False) -> str:
    """Every plug-in of a kind, the package that it is from, and what it is: for people, or a JSON object a line."""
    rows = [dataclasses.asdict(each) for each in plugins.listed(kind)]
    if as_json:
        return "\n".join(map(json.dumps, rows))
    return table([kind, "package", "title"], [list(row.values()) for row in rows])


def width(otherwise: int = 100) -> int:
    """Characters in a line of the terminal; where stdout is none, $COLUMNS or `otherwise`."""
    return max(LEAST_WIDTH, shutil.get_terminal_size((otherwise, 24)).columns)
