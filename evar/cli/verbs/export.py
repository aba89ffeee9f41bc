"""`evar export`: write all results for pandas, or in the shapes of the HEAR kit and of MTEB."""

import argparse

from evar.cli.options import add_results, names
from evar.cli.terminal import echo, plugin_list, width
from evar.cli.verbs.leaderboard import LIST, add_format


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which rows, in which format, where to."""
    add_results(parser)
    add_format(parser, "long")
    parser.add_argument(
        "--probe",
        type=names,
        action="add-up",
        metavar="NAME[,..]",
        help="only rows of one of these, by probe (default: all)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write them, published and imported rows included where the format has a place for them."""
    from evar.leaderboard.outputs import destination, write
    from evar.leaderboard.read import read_leaderboard

    if arguments.format == LIST:
        echo(plugin_list("format"))
        return 0
    out = destination(arguments.format, arguments.out, arguments.results)
    shown = read_leaderboard(arguments.results, published="all", probe=arguments.probe)
    write(shown, arguments.format, out, width())
    return 0
