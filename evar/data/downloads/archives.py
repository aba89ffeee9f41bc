"""The members of a zip, tar or tar.gz archive, in the order in which they lie in it, told alike for all three.

A kind is known by its first bytes, never by its name. A `Member` says what forbids to unpack it; nothing is written
here. A tar is read once from front to back, so each member must be read before the next one is asked for.
"""

import gzip
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO, BinaryIO, cast

from evar.base.progress import Advance

BLOCK_BYTES = 1 << 20
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError)  # what reading one may raise
PLAIN_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others can ask for gigabytes of memory


@dataclass(frozen=True)
class Member:
    """One entry. size: in bytes; refusal: why it may not be unpacked, "" where it may; open: its content."""

    name: str
    is_folder: bool
    size: int
    refusal: str
    open: Callable[[], IO[bytes]]


def members(file: BinaryIO, *, read: Advance, came_out: Advance) -> Iterator[Member]:
    """Every member of the archive `file`. Raises one of DAMAGE where it is broken or of no known kind.

    read: told the archive's bytes as they are used up. came_out: told the bytes that decompressing a tar gave, with its
    headers; it may raise to stop a bomb.
    """
    magic = file.read(2)
    file.seek(0)
    if magic == b"PK":
        return _zip_members(file, read)
    packed = cast("IO[bytes]", _Metered(file, read))
    stream = cast("IO[bytes]", gzip.GzipFile(fileobj=packed, mode="rb")) if magic == b"\x1f\x8b" else packed
    return _tar_members(cast("IO[bytes]", _Metered(stream, came_out)))


class _Metered:
    """A file that tells how much was read of it."""

    def __init__(self, file: IO[bytes], advance: Advance) -> None:
        self._file = file
        self._advance = advance

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self._advance(len(block))
        return block


def _tar_members(stream: IO[bytes]) -> Iterator[Member]:
    with tarfile.open(fileobj=stream, mode="r|", bufsize=BLOCK_BYTES) as tar:
        for member in tar:
            opened = partial(cast("Callable[[tarfile.TarInfo], IO[bytes]]", tar.extractfile), member)
            yield Member(member.name, member.isdir(), member.size, _tar_refusal(member), opened)
    while stream.read(BLOCK_BYTES):  # up to the end, where gzip keeps its checksum
        pass


def _tar_refusal(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return f"a link to {member.linkname!r}"
    if member.isdev():
        return "a device"
    if member.issparse():
        return "a sparse file"
    return "" if member.isreg() or member.isdir() else "of an unknown kind"


def _zip_members(file: BinaryIO, read: Advance) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            opened = partial(archive.open, member)
            yield Member(member.filename, member.is_dir(), member.file_size, _zip_refusal(member), opened)
            read(member.compress_size)


def _zip_refusal(member: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(member.external_attr >> 16)  # as Unix programs write it; 0 by others
    if kind == stat.S_IFLNK:
        return "a link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a device"
    if member.flag_bits & 0x1:
        return "encrypted"
    return "" if member.compress_type in PLAIN_METHODS else "compressed in an unusual way"
