"""Datasets in their native layouts, at full scale in names; the files of clips are empty.

A tree is a module or an object with

    plant(data) -> Task    writes the dataset into the data folder; gives the task that reads it
    LISTED                 whether the layout lists every clip, so that missing ones stay rows
    STRADDLING             how many groups lie in several folds or splits, as officially
    GONE                   a folder of it, below the data folder, whose loss takes clips of at least one class
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

MEMORY = Path("/dev/shm")
FILES = 400_000  # room for the largest tree, folders included


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards; in memory where there is room, for a disk takes seconds for such trees."""
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and os.statvfs(MEMORY).f_favail > FILES
    folder = Path(tempfile.mkdtemp(prefix="trees-", dir=MEMORY if roomy else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def touch(root: Path, paths: Iterable[str]) -> None:
    """Make empty files at `paths` below `root`, and their folders."""
    there: set[str] = set()
    for path in paths:
        file = f"{root}/{path}"
        folder = file.rpartition("/")[0]
        if folder not in there:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103  one for each of many thousand
            there.add(folder)
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY))
