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
        """Whether every cell of the column is a number, a score, or empty; a list of several is none."""
        cells = [row[column].text for row in self.rows if row[column].text]
        return all(text[0] in "0123456789+-" and ", " not in text for text in cells)


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> TextTable:
    """A table of plain cells, without a title; the first column names a line."""
    return TextTable("", tuple(header), tuple(tuple(map(Text, row)) for row in rows))


def on_screen(table: TextTable, width: int) -> str:
    """The table in lines of at most `width` columns of the screen.

    What comes from outside moves no cursor and breaks no line. A single score that is wider than the screen stays.
    """
    table = _printable(table)
    least = [_least(table, column) for column in range(len(table.header))]
    cuts = {gap: _cut(least, table.names, width, gap) for gap in GAPS}
    gap = min(GAPS, key=lambda gap: len(cuts[gap]))
    drawn = []
    for number, columns in enumerate(cuts[gap], start=1):
        part = replace(
            table,
            title=table.title if number == 1 or not table.title else f"{table.title} (continued)",
            header=tuple(table.header[k] for k in columns),
            rows=tuple(tuple(row[k] for k in columns) for row in table.rows),
            notes=table.notes if number == len(cuts[gap]) else (),
        )
        drawn.append("\n".join(_drawn(part, max(width, _needed(least, columns, gap)), gap)))
    return "\n\n".join(drawn)


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
    height = 25  # without one, rich takes 80 columns where TERM is dumb
    Console(file=screen, width=width, height=height, color_system=None, force_terminal=False).print(drawn)
    lines = [line.rstrip() for line in screen.getvalue().splitlines()]
    notes = [line for note in table.notes for line in textwrap.wrap(note, width, break_on_hyphens=False)]
    return [*textwrap.wrap(table.title, width), *lines, *notes]


def _cut(least: Sequence[int], names: int, width: int, gap: int) -> list[list[int]]:
    """The columns of each part: those that name the lines and as many others as fit beside them, at least one."""
    parts: list[list[int]] = []
    for column in range(names, len(least)):
        if parts and _needed(least, [*parts[-1], column], gap) <= width:
            parts[-1].append(column)
        else:
            parts.append([*range(names), column])
    return parts or [list(range(names))]


def _needed(least: Sequence[int], columns: Sequence[int], gap: int) -> int:
    """The least columns of the screen that these columns need, with the gaps between."""
    return sum(least[column] for column in columns) + gap * (len(columns) - 1)


def _least(table: TextTable, column: int) -> int:
    """The least columns of the screen that a column needs: scores in full, words folded."""
    from rich.cells import cell_len

    widest = max(map(cell_len, (table.header[column], *(str(row[column]) for row in table.rows))))
    return widest if table.numeric(column) else min(widest, LEAST_NAME)


def _printable(table: TextTable) -> TextTable:
    rows = tuple(tuple(replace(cell, text=printable(cell.text)) for cell in row) for row in table.rows)
    header, notes = tuple(map(printable, table.header)), tuple(map(printable, table.notes))
    return replace(table, title=printable(table.title), header=header, rows=rows, notes=notes)
