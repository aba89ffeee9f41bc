"""`evar cache`: list or remove decoded clips and embeddings."""

import argparse
import datetime

from evar.base.byte_size import read_size, size
from evar.cli.options import add_settings, argument, one_of, whole
from evar.cli.terminal import echo, table


def add_options(parser: argparse.ArgumentParser) -> None:
    """What to do, and what may go."""
    parser.add_argument(
        "action",
        type=one_of("action", "list", "prune"),
        metavar="list|prune",
        help="show what is there, or remove what is not needed",
    )
    add_settings(parser, "cache")
    some = parser.add_mutually_exclusive_group()
    some.add_argument(
        "--to",
        type=argument(read_size),
        metavar="SIZE",
        help="prune: also remove what was used longest ago, until clips and embeddings take at most SIZE, such as "
        "20GB or 500MB (default: keep)",
    )
    parser.add_argument(
        "--older-than",
        type=whole(0),
        metavar="DAYS",
        help="prune: also remove what was not used for DAYS days (default: keep)",
    )
    some.add_argument(
        "--all",
        action="store_true",
        help="prune: remove everything that no process uses (default: only leftovers of runs that ended early)",
    )


def run(arguments: argparse.Namespace) -> int:
    """List the cache, or delete what is of no use from it."""
    from evar.embeddings import inventory

    if arguments.action == "list":
        items = inventory.inventory(arguments.cache)
        states = [item.leftover or f"last used {day(item.used)}" for item in items]
        rows = [(item.kind, size(item.size), item.owner, state, item.folder.name)
                for item, state in zip(items, states, strict=True)]  # fmt: skip
        echo(table(("kind", "size", "belongs to", "state", "folder"), rows))
        echo(f"{size(sum(item.size for item in items))} in {arguments.cache}")
        return 0
    pruned = inventory.prune(
        arguments.cache, older_than_days=arguments.older_than, everything=arguments.all, most=arguments.to
    )
    for what, items in (("removed", pruned.removed), ("kept, in use:", pruned.kept)):
        for item in items:
            echo(f"{what} {item.kind} {item.folder.name}  {size(item.size)}")
    freed = sum(item.size for item in pruned.removed)
    echo(f"{size(freed)} freed in {arguments.cache}, {size(pruned.left)} are left")
    return 0


def day(seconds: float) -> str:
    """The day of a time in seconds since the epoch, UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).date().isoformat()
