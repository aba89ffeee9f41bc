"""`evar weights`: list, fetch or check checkpoints that have a name: the bundled and the published ones."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evar.base.byte_size import size
from evar.base.errors import UsageError, unknown
from evar.base.progress import say
from evar.cli.errors import for_each
from evar.cli.options import add_settings, one_of
from evar.cli.terminal import echo, table

if TYPE_CHECKING:
    from evar.nn.releases import Releases


def add_options(parser: argparse.ArgumentParser) -> None:
    """What to do, with which checkpoint."""
    parser.add_argument(
        "action",
        type=one_of("action", "list", "get", "check"),
        metavar="list|get|check",
        help="show them, download one, or check files that are here",
    )
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="name of a checkpoint, for list also a part of a name (default: all, for check those that are here)",
    )
    add_settings(parser, "cache")


def run(arguments: argparse.Namespace) -> int:
    """List, get or check; what is got or checked is also opened, every tensor of it."""
    from evar.data.downloads.fetch import Fetcher
    from evar.nn import releases
    from evar.nn.checkpoint import load_checkpoint

    known = releases.releases()
    fetched = [name for name in known.releases if releases.folder_of(name, arguments.cache).is_dir()]
    name = arguments.name
    if arguments.action == "list":
        listed = [known_as for known_as in known.names if name is None or name in known_as]
        if not listed:
            raise unknown("checkpoint", name, known.names)
        rows = [row(known, known_as, fetched, arguments.cache) for known_as in listed]
        echo(table(("name", "what", "here", "size"), rows))
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

    def work(wanted: str) -> None:
        if arguments.action == "get":
            file = releases.checkpoint_of(wanted, arguments.cache, Fetcher())
        else:
            file = releases.check(wanted, arguments.cache)
        echo(f"{wanted}  ok  sha256 {load_checkpoint(file).digest[:16]}  {file}")

    return for_each([name] if name else [*known.bundled, *fetched], work)


def row(known: "Releases", name: str, fetched: list[str], cache: Path) -> tuple[str, ...]:
    """A checkpoint's row of the table."""
    from evar.nn import releases

    if name in known.bundled:
        file = releases.TABLE.with_name(known.bundled[name].file)
        here = ("bundled", size(file.stat().st_size)) if file.is_file() else ("missing", "")
        return name, known.bundled[name].what, *here
    here = ("", "")
    if name in fetched:
        files = releases.folder_of(name, cache).rglob("*")
        here = "fetched", size(sum(file.stat().st_size for file in files if file.is_file()))
    return name, known.releases[name].what, *here
