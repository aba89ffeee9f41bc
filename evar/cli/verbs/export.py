"""`evar export`: write results for pandas, other harnesses and the Hub, as a site, or the embeddings behind them."""

import argparse

from evar.cli.options import add_results, add_settings, config_from
from evar.cli.terminal import echo, plugin_list, width
from evar.cli.verbs.leaderboard import LIST, add_filters, add_format, filters


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which rows, in which format, where to."""
    add_results(parser)
    add_filters(parser)
    add_format(parser, "long")
    only = ", for the format embeddings"
    add_settings(
        parser,
        "data",
        "cache",
        data=f"folder that holds the datasets' folders{only}",
        cache=f"folder of prepared stores and embeddings{only}",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write them, published and imported rows included where the format has a place for them."""
    from evar.leaderboard.outputs import destination, write
    from evar.leaderboard.read import read_leaderboard

    if arguments.format == LIST:
        echo(plugin_list("format"))
        return 0
    out = destination(arguments.format, arguments.out, arguments.results)
    config = config_from(arguments)
    shown = read_leaderboard(arguments.results, published="all", config=config, **filters(arguments))
    write(shown, arguments.format, out, width())
    return 0
