"""Unpacking a zip, tar or tar.gz of unknown origin: plain files and folders, inside one folder, within bounds.

Anything else is refused with one line: names that lead elsewhere or differ in case only, links, devices, encrypted
members, bombs. Modes, owners and times are not taken over. `tarfile.data_filter` does half of this, for tar alone, and
Python has it from 3.11.4 on.
"""

import contextlib
import gzip
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from evar.base.errors import DataError, StorageError
from evar.base.files import storage_errors
from evar.base.progress import progress

ANOTHER = "delete it and get another copy"
BOMB = "it unpacks to far more bytes than audio does"
BLOCK_BYTES = 1 << 20
UNPACKED = 1.5  # bytes that a byte of an audio archive unpacks to, at most: gzip saves a tenth to a third of 16-bit PCM
MOST_UNPACKED = 10  # what is more than that, and SLACK_BYTES, is a bomb
SLACK_BYTES = 16 << 20
PLAIN_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others can ask for gigabytes of memory
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, ValueError, NotImplementedError)


class Unacceptable(Exception):
    """The archive holds what is never unpacked; the text says what."""


@dataclass(frozen=True)
class Member:
    """One entry. is_plain: a file or folder and nothing else; open: its content."""

    name: str
    is_folder: bool
    is_plain: bool
    open: Callable[[], IO[bytes]]


@contextlib.contextmanager
def unpacked(archive: Path, place: Path) -> Iterator[Path]:
    """Yield a folder beside `place` with all that `archive` holds; move to `place` what belongs there.

    The folder is removed at the end, and the archive where there was no error. Needs a lock on `place`: what a killed
    run has left is removed, too. Raises DataError where the archive is damaged, refused or beyond the bounds,
    StorageError where the disk refuses or has no room.
    """
    require_space(place.parent, int(archive.stat().st_size * UNPACKED), f"unpacking {archive}")
    folder = place.with_name(f".{place.name}.unpacking")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _unpack(archive, folder)
        with storage_errors(place):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    archive.unlink()


def require_space(folder: Path, wanted: int, purpose: str) -> None:
    """Raise StorageError, naming both sizes, where `folder`'s disk has less than `wanted` bytes left."""
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise StorageError(
            f"{purpose} needs {wanted / 1e6:,.1f} MB in {folder}, {free / 1e6:,.1f} MB are free: "
            "free some or choose another folder; what was fetched is kept"
        )


def _unpack(archive: Path, folder: Path) -> None:
    total = archive.stat().st_size
    bar = progress(f"unpack {archive.name}", total=total, unit="byte")
    try:
        with storage_errors(folder), archive.open("rb") as file, bar as advance:
            folder.mkdir(parents=True)
            used, spellings = 0, dict[str, str]()
            for member in _members(file, most_bytes=total * MOST_UNPACKED + SLACK_BYTES):
                if refusal := _refusal(member, spellings):
                    raise Unacceptable(f"member {member.name!r} {refusal}")
                _write(member, folder / member.name)
                before, used = used, file.tell()
                advance(used - before)
    except Unacceptable as error:
        raise DataError(f"{archive} is not unpacked: {error}; {ANOTHER}") from error
    except DAMAGE as error:
        raise DataError(f"{archive} is damaged, or no zip, tar or tar.gz archive ({error}); {ANOTHER}") from error


def _write(member: Member, place: Path) -> None:
    try:
        if member.is_folder:
            return place.mkdir(parents=True, exist_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as source, place.open("wb") as target:
            shutil.copyfileobj(source, target, BLOCK_BYTES)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise Unacceptable(f"member {member.name!r} stands where another one does") from error


def _refusal(member: Member, spellings: dict[str, str]) -> str:
    """Why it may not be unpacked, "" where it may. spellings: of all paths before it, by their lower case."""
    name = member.name
    if not member.is_plain:
        return "is a link, a device, encrypted or otherwise no plain file"
    if "\0" in name or "\\" in name:
        return "has a character that no name should have"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "is absolute"
    path = PurePosixPath(name)
    if ".." in path.parts:
        return "leads out of the folder"
    for each in map(str, (path, *path.parents)):
        if spellings.setdefault(each.casefold(), each) != each:
            return f"differs from {spellings[each.casefold()]!r} in case only"
    return ""


def _members(file: BinaryIO, most_bytes: int) -> Iterator[Member]:
    """Every member, in the order in which they lie there. The kind is known by the first bytes, never by a name."""
    magic = file.read(2)
    file.seek(0)
    if magic == b"PK":
        return _zip_members(file, most_bytes)
    return _tar_members(_BoundedGzip(file, most_bytes) if magic == b"\x1f\x8b" else file)


def _zip_members(file: BinaryIO, most_bytes: int) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        if sum(each.file_size for each in archive.infolist()) > most_bytes:
            raise Unacceptable(BOMB)
        for each in archive.infolist():
            kind = stat.S_IFMT(each.external_attr >> 16)  # as Unix programs write it; 0 by others
            is_plain = (
                kind in (0, stat.S_IFREG, stat.S_IFDIR)
                and each.compress_type in PLAIN_METHODS
                and not each.flag_bits & 1  # encrypted
            )
            yield Member(each.filename, each.is_dir(), is_plain, partial(archive.open, each))


def _tar_members(stream: IO[bytes] | gzip.GzipFile) -> Iterator[Member]:
    """Read once from front to back: each member must be read before the next one is asked for."""
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|", bufsize=BLOCK_BYTES) as tar:
        for each in tar:
            opened = partial(cast("Callable[[tarfile.TarInfo], IO[bytes]]", tar.extractfile), each)
            is_plain = each.isdir() or (each.isreg() and not each.issparse())
            yield Member(each.name, each.isdir(), is_plain, opened)
    while stream.read(BLOCK_BYTES):  # up to the end, where gzip keeps its checksum
        pass


class _BoundedGzip(gzip.GzipFile):
    """A gzip that may be a bomb anywhere: also in the headers of a tar, which are read into memory, or behind its end.

    Opened here because the gzip mode of tarfile's streams does not read the checksum.
    """

    def __init__(self, file: BinaryIO, most_bytes: int) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._left = most_bytes

    def read(self, size: int | None = -1) -> bytes:
        block = super().read(size)
        self._left -= len(block)
        if self._left < 0:
            raise Unacceptable(BOMB)
        return block
