"""CSV as text: what is written for spreadsheets, and what is read of a table that a person may edit.

Columns are matched by name, so their order is free. A row that a hand has broken is one line: a quote that was never
closed does not swallow the rows below it.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

FORMULA = re.compile(r"[=+@\t\r]|-(?![\d.])")  # how a cell begins that a spreadsheet would run
MARK = "\ufeff"  # a byte order mark, as spreadsheets write it

Row = tuple[int, dict[str, str] | None]
"""The number of a row's first line (from 1) and its cells by column; None where the line is no row of the table."""


def parse(content: bytes) -> tuple[list[str], list[Row]]:
    """The columns of a table, and its rows without empty lines. Raises ValueError where its header is none."""
    text = content.decode("utf-8", "surrogateescape")
    head, *lines = re.findall(r"[^\n]*\n|[^\n]+", text) or [""]
    try:
        header = next(csv.reader([head.removeprefix(MARK)], strict=True), [])
    except csv.Error:
        header = []
    if not header or len(set(header)) < len(header):
        raise ValueError("no list of columns, each once")
    return header, list(_rows(lines, header))


def whole_table(header: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """A table of columns by name; what a row lacks is empty."""
    return "".join([line(header), *(line([defused(row.get(name, "")) for name in header]) for row in rows)])


def defused(cell: str) -> str:
    """The cell, with a quote before what a spreadsheet would take for a formula, as a name that begins with `=`."""
    return f"'{cell}" if FORMULA.match(cell) else cell


def line(cells: Sequence[str]) -> str:
    """Cells as one row of the file. A lone carriage return is quoted too, which csv does where it ends lines so."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _rows(lines: Sequence[str], header: Sequence[str]) -> Iterator[Row]:
    start = 0
    while start < len(lines):
        if not lines[start].strip():
            start += 1
            continue
        count, cells = _record(lines, start, len(header))
        yield start + 2, None if cells is None else dict(zip(header, cells, strict=True))
        start += count


def _record(lines: Sequence[str], start: int, width: int) -> tuple[int, list[str] | None]:
    """How many lines the row has that begins at `start`, and its cells; one line and None where it is broken."""
    reader = csv.reader(map(lines.__getitem__, range(start, len(lines))), strict=True)
    try:
        cells = next(reader)
    except csv.Error:
        return 1, None
    return (reader.line_num, cells) if len(cells) == width else (1, None)
