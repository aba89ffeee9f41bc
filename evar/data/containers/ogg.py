"""Ogg (Vorbis, Opus, FLAC): every page is there, undamaged, in order, and the last one says that it is the last.

A decoder steps over a damaged or missing page and over a missing end without a word. Layout of a page: RFC 3533.
"""

import struct
import zlib
from typing import BinaryIO

from evar.data.containers.fault import ContainerFault

HEAD = struct.Struct("<4sBBqIIIB")  # pattern, version, flags, granule, serial, sequence, checksum, segments
FIRST, LAST = 2, 4  # bits of the flags
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def checked(file: BinaryIO) -> BinaryIO:
    """`file` itself. Raises ContainerFault where a page is cut, damaged or missing, or streams are joined."""
    data = file.read()
    pages: dict[int, int] = {}  # the latest sequence number, by stream
    ended: dict[int, bool] = {}
    at = 0
    while at < len(data):
        flags, serial, sequence, end = _page(data, at)
        if flags & FIRST:
            if ended and all(ended.values()):
                raise ContainerFault("it is several Ogg streams one after the other; a decoder reads the first only")
        elif serial not in pages or sequence != pages[serial] + 1:
            raise ContainerFault(f"an Ogg page is missing before byte {at:,}")
        pages[serial], ended[serial] = sequence, bool(flags & LAST)
        at = end
    if not all(ended.values()):
        raise ContainerFault("it lacks its end: the last Ogg page is not marked as the last")
    return file


def _page(data: bytes, at: int) -> tuple[int, int, int, int]:
    """Flags, serial, sequence and end of the page at `at`."""
    if data[at : at + 4] != b"OggS"[: len(data) - at]:
        raise ContainerFault(f"it is damaged: no Ogg page begins at byte {at:,} of {len(data):,}")
    body = at + HEAD.size
    if body <= len(data):
        _, _, flags, _, serial, sequence, checksum, segments = HEAD.unpack_from(data, at)
        end = body + segments + sum(data[body : body + segments])
        if body + segments <= len(data) and end <= len(data):
            if _checksum(data[at : at + 22] + bytes(4) + data[at + 26 : end]) != checksum:
                raise ContainerFault(f"it is damaged: wrong checksum of the Ogg page at byte {at:,}")
            return flags, serial, sequence, end
    raise ContainerFault(f"it is cut: the Ogg page at byte {at:,} goes beyond the end")


def _checksum(page: bytes) -> int:
    """The CRC-32 of Ogg is zlib's with the bits of every byte, and of the sum, in the other order, and no inversion."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_MIRRORED), "big")
