"""The page: one HTML file that needs nothing else."""

from evar.leaderboard.formats import Format
from evar.leaderboard.read import Leaderboard


def write(leaderboard: Leaderboard, width: int) -> str:
    """The page's HTML."""
    from evar.leaderboard.page.render import render_page

    return render_page(leaderboard)


def open_format() -> Format:
    """The format."""
    return Format(write, lambda content: b'<meta name="generator" content="evar ' in content, place="leaderboard.html")
