"""`evar weights`: the published checkpoints by name: list them, get one, check those that were fetched."""

import argparse

from evar.cli.terminal import bar, say, table
from evar.data.downloads.fetch import Fetcher
from evar.errors import UsageError
from evar.nn import releases
from evar.nn.checkpoint import load_checkpoint


def run(arguments: argparse.Namespace) -> int:
    """List, get or check; what is got or checked is also opened, every tensor of it."""
    known, fetcher = releases.releases(), Fetcher(bar, say)
    here = [name for name in known.releases if releases.place_of(name, arguments.cache).folder.is_dir()]
    if arguments.action == "list":
        rows = [(name, each.what, "fetched" if name in here else "") for name, each in known.releases.items()]
        print(table(("name", "what", "here"), rows))
        say(known.terms)
        return 0
    if arguments.action == "get" and arguments.name is None:
        raise UsageError("evar weights get NAME: say which (evar weights list shows them)")
    for name in [arguments.name] if arguments.name else here:
        if arguments.action == "get" or name not in here:
            file = releases.checkpoint_of(name, arguments.cache, fetcher)
        else:
            file = releases.check(name, arguments.cache, fetcher)
        checkpoint = load_checkpoint(file)
        print(f"{name}  ok  sha256 {checkpoint.digest[:16]}  {file}")
    return 0
