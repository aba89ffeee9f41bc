"""The options of every verb: names, defaults, units, and errors of one line."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from evar.cli.options import (
    add_cache,
    add_min_coverage,
    add_places,
    add_rate,
    add_task,
    add_workers,
    batch_size,
    seconds,
    shard,
    whole,
)
from evar.errors import UsageError, unknown

VERBS = {
    "eval": "score a frozen encoder on tasks and add rows to the leaderboard (the verb where none is given)",
    "prepare": "decode a task's audio into the prepared store, once",
    "check": "tell what a task's copy lacks, repeats or leaks, and whether it can be scored",
    "new-task": "write the task and the table of a folder that holds a folder of audio for each class",
    "check-encoder": "tell whether an encoder, anyone's own too, keeps the contract that all encoders keep",
    "weights": "list, fetch or check published checkpoints, which can be named instead of a file",
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
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=28, width=110),
            **more,
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message} (see {self.prog} --help)")


def _eval_parser() -> _Parser:
    verbs = "\n".join(f"  {verb:<9} {what}" for verb, what in VERBS.items())
    parser = _Parser("eval", epilog=f"verbs:\n{verbs}")
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
        help="checkpoint file, a folder that holds one, or the name of a release (`evar weights list`) "
        "(default: the bundled encoder, an M2D of random weights)",
    )
    parser.add_argument(
        "--probe",
        default="logistic",
        metavar="NAME[,..]",
        help="probes separated by commas, with options as literals: logistic, m2d_paper (default: logistic)",
    )
    add_places(parser)
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
        type=batch_size,
        metavar="CLIPS",
        help="clips a batch of the encoder (default: auto, by the clip's length and the device)",
    )
    add_workers(parser)
    parser.add_argument(
        "--seed", type=whole(0), default=42, metavar="N", help="of splits, probes and intervals (default: 42)"
    )
    parser.add_argument(
        "--limit",
        type=whole(1),
        metavar="CLIPS",
        help="clips per split for a smoke run, never ranked (default: all clips)",
    )
    add_min_coverage(parser)
    parser.add_argument(
        "--shard",
        type=shard,
        metavar="I/N",
        help="embed only part I of N here (`slurm`: the array task's own); the last one to end merges and adds the row "
        "(default: all)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print results as JSON, one object a line (default: for people)"
    )
    return parser


def _prepare_parser() -> _Parser:
    parser = _Parser("prepare")
    add_task(parser)
    parser.add_argument(
        "--download",
        action="store_true",
        help="first fetch what is missing and may be fetched without an account (default: use what is there)",
    )
    add_rate(parser)
    add_places(parser)
    add_workers(parser)
    return parser


def _check_parser() -> _Parser:
    parser = _Parser("check")
    add_task(parser)
    add_rate(parser)
    add_places(parser)
    add_workers(parser)
    add_min_coverage(parser)
    parser.add_argument(
        "--json", action="store_true", help="print reports as JSON, one object a line (default: for people)"
    )
    return parser


def _new_task_parser() -> _Parser:
    parser = _Parser("new-task")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder whose folders are the classes")
    parser.add_argument("--name", metavar="NAME", help="of the task and its two files (default: the folder's name)")
    parser.add_argument(
        "--folds",
        type=whole(3),
        metavar="N",
        help="folds of a cross-validation (default: no folds, 80 %% train, 10 %% valid, 10 %% test)",
    )
    parser.add_argument(
        "--group-by",
        metavar="REGEX",
        help="its first group, searched for in each path below FOLDER, names what must stay together: a speaker, a "
        "recording (default: each clip is its own)",
    )
    parser.add_argument(
        "--seconds",
        type=seconds,
        metavar="S",
        help="length, in seconds, that clips are cut or padded to (default: what 95 %% of the clips do not exceed)",
    )
    return parser


def _check_encoder_parser() -> _Parser:
    parser = _Parser("check-encoder")
    parser.add_argument(
        "encoder", metavar="NAME(..)", help="encoder, with options as literals: m2d, \"hear(module='my.py')\""
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="checkpoint file or folder, or the name of a release (default: the encoder's own)",
    )
    add_cache(parser)
    parser.add_argument("--device", default="cpu", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: cpu)")
    return parser


def _cache_parser() -> _Parser:
    parser = _Parser("cache")
    parser.add_argument(
        "action",
        type=_one_of("list", "prune"),
        metavar="list|prune",
        help="show what lies there, or delete what is not needed",
    )
    add_cache(parser)
    parser.add_argument(
        "--older-than",
        type=whole(0),
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


def _weights_parser() -> _Parser:
    parser = _Parser("weights")
    parser.add_argument(
        "action", type=_one_of("list", "get", "check"), metavar="list|get|check", help="show, fetch or verify them"
    )
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="of a release, for list a part of it (default: all, for check those that are there)",
    )
    add_cache(parser)
    return parser


def _one_of(*actions: str) -> Callable[[str], str]:
    def parse_action(text: str) -> str:
        if text not in actions:
            raise argparse.ArgumentTypeError(str(unknown("action", text, actions)))
        return text

    return parse_action


_PARSERS: dict[str, Callable[[], _Parser]] = {
    "eval": _eval_parser,
    "prepare": _prepare_parser,
    "check": _check_parser,
    "new-task": _new_task_parser,
    "check-encoder": _check_encoder_parser,
    "weights": _weights_parser,
    "cache": _cache_parser,
    "demo": _demo_parser,
}


def option_strings(verb: str) -> Sequence[str]:
    """Every long option of a verb."""
    return [name for action in _PARSERS[verb]()._actions for name in action.option_strings if name.startswith("--")]
