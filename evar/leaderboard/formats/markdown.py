"""Pipe tables, ready for a README or an issue."""

from collections.abc import Sequence

from evar.base.errors import printable
from evar.base.tables import Text, TextTable
from evar.leaderboard.formats import LEGEND, Format
from evar.leaderboard.read import Leaderboard

ESCAPED = {**{letter: f"\\{letter}" for letter in "\\`*_[]<>|"}, "&": "&amp;"}
END = LEGEND.format(best="**Bold**:")


def write(leaderboard: Leaderboard, width: int) -> str:
    """Each table, and what the marks say."""
    return "\n\n".join([*map(pipe_table, leaderboard.text_tables()), END]) + "\n"


def pipe_table(table: TextTable) -> str:
    """One table below its title."""
    lines = [_row([_plain(cell) for cell in table.header])]
    lines.append(_row(["---:" if table.numeric(k) else "---" for k in range(len(table.header))]))
    lines += [_row([_marked(cell) for cell in row]) for row in table.rows]
    notes = [f"\n{_plain(note)}" for note in table.notes]
    return "\n".join([f"### {_plain(table.title)}\n", *lines, *notes])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    return "".join(ESCAPED.get(letter, letter) for letter in printable(text))


def _marked(cell: Text) -> str:
    text = _plain(cell.text)
    return f"**{text}**" if cell.best else f"≈ {text}" if cell.tied else text


def open_format() -> Format:
    """The format."""
    return Format(write, lambda content: content.rstrip().endswith(END.encode()), tables=True)
