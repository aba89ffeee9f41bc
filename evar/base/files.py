"""Files that outlive a run: written beside their place and renamed into it, and locks between processes."""

import contextlib
import errno
import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from evar.base.errors import EvarError, StorageError

log = logging.getLogger(__name__)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; the file written there becomes `path` when the block ends without an error.

    A reader sees the old file or the new one, never a half. Raises StorageError where the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        with contextlib.suppress(NotADirectoryError):  # a file where the folder should be: an error above
            temporary.unlink(missing_ok=True)


def write_atomic(path: Path, content: str | bytes) -> None:
    """Put `content` (text as UTF-8) at `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def reserve(path: Path) -> None:
    """Give a file of holes its room on the disk: writing into a map of it would otherwise kill the process by SIGBUS.

    Raises OSError where there is too little.
    """
    with path.open("r+b") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            return
        while block := file.read(1 << 20):  # macOS
            file.seek(-len(block), os.SEEK_CUR)
            file.write(block)


@contextlib.contextmanager
def locked(path: Path, waiting: str = "", busy: EvarError | None = None) -> Iterator[None]:
    """Hold the lock `path`.lock.

    waiting: what to note where another process holds it first; busy: what to raise then, instead of waiting.
    """
    lock_path = path.with_name(path.name + ".lock")
    with storage_errors(lock_path):
        lock_path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(lock_path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if busy is not None:
                raise busy from None
            if waiting:
                log.info(waiting)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what a disk refuses (full, read-only, no permission) into one clear StorageError about `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(f"no space left for {path}: free some and run again, finished parts are kept") from error
        refuse_if_too_many_open(path, error)
        if error.errno is None:  # no word of the system's: a damaged archive, say
            raise
        raise StorageError(
            f"cannot write {path}: {error.strerror}; choose another folder or mend its rights"
        ) from error


def refuse_if_too_many_open(path: Path, error: BaseException) -> None:
    """Raise StorageError where `error`, met at `path`, says that no more files can be opened."""
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        raise StorageError(
            f"too many open files, at {path}: allow more (ulimit -n 4096) and run again, finished parts are kept"
        ) from error
