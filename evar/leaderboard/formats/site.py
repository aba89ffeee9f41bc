"""A static site: index.html, the page, and runs/RUN.html for every run, whose address stays what it is.

Written into the same folder again, pages of runs that are no longer shown stay, so that links to them do not break.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath

from evar.leaderboard.formats import Format
from evar.leaderboard.formats.html import open_format as open_page
from evar.leaderboard.read import Leaderboard


def write(leaderboard: Leaderboard, width: int) -> Mapping[PurePosixPath, str]:
    """All pages; a run's is made when it is asked for."""
    from evar.leaderboard.page.render import Site

    return Site(leaderboard)


def open_format() -> Format:
    """The format."""
    return Format(write, open_page().is_own, place=None, folder=True)
