"""Tables for a screen, drawn by rich: aligned, and within the width, at 80 columns too.

Cells of words are folded where a line would be too long, scores never are. A table with more columns than fit is cut
into parts that repeat the columns that name its lines.
"""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evar.base.errors import printable

LEAST_NAME = 10  # columns of the screen that a folded column keeps
GAPS = (2, 1)  # between columns: the wider one unless the other makes fewer parts


@dataclass(frozen=True)
class Text:
    """One cell. best: of its column; tied: not separable from the best."""

    text: str
    best: bool = False
    tied: bool = False

    def __str__(self) -> str:
        return f"*{self.text}" if self.best else f"≈{self.text}" if self.tied else self.text


@dataclass(frozen=True)
class TextTable:
    """A titled table. The first `names` columns name the line; notes stand below."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]
    notes: tuple[str, ...] = ()
    names: int = 1

    def numeric(self, column: int) -> bool:
        """Whether every cell of the column is a number, a score, or empty."""
        return all(not row[column].text or row[column].text[0] in "0123456789+-" for row in self.rows)


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, names: int = 1) -> TextTable:
    """A table of plain cells, without a title."""
    return TextTable("", tuple(header), tuple(tuple(map(Text, row)) for row in rows), names=names)


def on_screen(table: TextTable, width: int) -> str:
    """The table in lines of at most `width` columns of the screen.

    What comes from outside moves no cursor and breaks no line. A single score that is wider than the screen stays.
    """
    table = _printable(table)
    gap = min(GAPS, key=lambda gap: len(_cut(table, width, gap)))
    return "\n\n".join("\n".join(_drawn(part, width, gap)) for part in _cut(table, width, gap))


def _drawn(table: TextTable, width: int, gap: int) -> list[str]:
    import rich.text
    from rich.console import Console
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="")
    for k, name in enumerate(table.header):
        numeric = table.numeric(k)
        drawn.add_column(rich.text.Text(name), justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for row in table.rows:
        drawn.add_row(*(rich.text.Text(str(cell)) for cell in row))
    screen = io.StringIO()
    width, height = max(width, _least(table, gap)), 25  # without a height, rich takes 80 columns where TERM is dumb
    Console(file=screen, width=width, height=height, color_system=None, force_terminal=False).print(drawn)
    lines = [line.rstrip() for line in screen.getvalue().splitlines()]
    notes = [line for note in table.notes for line in textwrap.wrap(note, width, break_on_hyphens=False)]
    return [*textwrap.wrap(table.title, width), *lines, *notes]


def _cut(table: TextTable, width: int, gap: int) -> list[TextTable]:
    """The table in parts of as many columns as fit beside those that name its lines; at least one column a part."""
    names, start = table.names, table.names
    parts: list[TextTable] = []
    while start < len(table.header) or not parts:
        end = start + 1
        while end < len(table.header) and _least(_columns(table, start, end + 1), gap) <= width:
            end += 1
        part = _columns(table, start, end)
        title = table.title if start == names or not table.title else f"{table.title} (continued)"
        parts.append(replace(part, title=title, notes=table.notes if end >= len(table.header) else ()))
        start = end
    return parts


def _columns(table: TextTable, start: int, end: int) -> TextTable:
    """The columns that name the lines, and those from `start` to before `end`."""
    kept = [*range(table.names), *range(start, min(end, len(table.header)))]
    rows = tuple(tuple(row[k] for k in kept) for row in table.rows)
    return replace(table, header=tuple(table.header[k] for k in kept), rows=rows)


def _least(table: TextTable, gap: int) -> int:
    """The least columns of the screen that the table needs: scores in full, words folded."""
    from rich.cells import cell_len

    needed = gap * (len(table.header) - 1)
    for k, name in enumerate(table.header):
        widest = max(map(cell_len, (name, *(str(row[k]) for row in table.rows))))
        needed += widest if table.numeric(k) else min(widest, LEAST_NAME)
    return needed


def _printable(table: TextTable) -> TextTable:
    rows = tuple(tuple(replace(cell, text=printable(cell.text)) for cell in row) for row in table.rows)
    header, notes = tuple(map(printable, table.header)), tuple(map(printable, table.notes))
    return replace(table, title=printable(table.title), header=header, rows=rows, notes=notes)
