"""The command line's verbs, their parsers, and one-line errors. A verb is a file of `verbs/`, see `__init__.py` there.

What was looked at in place of argparse: click and typer, whose messages, near names and default verb would each have
to be replaced, for no fewer lines.
"""

import argparse
import importlib
import pkgutil
from collections.abc import Sequence
from itertools import takewhile
from types import ModuleType
from typing import Any, NoReturn

from evar.base.errors import UsageError, unknown
from evar.cli import verbs
from evar.cli.terminal import width

DEFAULT = "eval"


def verb_names() -> list[str]:
    """Every verb, as it is typed."""
    return sorted(found.name.replace("_", "-") for found in pkgutil.iter_modules(verbs.__path__))


def load_verb(name: str) -> ModuleType:
    """The module of a verb."""
    return importlib.import_module(f"{verbs.__name__}.{name.replace('-', '_')}")


def one_line(verb: str) -> str:
    """What a verb does, as its docstring says after its name: "list or prune prepared stores and embeddings"."""
    return (load_verb(verb).__doc__ or "").partition("\n")[0].partition(": ")[2].rstrip(".")


def parse(arguments: Sequence[str]) -> argparse.Namespace | None:
    """The chosen verb and its options; None where help or the version was asked for and printed.

    Raises UsageError, with near names, for anything that cannot be.
    """
    given, verb = list(arguments), DEFAULT
    if given and not given[0].startswith("-"):
        verb = given.pop(0)
        if verb not in verb_names():
            raise unknown("verb", verb, verb_names())
    parser = make_parser(verb)
    options = long_options(parser)
    for argument in takewhile(lambda each: each != "--", given):  # before anything is said of what is missing then
        if argument.startswith("--") and (option := argument.partition("=")[0]) not in options:
            raise unknown(f"option of evar {verb}", option, options)
    try:
        chosen, rest = parser.parse_known_args(given)
    except SystemExit:  # argparse has printed the help or the version
        return None
    for argument in rest:
        if argument.startswith("-"):
            raise unknown(f"option of evar {verb}", argument.partition("=")[0], options)
        raise UsageError(f"evar {verb}: {argument!r} belongs to no option (see evar {verb} --help)")
    chosen.verb = verb
    return chosen


def make_parser(verb: str) -> argparse.ArgumentParser:
    """The parser of a verb, with the options that its file adds."""
    text = one_line(verb)
    parser = _Parser(
        prog=f"evar {verb}",
        description=f"{text[0].upper()}{text[1:]}.",
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=24, width=width()),
    )
    parser.lists_verbs = verb == DEFAULT
    load_verb(verb).add_options(parser)
    parser.add_argument(
        "--debug", action="store_true", help="show the whole traceback of an error (default: its message alone)"
    )
    return parser


def option_strings(verb: str) -> list[str]:
    """Every long option of a verb."""
    return long_options(make_parser(verb))


def long_options(parser: argparse.ArgumentParser) -> list[str]:
    """Every long option of a parser."""
    options = [name for action in parser._actions for name in action.option_strings]
    return [name for name in options if name.startswith("--")]


class _Parser(argparse.ArgumentParser):
    """argparse with our errors, and with options that are given twice: they add up (`add-up`) or are a mistake."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        for action, kind in ((None, _Once), ("store", _Once), ("add-up", _AddUp)):
            self.register("action", action, kind)
        self.given: set[str] = set()
        self.lists_verbs = False

    def format_help(self) -> str:
        """The help, with a line for each verb where it is the help of all; only then is every verb imported."""
        if self.lists_verbs:
            verbs = "\n".join(f"  {verb:<13} {one_line(verb)}" for verb in verb_names())
            self.epilog = f"verbs:\n{verbs}"
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message} (see {self.prog} --help)")


class _Once(argparse.Action):
    """Stores a value. Another one is a mistake: which of them was meant?"""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        assert isinstance(parser, _Parser)
        if option is not None and self.dest in parser.given and values != getattr(namespace, self.dest):
            parser.error(f"argument {option}: given twice, as {getattr(namespace, self.dest)} and {values}")
        parser.given.add(self.dest)
        setattr(namespace, self.dest, values)


class _AddUp(argparse.Action):
    """Stores names separated by commas, or a tuple of them; those of a second one are added."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        assert isinstance(parser, _Parser)
        if self.dest in parser.given:
            before = getattr(namespace, self.dest)
            values = before + values if isinstance(values, tuple) else f"{before},{values}"
        parser.given.add(self.dest)
        setattr(namespace, self.dest, values)
