"""`evar import`: scores of the M2D authors' EVAR package beside one's own, marked as imported."""

import argparse

from evar.base.errors import UsageError
from evar.base.progress import say
from evar.leaderboard import imported


def run(arguments: argparse.Namespace) -> int:
    """Read a scores.csv and add what is new in it to the results folder."""
    kept = arguments.results / imported.NAME
    if kept.exists() and arguments.file.exists() and kept.samefile(arguments.file):
        raise UsageError(f"{arguments.file} is where imported scores are kept: name the table that they come from")
    rows = imported.read_scores(arguments.file)
    new = imported.add(arguments.results, rows)
    say(f"{new} of {len(rows)} scores added to {kept}")
    return 0
