"""What a person sees on a terminal: tables, sizes, widths."""

import os
import shutil
from collections.abc import Sequence

LEAST_WIDTH = 40  # characters; a narrower terminal breaks lines itself


def open_missing_streams() -> None:
    """Give closed stdin, stdout and stderr a descriptor, which else the next opened file would take."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


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
