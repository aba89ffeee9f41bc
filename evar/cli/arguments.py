"""The options of every verb: names, defaults, units, and errors of one line."""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from evar.errors import UsageError, unknown

VERBS = {
    "eval": "score a frozen encoder on tasks and add rows to the leaderboard (the verb where none is given)",
    "prepare": "decode a task's audio into the prepared store, once",
    "cache": "list or prune prepared stores and embeddings",
    "demo": "synthesise a small dataset and evaluate log-mel statistics and M2D on it",
}


def parse(arguments: list[str]) -> argparse.Namespace | None:
    """The chosen verb and its options; None where help or the version was asked for and printed.

    Raises UsageError, with near names, for anything that cannot be.
    """
    verb = "eval"
    if arguments and not arguments[0].startswith("-"):
        verb = arguments.pop(0)
        if verb not in VERBS:
            raise unknown("verb", verb, VERBS)
    parser = _PARSERS[verb]()
    try:
        chosen, rest = parser.parse_known_args(arguments)
    except SystemExit:  # argparse has printed the help or the version
        return None
    for argument in rest:
        if argument.startswith("-"):
            valid = [option for action in parser._actions for option in action.option_strings]
            raise unknown(f"option of evar {verb}", argument.partition("=")[0], valid)
        raise UsageError(f"evar {verb}: {argument!r} belongs to no option (see evar {verb} --help)")
    chosen.verb = verb
    return chosen


class _Parser(argparse.ArgumentParser):
    """argparse with our errors and without abbreviations."""

    def __init__(self, verb: str, **more: Any) -> None:
        super().__init__(
            prog=f"evar {verb}",
            description=f"{VERBS[verb][0].upper()}{VERBS[verb][1:]}.",
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=28, width=110),
            **more,
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message} (see {self.prog} --help)")


def _eval_parser() -> _Parser:
    verbs = "\n".join(f"  {verb:<9} {what}" for verb, what in VERBS.items())
    parser = _Parser("eval", epilog=f"verbs: {' '.join(verbs.split())}")
    from evar import __version__

    parser.add_argument("--version", action="version", version=f"evar {__version__}")
    parser.add_argument(
        "--task",
        metavar="NAME[,..]",
        help="task names separated by commas, `all` (the five core tasks), a path to a task's YAML file, or `list`",
    )
    parser.add_argument(
        "--encoder",
        default="m2d",
        metavar="NAME(..)",
        help="encoder, with options as literals: m2d, logmel, 'random(seed=1)' (default: m2d)",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="checkpoint file, or a folder that holds one (default: the bundled encoder, an M2D of random weights)",
    )
    parser.add_argument(
        "--probe",
        default="logistic",
        metavar="NAME[,..]",
        help="probes separated by commas, with options as literals: logistic, m2d_paper (default: logistic)",
    )
    _add_places(parser)
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        metavar="FOLDER",
        help="folder of leaderboard.csv (default: results)",
    )
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument(
        "--precision",
        default="auto",
        metavar="NAME",
        help="of the encoder: auto, float32, bfloat16 or float16 (default: auto, bfloat16 where the device has it)",
    )
    parser.add_argument(
        "--batch-size",
        type=_batch_size,
        metavar="CLIPS",
        help="clips a batch of the encoder (default: auto, by the clip's length and the device)",
    )
    _add_workers(parser)
    parser.add_argument(
        "--seed", type=_whole(0), default=42, metavar="N", help="of splits, probes and intervals (default: 42)"
    )
    parser.add_argument(
        "--limit",
        type=_whole(1),
        metavar="CLIPS",
        help="clips per split for a smoke run, never ranked (default: all clips)",
    )
    parser.add_argument(
        "--min-coverage",
        type=_share,
        metavar="SHARE",
        help="share of the task's clips, 0 to 1, that must be there (default: the task's own; below that never ranked)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print results as JSON, one object a line (default: for people)"
    )
    return parser


def _prepare_parser() -> _Parser:
    parser = _Parser("prepare")
    parser.add_argument("--task", required=True, metavar="NAME[,..]", help="task names separated by commas, or `all`")
    parser.add_argument(
        "--rate",
        type=_whole(1000),
        default=16000,
        metavar="HZ",
        help="sample rate of the encoder, in Hz (default: 16000)",
    )
    _add_places(parser)
    _add_workers(parser)
    return parser


def _cache_parser() -> _Parser:
    parser = _Parser("cache")
    parser.add_argument("action", choices=["list", "prune"], help="show what lies there, or delete what is not needed")
    _add_cache(parser)
    parser.add_argument(
        "--older-than",
        type=_whole(0),
        metavar="DAYS",
        help="prune: also what was not used for so many days (default: keep)",
    )
    parser.add_argument(
        "--all", action="store_true", help="prune: everything that no process holds (default: leftovers only)"
    )
    return parser


def _demo_parser() -> _Parser:
    parser = _Parser("demo")
    parser.add_argument(
        "--folder", type=Path, default=Path("demo"), metavar="FOLDER", help="where everything goes (default: demo)"
    )
    return parser


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("EVAR_DATA") or "data"),
        metavar="FOLDER",
        help="folder that holds the datasets' folders (default: $EVAR_DATA, else data)",
    )
    _add_cache(parser)


def _add_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cache",
        type=Path,
        default=default_cache(),
        metavar="FOLDER",
        help="folder of prepared stores and embeddings (default: $EVAR_CACHE, else the user's cache folder)",
    )


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        type=_whole(1),
        default=_cores(),
        metavar="N",
        help="threads that decode audio (default: all cores)",
    )


def default_cache() -> Path:
    """$EVAR_CACHE, else `evar` in the user's cache folder."""
    if named := os.environ.get("EVAR_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evar"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _whole(least: int) -> Callable[[str], int]:
    def parse_whole(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, not {text!r}")
        return int(text)

    return parse_whole


def _batch_size(text: str) -> int | None:
    return None if text == "auto" else _whole(1)(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, not {text!r}")
    return share


_PARSERS: dict[str, Callable[[], _Parser]] = {
    "eval": _eval_parser,
    "prepare": _prepare_parser,
    "cache": _cache_parser,
    "demo": _demo_parser,
}


def option_strings(verb: str) -> Sequence[str]:
    """Every long option of a verb."""
    return [name for action in _PARSERS[verb]()._actions for name in action.option_strings if name.startswith("--")]
