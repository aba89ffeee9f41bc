"""`evar import`: copy the runs of another results folder, or scores of the M2D authors' EVAR package."""

import argparse
from pathlib import Path

from evar.base.progress import say
from evar.cli.options import add_results


def add_options(parser: argparse.ArgumentParser) -> None:
    """From where, to where."""
    parser.add_argument(
        "file",
        type=Path,
        metavar="PATH",
        help="a results folder, or a CSV file with the columns representation, task, score, report",
    )
    add_results(parser)


def run(arguments: argparse.Namespace) -> int:
    """Copy what is new in a results folder or in a scores.csv to the results folder."""
    from evar.leaderboard.imported import import_results

    copied = import_results(arguments.file, arguments.results)
    say(f"{copied.new} of {copied.there} {copied.what} copied to {copied.place}")
    return 0
