"""A line a score: one's own rows with all columns of the leaderboard, then others'; `origin` parts them."""

from typing import Any

from evar.leaderboard.csv_text import whole_table
from evar.leaderboard.formats import Format
from evar.leaderboard.read import Leaderboard
from evar.result import COLUMNS

HEADER = ("origin", "ranked_in", "apart_because", *COLUMNS, "kind", "source", "report")


def write(leaderboard: Leaderboard, width: int) -> str:
    """All rows, as CSV."""
    board = leaderboard.unjudged
    rows = [
        {"origin": "own", "ranked_in": table.title, **cell.result.row()}
        for table in board.tables
        for line in table.lines
        for cell in line.cells.values()
    ]
    rows += [{"origin": "own", "apart_because": each.reason, **each.result.row()} for each in board.apart]
    rows += [{"origin": "published", **_cells(row.facts())} for row in leaderboard.published]
    rows += [{"origin": "imported", **_cells(row.facts())} for row in leaderboard.imported]
    return whole_table(HEADER, rows)


def _cells(facts: dict[str, Any]) -> dict[str, str]:
    return {name: f"{fact:.10g}" if isinstance(fact, float) else fact or "" for name, fact in facts.items()}


def open_format() -> Format:
    """The format."""
    return Format(write, lambda content: content.startswith(",".join(HEADER[:3]).encode()))
