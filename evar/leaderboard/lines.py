"""The text of a CSV that a person may edit: its header, its rows line by line, and a header that grows.

Columns are matched by name, so their order is free. A file whose header lacks a column gets it at the right-hand end of
the header, and an empty cell at the end of each row: every byte that was there stays, also of rows that are broken and
of columns that nobody here knows.

A row that a hand has broken is one line: a quote that was never closed does not swallow the rows below it.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

ENCODING, ON_ERROR = "utf-8", "surrogateescape"
MARK = "\ufeff"  # a byte order mark, as spreadsheets write it


@dataclass(frozen=True)
class Row:
    """A row: the number of its first line (from 1), its text with the line's end, and its cells.

    cells: as many as the header has; none for an empty line, None where the line is no row of this table.
    """

    line: int
    text: str
    cells: list[str] | None


@dataclass(frozen=True)
class Sheet:
    """A table's text, taken apart. `head` is the header's text with its line's end, `header` its columns."""

    head: str
    header: list[str]
    rows: list[Row]

    def records(self) -> Iterator[tuple[int, dict[str, str] | None]]:
        """Number of the line and cells by column of each row that is not empty; None for a broken one."""
        for row in self.rows:
            if row.cells != []:
                yield row.line, None if row.cells is None else dict(zip(self.header, row.cells, strict=True))


def parse(content: bytes) -> Sheet:
    """Take a table apart. Raises ValueError where its header is none."""
    text = content.decode(ENCODING, ON_ERROR)
    head, *lines = re.findall(r"[^\n]*\n|[^\n]+", text) or [""]
    try:
        header = next(csv.reader([head.removeprefix(MARK)], strict=True), [])
    except csv.Error:
        header = []
    if not header or len(set(header)) < len(header):
        raise ValueError("no list of columns, each once")
    return Sheet(head, header, list(_rows(lines, len(header))))


def extended(sheet: Sheet, columns: Sequence[str], row: Mapping[str, str]) -> bytes:
    """The file with `row` as its last one, its header grown by those of `columns` that it lacks."""
    new = [name for name in columns if name not in sheet.header]
    parts = [_grown(sheet.head, "".join(f",{name}" for name in new))]
    parts += [each.text if each.cells == [] else _grown(each.text, "," * len(new)) for each in sheet.rows]
    if not parts[-1].endswith("\n"):
        parts[-1] += "\n"
    parts.append(line([row.get(name, "") for name in [*sheet.header, *new]]))
    return "".join(parts).encode(ENCODING, ON_ERROR)


def line(cells: Sequence[str]) -> str:
    """Cells as one row of the file. A lone carriage return is quoted too, which csv does where it ends lines so."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _grown(text: str, more: str) -> str:
    """`more` before the line's end."""
    body = text.rstrip("\r\n")
    return body + more + text[len(body) :]


def _rows(lines: Sequence[str], width: int) -> Iterator[Row]:
    start = 0
    while start < len(lines):
        if not lines[start].strip():
            yield Row(start + 2, lines[start], [])
            start += 1
            continue
        count, cells = _record(lines, start, width)
        yield Row(start + 2, "".join(lines[start : start + count]), cells)
        start += count


def _record(lines: Sequence[str], start: int, width: int) -> tuple[int, list[str] | None]:
    """How many lines the row has that begins at `start`, and its cells; one line and None where it is broken."""
    reader = csv.reader(map(lines.__getitem__, range(start, len(lines))), strict=True)
    try:
        cells = next(reader)
    except csv.Error:
        return 1, None
    return (reader.line_num, cells) if len(cells) == width else (1, None)
