"""Whether a disk has room for what is about to come."""

import shutil
from pathlib import Path

from evar.base.errors import StorageError

UNPACKED = 1.5  # bytes that a byte of an audio archive unpacks to, at most: gzip saves a tenth to a third of 16-bit PCM


def require_space(folder: Path, wanted: int, purpose: str) -> None:
    """Raise StorageError, naming both sizes, where `folder`'s disk has less than `wanted` bytes left."""
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise StorageError(
            f"{purpose} needs {_gigabytes(wanted)} in {folder}, {_gigabytes(free)} are free: "
            "free some or choose another folder with --data; what was fetched is kept"
        )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"
