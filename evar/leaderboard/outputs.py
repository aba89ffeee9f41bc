"""Where a command may write what a person named: never over results, nor over a file that it did not make.

A results folder is recognised by what lies in it, whatever path or link leads there. A file of a format is recognised
by its first or last bytes (`MARKS`); what is empty holds nothing to lose.
"""

import os
from collections.abc import Callable
from pathlib import Path

from evar.base.errors import UsageError
from evar.base.files import storage_errors
from evar.leaderboard import formats, imported, published, runs, table, verdicts

SCORES = (table.NAME, imported.NAME, published.FILE.name)  # what a results folder is recognised by
KEPT = (*SCORES, table.MADE_FROM, verdicts.NAME)
END_BYTES = 65_536  # of a file's start and of its end, where a mark is looked for

IsOwn = Callable[[bytes], bool]
"""(a file's start and end) -> whether the command itself wrote the file."""


def _ends_with_legend(best: str) -> IsOwn:
    return lambda content: content.rstrip().endswith(formats.LEGEND.format(best=best).encode())


MARKS: dict[str, IsOwn] = {
    "terminal": _ends_with_legend("*"),
    "markdown": _ends_with_legend("**Bold**:"),
    "latex": lambda content: content.startswith(b"% needs \\usepackage{booktabs}\n"),
    "csv": lambda content: content.startswith(b"probe,output,encoder,weights,weights_digest,encoder_options"),
    "long": lambda content: content.startswith(b"origin,ranked_in,apart_because,"),
    "parquet": lambda content: content.startswith(b"PAR1") and b"apart_because" in content,
    "json": lambda content: content.startswith(b'{\n "tables": ['),
    "html": lambda content: b'<meta name="generator" content="evar ' in content,
    "hear": lambda content: b'"evar_run"' in content,
    "mteb": lambda content: b'"evar_run"' in content,
}
"""Format -> what its files are recognised by."""


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
    with file.open("rb") as content:
        start = content.read(END_BYTES)
        content.seek(max(END_BYTES, file.stat().st_size - END_BYTES))
        return start + content.read()
