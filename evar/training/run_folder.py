"""One training a folder, and one at a time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from evar.base.errors import UsageError, few
from evar.base.files import locked, remove_unfinished


@contextlib.contextmanager
def alone(folder: Path, verb: str) -> Iterator[None]:
    """Keep other trainings out of `folder`, through FOLDER/run.lock, for the block; a killed process frees it.

    What such a process left half written is deleted. Raises UsageError at once where another one is there,
    StorageError where the folder cannot be written.
    """
    busy = UsageError(f"another evar {verb} is writing into {folder}: wait until it ends, or give another --out")
    with locked(folder / "run", busy=busy):
        remove_unfinished(folder)
        yield


def require_no_other_run(folder: Path, own: str = "") -> None:
    """Raise UsageError where a folder holds checkpoints, but for one of the name `own`: they are another run's."""
    kept = {path.name for ending in ("*.pth", "*.safetensors") for path in folder.glob(ending)}
    if others := sorted(kept - {own}):
        raise UsageError(f"{folder} holds another run, {few(others)}: give another --out")
