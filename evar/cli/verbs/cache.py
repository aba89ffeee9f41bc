"""`evar cache`: list or prune prepared stores and embeddings."""

import argparse
import datetime

from evar.cli.options import add_settings, one_of, whole
from evar.cli.terminal import echo, size, table


def add_options(parser: argparse.ArgumentParser) -> None:
    """What to do, and what may go."""
    parser.add_argument(
        "action",
        type=one_of("action", "list", "prune"),
        metavar="list|prune",
        help="show what lies there, or delete what is not needed",
    )
    add_settings(parser, "cache")
    parser.add_argument(
        "--older-than",
        type=whole(0),
        metavar="DAYS",
        help="prune: also what was not used for so many days (default: keep)",
    )
    parser.add_argument(
        "--all", action="store_true", help="prune: everything that no process holds (default: leftovers only)"
    )


def run(arguments: argparse.Namespace) -> int:
    """List the cache, or delete what is of no use from it."""
    from evar.embeddings import inventory

    items = inventory.inventory(arguments.cache)
    if arguments.action == "list":
        states = [item.leftover or f"last used {day(item.used)}" for item in items]
        rows = [(item.kind, size(item.size), item.owner, state, item.folder.name)
                for item, state in zip(items, states, strict=True)]  # fmt: skip
        echo(table(("kind", "size", "belongs to", "state", "folder"), rows))
        echo(f"{size(sum(item.size for item in items))} in {arguments.cache}")
        return 0
    gone = [
        item
        for item in inventory.prunable(items, older_than_days=arguments.older_than, everything=arguments.all)
        if not inventory.in_use(item) and inventory.remove(item)
    ]
    inventory.remove_left_over(arguments.cache)
    for item in gone:
        echo(f"removed {item.kind} {item.folder.name}  {size(item.size)}")
    echo(f"{size(sum(item.size for item in gone))} freed in {arguments.cache}")
    return 0


def day(seconds: float) -> str:
    """The day of a time in seconds since the epoch, UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).date().isoformat()
