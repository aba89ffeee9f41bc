"""`evar cache`: list what lies in the cache, or delete what is of no use from it."""

import argparse

from evar.cli.terminal import size, table
from evar.embeddings import inventory


def run(arguments: argparse.Namespace) -> int:
    """List the cache, or delete what is of no use from it."""
    items = inventory.inventory(arguments.cache)
    if arguments.action == "list":
        rows = [(item.kind, size(item.size), item.owner, item.leftover or "in use", item.folder.name) for item in items]
        print(table(("kind", "size", "belongs to", "state", "folder"), rows))
        print(f"{size(sum(item.size for item in items))} in {arguments.cache}")
        return 0
    gone = [
        item
        for item in inventory.prunable(items, older_than_days=arguments.older_than, everything=arguments.all)
        if inventory.remove(item)
    ]
    for item in gone:
        print(f"removed {item.kind} {item.folder.name}  {size(item.size)}")
    print(f"{size(sum(item.size for item in gone))} freed in {arguments.cache}")
    return 0
