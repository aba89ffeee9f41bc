"""Files that outlive a run: regular ones alone are opened, new ones are renamed into place; locks between processes.

A file of the cache or of results may be anything by the time it is read. `open_regular` is how all of them are opened:
a pipe would wait for a writer for good, and a device has no end.
"""

import contextlib
import errno
import fcntl
import logging
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from filelock import FileLock, Timeout

from evar.base.byte_size import size
from evar.base.errors import EvarError, StorageError

log = logging.getLogger(__name__)

UNFINISHED = re.compile(r"\.(.+)\.[0-9a-f]{32}\.part")  # what `atomic_path` names its temporary files
KEY = "key.json"  # of a folder of the cache: what it is, readable; its time of change is that of the last use
FLAGS = {"rb": os.O_RDONLY, "r+b": os.O_RDWR, "ab": os.O_WRONLY | os.O_APPEND | os.O_CREAT}


def open_regular(path: Path, mode: Literal["rb", "r+b", "ab"] = "rb") -> BinaryIO:
    """Open a file, unbuffered where it is written to. Raises OSError, for anything but a regular file too."""
    descriptor = os.open(path, FLAGS[mode] | os.O_NONBLOCK, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(descriptor, mode, buffering=-1 if mode == "rb" else 0)


def read_regular(path: Path, most: int) -> bytes:
    """The content of a file of at most `most` bytes. Raises OSError, where it has more too."""
    with open_regular(path) as file:
        if (size := os.fstat(file.fileno()).st_size) > most:
            raise OSError(errno.EFBIG, f"it has {size:,} bytes, more than {most:,}", str(path))
        return file.read(most)


def hold(file: BinaryIO) -> None:
    """Mark an open file as used until its last descriptor is closed: a memory map of it keeps one."""
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(file, fcntl.LOCK_SH)


@contextlib.contextmanager
def unheld(paths: Iterable[Path]) -> Iterator[bool]:
    """Whether no process uses any of these files; then none begins to within the block: `hold` waits for its end."""
    with contextlib.ExitStack() as files:
        free = True
        for path in filter(Path.is_file, paths):
            try:
                fcntl.flock(files.enter_context(open_regular(path, "r+b")), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except FileNotFoundError:
                continue
            except OSError:
                free = False
                break
        yield free


def mark_used(folder: Path) -> None:
    """Set the time of change of a cache folder's key to now; in a cache that is read-only it stays as it is."""
    with contextlib.suppress(OSError):
        os.utime(folder / KEY)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield the path of an empty file beside `path`; what is written there becomes `path` when the block ends well.

    A reader sees the old file or the new one, never a half. Raises StorageError where the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with _held(temporary):
                yield temporary
                with temporary.open("rb+") as file:
                    os.fsync(file.fileno())
                temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):  # said above, as of a disk that is read-only now
            temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> list[str]:
    """Delete the temporary files in this folder that killed processes left. Gives the names that they were for."""
    names = []
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            if named := UNFINISHED.fullmatch(file.name):
                with unheld([file]) as free:  # to the end of the deletion: its owner may be about to hold it
                    if free:
                        file.unlink()
                        names.append(named[1])
    return names


def write_atomic(path: Path, content: str | bytes) -> None:
    """Put `content` (text as UTF-8) at `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Make an empty file, which nobody takes for a left-over within the block."""
    while True:
        with path.open("xb") as file:
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists():  # else it was taken for one between both calls
                yield
                return


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


def require_space(folder: Path, wanted: int, purpose: str, advice: str = "free some or choose another folder") -> None:
    """Raise StorageError, naming both sizes, where `folder`'s disk has less than `wanted` bytes left."""
    if (free := shutil.disk_usage(folder).free) < wanted:
        raise StorageError(
            f"{purpose} needs {size(wanted)} in {folder}, {size(free)} are free: {advice}; finished parts are kept"
        )


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
    except (OSError, RuntimeError) as raised:  # RuntimeError: torch's, after an OSError of the file that it writes to
        error = next((each for each in _chain(raised) if isinstance(each, OSError)), None)
        if error is None:
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(f"no space left for {path}: free some and run again, finished parts are kept") from error
        refuse_if_too_many_open(path, error)
        if error.errno is None:  # no word of the system's: a damaged archive, say
            raise
        raise StorageError(
            f"cannot write {path}: {error.strerror}; choose another folder or change its rights"
        ) from error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it came of."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def refuse_if_too_many_open(path: Path, error: BaseException) -> None:
    """Raise StorageError where `error`, met at `path`, says that no more files can be opened."""
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        raise StorageError(
            f"too many open files, at {path}: allow more (ulimit -n 4096) and run again, finished parts are kept"
        ) from error
