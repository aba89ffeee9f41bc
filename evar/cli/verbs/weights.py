"""`evar weights`: checkpoints by name: list them, get one, check those that are here."""

import argparse

from evar.base.errors import UsageError, unknown
from evar.cli.choice import each
from evar.cli.terminal import bar, say, table
from evar.data.downloads.fetch import Fetcher
from evar.nn import releases
from evar.nn.checkpoint import load_checkpoint


def run(arguments: argparse.Namespace) -> int:
    """List, get or check; what is got or checked is also opened, every tensor of it."""
    known, fetcher = releases.releases(), Fetcher(bar, say)
    fetched = [name for name in known.releases if releases.place_of(name, arguments.cache).folder.is_dir()]
    name = arguments.name
    if arguments.action == "list":
        listed = [known_as for known_as in known.names if name is None or name in known_as]
        if not listed:
            raise unknown("checkpoint", name, known.names)
        print(table(("name", "what", "here"), [row(known, known_as, fetched) for known_as in listed]))
        if set(listed) & set(known.releases):
            say(known.terms)
        return 0
    if arguments.action == "get" and name is None:
        raise UsageError("evar weights get NAME: say which (evar weights list shows them)")
    if name is not None and name not in known.names:
        raise unknown("checkpoint", name, known.names)
    if arguments.action == "check" and name in known.releases and name not in fetched:
        raise UsageError(f"release {name} is not here: evar weights get {name}")
    if arguments.action == "check" and not name and not fetched:
        say(f"no release is here, below {arguments.cache / 'weights'}: evar weights get NAME")
    bring = releases.checkpoint_of if arguments.action == "get" else releases.check

    def work(wanted: str) -> None:
        file = bring(wanted, arguments.cache, fetcher)
        print(f"{wanted}  ok  sha256 {load_checkpoint(file).digest[:16]}  {file}")

    return each([name] if name else [*known.bundled, *fetched], work)


def row(known: releases.Releases, name: str, fetched: list[str]) -> tuple[str, str, str]:
    """A checkpoint's row of the table."""
    if name in known.bundled:
        there = releases.TABLE.with_name(known.bundled[name].file).is_file()
        return name, known.bundled[name].what, "bundled" if there else "missing"
    return name, known.releases[name].what, "fetched" if name in fetched else ""
