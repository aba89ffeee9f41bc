"""The options of every verb: names, defaults, units, and errors of one line."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from evar.base import plugins
from evar.base.errors import UsageError, unknown
from evar.cli.options import (
    add_rate,
    add_results,
    add_settings,
    add_task,
    day,
    names,
    seconds,
    whole,
)
from evar.cli.terminal import width

VERBS = {
    "eval": "score a frozen encoder on tasks and add rows to the leaderboard (the verb where none is given)",
    "prepare": "decode a task's audio into the prepared store, once",
    "check": "report what a task's copy lacks, repeats or leaks, and whether it can be scored",
    "new-task": "write the task and the table of a folder that holds a folder of audio for each class",
    "compare": "compare two runs or encoders, paired on the clips that both were tested on",
    "check-encoder": "check whether an encoder, your own too, keeps the contract that all encoders keep",
    "weights": "list, fetch or check the bundled and published checkpoints, which can be named instead of a file",
    "leaderboard": "show the results as a table for people, papers or programs, or as a page",
    "export": "write the results for pandas, or in the shapes of the HEAR kit and of MTEB",
    "import": "copy another results folder's runs, or put scores of the M2D authors' EVAR package beside one's own",
    "runs": "list, show, tag, annotate or remove the runs of a results folder",
    "pretrain": "train an M2D encoder on a folder of audio, or on tasks' training clips, without labels",
    "synthesise": "synthesise random sounds, for pre-training beside real ones; what is there is kept",
    "cache": "list or prune prepared stores and embeddings",
    "demo": "synthesise a small dataset, evaluate the bundled M2D, the same untrained, and log-mel statistics on it",
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
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
                prog, max_help_position=24, width=width()
            ),
            **more,
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message} (see {self.prog} --help)")


def _plugins(kind: str) -> str:
    return ", ".join(plugins.names(f"evar.{kind}s", f"open_{kind}"))


def _eval_parser() -> _Parser:
    verbs = "\n".join(f"  {verb:<13} {what}" for verb, what in VERBS.items())
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
        help=f"encoder, with options as literals: {_plugins('encoder')} (default: m2d)",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="checkpoint file, a folder that holds one, or the name of a checkpoint (`evar weights list`) "
        "(default: the encoder's own, for m2d the bundled `tiny`)",
    )
    parser.add_argument(
        "--probe",
        default="logistic",
        metavar="NAME[,..]",
        help=f"probes separated by commas, with options as literals: {_plugins('probe')} (default: logistic)",
    )
    add_results(parser)
    add_settings(parser)
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
    add_settings(parser, "data", "cache", "workers")
    return parser


def _check_parser() -> _Parser:
    parser = _Parser("check")
    add_task(parser)
    add_rate(parser)
    add_settings(parser, "data", "cache", "workers", "min_coverage")
    parser.add_argument(
        "--near-duplicates",
        action="store_true",
        help="also listen for copies across the split, of other gain, polarity, start or coding: minutes for a large "
        "task, kept for later runs (default: show what was found before)",
    )
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


def _compare_parser() -> _Parser:
    parser = _Parser("compare")
    for name in ("a", "b"):
        parser.add_argument(
            name,
            metavar=name.upper(),
            help="a run's id, or the name of an encoder or its weights, of which the latest ranked row is taken",
        )
    parser.add_argument(
        "--task", metavar="NAME[,..]", help="task names separated by commas (default: all that both have, in short)"
    )
    parser.add_argument(
        "--probe", metavar="NAME", help="probe of the rows (default: that of a run's id, else logistic)"
    )
    add_results(parser)
    parser.add_argument(
        "--json", action="store_true", help="print comparisons as JSON, one object a line (default: for people)"
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
        help="checkpoint file or folder, or the name of a checkpoint (default: the encoder's own)",
    )
    add_settings(parser, "cache", "device")
    return parser


def _leaderboard_parser() -> _Parser:
    parser = _Parser("leaderboard")
    add_results(parser)
    for name in ("task", "probe", "protocol", "metric", "encoder"):
        parser.add_argument(
            f"--{name}", type=names, metavar="NAME[,..]", help=f"only rows of one of these, by {name} (default: all)"
        )
    parser.add_argument(
        "--since", type=day, metavar="DAY", help="only rows from this day on, YYYY-MM-DD, UTC (default: all)"
    )
    parser.add_argument(
        "--published",
        type=_one_of("published rows", "none", "linear", "frozen", "all"),
        metavar="KIND",
        help="published rows beside one's own: none, linear (on frozen encoders), frozen (other heads too), all "
        "(fine-tuned too, in a table of their own) (default: linear; on the page all)",
    )
    parser.add_argument(
        "--format",
        type=_one_of("format", "terminal", "markdown", "latex", "csv", "long", "json", "html"),
        default="terminal",
        metavar="FORMAT",
        help="terminal, markdown, latex, csv (a line an encoder), long (a line a score), json or html (default: "
        "terminal)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where to write it (default: to stdout; the page to leaderboard.html beside the results)",
    )
    parser.add_argument(
        "--history", action="store_true", help="every run of each encoder over time (default: the latest)"
    )
    return parser


def _export_parser() -> _Parser:
    parser = _Parser("export")
    add_results(parser)
    parser.add_argument(
        "--format",
        type=_one_of("format", "long", "parquet", "hear", "mteb"),
        default="long",
        metavar="FORMAT",
        help="long (CSV, a line a score) or parquet, all rows; hear or mteb (JSON files), ranked rows (default: long)",
    )
    parser.add_argument(
        "--probe", default="logistic", metavar="NAME", help="hear, mteb: whose rows (default: logistic)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="PATH", help="file, or folder for hear and mteb (default: long to stdout)"
    )
    return parser


def _import_parser() -> _Parser:
    parser = _Parser("import")
    parser.add_argument(
        "file",
        type=Path,
        metavar="PATH",
        help="a results folder, or a scores.csv: columns representation, task, score, report",
    )
    add_results(parser)
    return parser


def _runs_parser() -> _Parser:
    parser = _Parser("runs")
    parser.add_argument(
        "action",
        type=_one_of("action", "list", "show", "tag", "note", "remove"),
        metavar="list|show|tag|note|remove",
        help="list all, show a run's record, say its tags or its note anew, or remove it with its predictions",
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run's id or its unique beginning; not for list")
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help="tag: the tags, none to take them away; note: the note"
    )
    add_results(parser, "folder of runs")
    parser.add_argument(
        "--json", action="store_true", help="list and show: print JSON, one object a line (default: for people)"
    )
    return parser


def _pretrain_parser() -> _Parser:
    from evar.cli.pretrain_options import add_pretrain_options

    parser = _Parser("pretrain")
    add_pretrain_options(parser)
    return parser


def _synthesise_parser() -> _Parser:
    parser = _Parser("synthesise")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the WAV files go")
    parser.add_argument("--clips", type=whole(1), default=6000, metavar="N", help="how many (default: 6000)")
    parser.add_argument("--seed", type=whole(0), default=0, metavar="N", help="of all chance (default: 0)")
    add_settings(parser, "workers", workers="processes that make clips")
    return parser


def _cache_parser() -> _Parser:
    parser = _Parser("cache")
    parser.add_argument(
        "action",
        type=_one_of("action", "list", "prune"),
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
        "action",
        type=_one_of("action", "list", "get", "check"),
        metavar="list|get|check",
        help="show, fetch or verify them",
    )
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="of a checkpoint, for list a part of it (default: all, for check those that are there)",
    )
    add_settings(parser, "cache")
    return parser


def _one_of(kind: str, *words: str) -> Callable[[str], str]:
    def parse_word(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(str(unknown(kind, text, words)))
        return text

    return parse_word


_PARSERS: dict[str, Callable[[], _Parser]] = {
    "eval": _eval_parser,
    "prepare": _prepare_parser,
    "check": _check_parser,
    "new-task": _new_task_parser,
    "compare": _compare_parser,
    "check-encoder": _check_encoder_parser,
    "weights": _weights_parser,
    "leaderboard": _leaderboard_parser,
    "export": _export_parser,
    "import": _import_parser,
    "runs": _runs_parser,
    "pretrain": _pretrain_parser,
    "synthesise": _synthesise_parser,
    "cache": _cache_parser,
    "demo": _demo_parser,
}


def option_strings(verb: str) -> Sequence[str]:
    """Every long option of a verb."""
    return [name for action in _PARSERS[verb]()._actions for name in action.option_strings if name.startswith("--")]
