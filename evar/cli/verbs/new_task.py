"""`evar new-task`: write the task and the table of a folder that holds a folder of audio for each class."""

import argparse
import os
import shlex
from pathlib import Path

from evar.base.errors import counted, few
from evar.cli.options import number, whole
from evar.cli.terminal import echo


def add_options(parser: argparse.ArgumentParser) -> None:
    """The folder, and how it is divided."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder with a folder of audio for each class")
    parser.add_argument(
        "--name", metavar="NAME", help="name of the task and of its two files (default: the folder's name)"
    )
    parser.add_argument(
        "--folds",
        type=whole(3),
        metavar="N",
        help="number of folds for cross-validation (default: no folds, but 80 %% train, 10 %% valid, 10 %% test)",
    )
    parser.add_argument(
        "--group-by",
        metavar="REGEX",
        help="regular expression that is searched for in each path below FOLDER; its first group is the name of what "
        "must stay together, such as a speaker or a recording (default: each clip stands alone)",
    )
    parser.add_argument(
        "--seconds",
        type=number(0.01, 600, "a number from 0.01 to 600"),
        metavar="S",
        help="seconds to which clips are cut or padded (default: a length that 95 %% of the clips do not exceed)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write both files, and print what they hold and the commands that come next."""
    from evar.data.new_task import new_task

    made = new_task(
        arguments.folder,
        name=arguments.name,
        folds=arguments.folds,
        group_by=arguments.group_by,
        seconds=arguments.seconds,
    )
    parts = ", ".join(f"{part} {clips:,}" for part, clips in made.parts.items())
    echo(f"wrote {made.table} and {made.file}")
    echo(f"{sum(made.parts.values()):,} clips of {len(made.classes):,} classes in {made.groups:,} groups: {parts}; "
         f"{made.seconds:g} s clips")  # fmt: skip
    if made.alone:
        echo(f"too few groups to be in every part: {few(made.alone)}")
    if made.unreadable:
        echo(f"{counted(len(made.unreadable), 'clip')} cannot be read, listed all the same: {few(made.unreadable)}")
    file = shlex.quote(os.path.relpath(made.file))
    echo(f"next:  evar check --task {file}")
    echo(f"       evar eval --task {file}")
    return 0
