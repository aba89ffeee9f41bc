"""`evar new-task`: write the task and the table of a folder that holds a folder of audio for each class."""

import argparse
import os
import shlex

from evar.base.errors import few, shown
from evar.data.new_task import new_task


def run(arguments: argparse.Namespace) -> int:
    """Write both files, and print what they hold and the commands that come next."""
    made = new_task(
        arguments.folder,
        name=arguments.name,
        folds=arguments.folds,
        group_by=arguments.group_by,
        seconds=arguments.seconds,
    )
    parts = ", ".join(f"{part} {clips:,}" for part, clips in made.parts.items())
    print(f"wrote {made.table} and {made.file}")
    print(f"{sum(made.parts.values()):,} clips of {len(made.classes):,} classes in {made.groups:,} groups: {parts}; "
          f"{made.seconds:g} s clips")  # fmt: skip
    if made.alone:
        print(f"too few groups to be in every part: {few(made.alone)}")
    if made.unreadable:
        print(f"{len(made.unreadable):,} clips cannot be read and are listed all the same: "
              f"{few(map(shown, made.unreadable))}")  # fmt: skip
    file = shlex.quote(os.path.relpath(made.file))
    print(f"next:  evar check --task {file}")
    print(f"       evar eval --task {file}")
    return 0
