"""`evar leaderboard`: show the results as a table for people, papers or programs, or as a page."""

import argparse
from pathlib import Path
from typing import Any

from evar.base import plugins
from evar.base.errors import UsageError
from evar.cli.options import add_results, day, names, one_of
from evar.cli.terminal import echo, plugin_list, width

LIST = "list"
PAGES = ("html", "site")
FILTERS = ("task", "probe", "protocol", "metric", "encoder")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which rows, in which format, where to."""
    add_results(parser)
    add_filters(parser)
    parser.add_argument(
        "--published",
        type=one_of("published rows", "none", "linear", "frozen", "all"),
        metavar="KIND",
        help="published scores to show: none, linear (linear classifiers on frozen encoders), frozen (other heads too) "
        "or all (fine-tuned too); those of other protocols have tables of their own (default: linear; on the page all)",
    )
    add_format(parser, "terminal")
    parser.add_argument(
        "--ranks",
        action="store_true",
        help="show the rank of each score in its column, #1 for the best (default: no ranks)",
    )
    parser.add_argument(
        "--history", action="store_true", help="show every run of each encoder over time (default: the latest)"
    )


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Which rows, for `evar export` too."""
    for name in FILTERS:
        parser.add_argument(
            f"--{name}",
            type=names,
            action="add-up",
            metavar="NAME[,..]",
            help=f"show only rows of these {name}s{' or groups of tasks' if name == 'task' else ''} (default: all)",
        )
    parser.add_argument(
        "--since", type=day, metavar="DAY", help="show only rows from this day on, YYYY-MM-DD, UTC (default: all)"
    )


def filters(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `add_filters` was given, as `read_leaderboard` takes it."""
    return {name: getattr(arguments, name) for name in (*FILTERS, "since")}


def format_name(text: str) -> str:
    """A type: the name of a format, whose words may stand apart by hyphens too."""
    known, written = plugins.names("format"), text.replace("-", "_")
    return written if written in known else one_of("format", *known, LIST)(text)


def add_format(parser: argparse.ArgumentParser, default: str) -> None:
    """--format and --out, which `evar export` has too."""
    known = plugins.names("format")
    parser.add_argument(
        "--format",
        type=format_name,
        default=default,
        metavar="FORMAT",
        help=f"{', '.join(known)}, or `list`; csv has a line per encoder, long a line per score (default: {default})",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="file to write; a folder for formats of several files (default: stdout; for html, leaderboard.html in the "
        "results folder)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Read the results, keep what the filters say, and write them in the chosen format to stdout or to --out."""
    from evar.leaderboard.formats import open_format
    from evar.leaderboard.outputs import destination, write
    from evar.leaderboard.read import read_leaderboard

    if arguments.format == LIST:
        echo(plugin_list("format"))
        return 0
    for_people = "give --format terminal, markdown or latex, not"
    if arguments.history and not open_format(arguments.format).tables:
        raise UsageError(f"--history is a table for people: {for_people} {arguments.format}")
    if arguments.ranks and (arguments.history or not open_format(arguments.format).tables):
        other = "--history" if arguments.history else f"{arguments.format}; csv and json always hold ranks"
        raise UsageError(f"--ranks is for tables of encoders for people: {for_people} {other}")
    out = destination(arguments.format, arguments.out, arguments.results)
    shown = read_leaderboard(
        arguments.results,
        history=arguments.history,
        ranks=arguments.ranks,
        published=arguments.published or ("all" if arguments.format in PAGES else "linear"),
        **filters(arguments),
    )
    write(shown, arguments.format, out, width())
    return 0
