"""`evar import`: another folder's runs, or scores of the M2D authors' EVAR package, which are marked as imported."""

import argparse

from evar.base.errors import UsageError
from evar.base.progress import say
from evar.leaderboard import imported, runs, table


def run(arguments: argparse.Namespace) -> int:
    """Copy what is new in a results folder or in a scores.csv to the results folder."""
    if arguments.file.is_dir():
        new, there = runs.copy_runs(arguments.file, arguments.results)
        table.update(arguments.results)
        say(f"{new} of {there} runs copied to {arguments.results / runs.FOLDER}")
        return 0
    kept = arguments.results / imported.NAME
    if kept.exists() and arguments.file.exists() and kept.samefile(arguments.file):
        raise UsageError(f"{arguments.file} is where imported scores are kept: name the table that they come from")
    rows = imported.read_scores(arguments.file)
    new = imported.add(arguments.results, rows)
    say(f"{new} of {len(rows)} scores added to {kept}")
    return 0
