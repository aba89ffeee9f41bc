"""Aligned columns for a screen."""

from evar.base.tables import on_screen
from evar.leaderboard.formats import LEGEND, Format
from evar.leaderboard.read import Leaderboard

END = LEGEND.format(best="*")


def write(leaderboard: Leaderboard, width: int) -> str:
    """Each table within the width, and what the marks say."""
    return "\n\n".join([*(on_screen(table, width) for table in leaderboard.text_tables(with_ids=True)), END]) + "\n"


def open_format() -> Format:
    """The format."""
    return Format(write, lambda content: content.rstrip().endswith(END.encode()), tables=True)
