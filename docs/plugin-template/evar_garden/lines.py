"""A line a score, for grep: run, task, encoder, probe and score of every ranked row, with blanks between."""

from evar.leaderboard.formats import Format
from evar.leaderboard.read import Leaderboard

START = "# run task encoder probe score\n"


def write(leaderboard: Leaderboard, width: int) -> str:
    """The lines, tables one after the other."""
    rows = [
        cell.result for table in leaderboard.unjudged.tables for line in table.lines for cell in line.cells.values()
    ]
    return START + "".join(f"{row.run} {row.task} {row.encoder} {row.probe} {row.score:.4f}\n" for row in rows)


def open_format() -> Format:
    """The format; a file that begins as its files do may be written anew."""
    return Format(write, lambda content: content.startswith(START.encode()))
