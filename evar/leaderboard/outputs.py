"""Where a command may write what a person named: never over results, nor over a file that it did not make.

A results folder is recognised by what lies in it, whatever path or link leads there. A file of a format is recognised
by its first or last bytes; what is empty holds nothing to lose.
"""

import logging
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from evar.base.errors import UsageError, counted, visible
from evar.base.files import atomic_path, open_regular, storage_errors, write_atomic
from evar.leaderboard import imported, leaderboard_csv, published, runs, verdicts
from evar.leaderboard.formats import open_format
from evar.leaderboard.read import Leaderboard

log = logging.getLogger(__name__)

SCORES = (leaderboard_csv.NAME, imported.NAME, published.FILE.name)  # what a results folder is recognised by
KEPT = (*SCORES, leaderboard_csv.MADE_FROM, verdicts.NAME)
END_BYTES = 65_536  # of a file's start and of its end, where a mark is looked for

IsOwn = Callable[[bytes], bool]
"""(a file's start and end) -> whether the command itself wrote the file."""


def destination(format: str, out: Path | None, results: Path) -> Path | None:
    """Where to write a format: None for stdout, a folder for formats of several files.

    results: the folder that is read. Raises UsageError as `output_file` does, and for a format that --out must place.
    """
    opened = open_format(format)
    if out is None:
        if opened.place is None:
            raise UsageError(f"--format {format} is no text for the screen: name where it goes by --out")
        out = results / opened.place if opened.place else None
    return out if out is None or opened.folder else output_file(out, opened.is_own, results)


def write(leaderboard: Leaderboard, format: str, out: Path | None, width: int = 100) -> None:
    """Write a leaderboard in a format to `out`, a file or a folder of files, or to stdout; notes where it lies.

    Raises UsageError where something of another making lies there, StorageError where nothing can be written.
    """
    is_own, content = open_format(format).is_own, open_format(format).write(leaderboard, width)
    if out is None:
        assert isinstance(content, str)
        # a program gets the names as they are
        sys.stdout.write(visible(content) if sys.stdout.isatty() else content)
    elif isinstance(content, Mapping):
        files = {path: output_file(out / path, is_own, leaderboard.results) for path in content}
        for path, file in files.items():
            if isinstance(each := content[path], Path):
                with atomic_path(file) as unfinished:
                    shutil.copyfile(each, unfinished)
            else:
                write_atomic(file, each)
        log.info(f"{counted(len(files), 'file')} written to {out}")
    else:
        write_atomic(output_file(out, is_own, leaderboard.results), content)
        log.info(f"written to {out}")


def output_file(path: Path, is_own: IsOwn, results: Path) -> Path:
    """The file to write where a person named `path`: `path` itself, or what it is a link to.

    results: the folder that is read. Raises UsageError where the place is kept for results, is no ordinary file, or is
    taken by a file of another making; StorageError where it cannot be read.
    """
    with storage_errors(path):
        file = Path(os.path.realpath(path))
        named = Path(os.path.realpath(path.parent)) / path.name
        if any(_is_kept(place, results) for place in (file, named)):
            raise UsageError(f"{path} is kept for results, which nothing else may replace: give another --out")
        if file.is_dir():
            raise UsageError(f"{path} is a folder: name a file by --out")
        if file.exists() and not file.is_file():
            raise UsageError(f"{path} is no ordinary file: name another one by --out")
        if file.exists() and (content := _ends(file)) and not is_own(content):
            raise UsageError(
                f"{path} is there, and not written by this command in this format: give another --out, or move it away"
            )
    return file if path.is_symlink() else path


def require_no_results(folder: Path) -> None:
    """Raise UsageError where `folder` holds results or is the folder of runs in one that does."""
    for place in (folder, Path(os.path.realpath(folder))):
        if is_results(place) or (place.name == runs.FOLDER and is_results(place.parent)):
            raise UsageError(f"{folder} holds results: a run needs a folder of its own, give another --out")


def is_results(folder: Path) -> bool:
    """Whether results lie in `folder`."""
    return any(os.path.lexists(folder / name) for name in SCORES) or bool(runs.record_files(folder))


def _is_kept(file: Path, results: Path) -> bool:
    """Whether results lie at `file`, or would."""

    def holds(folder: Path) -> bool:
        return is_results(folder) or folder == Path(os.path.realpath(results))

    name = file.name.casefold()
    if (name in KEPT or name.endswith(".lock")) and holds(file.parent):
        return True
    return any(folder.name == runs.FOLDER and holds(folder.parent) for folder in file.parents)


def _ends(file: Path) -> bytes:
    """The first and the last END_BYTES of a file; all of it where it is not longer."""
    with open_regular(file) as content:
        start = content.read(END_BYTES)
        content.seek(max(END_BYTES, file.stat().st_size - END_BYTES))
        return start + content.read()
