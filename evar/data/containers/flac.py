"""FLAC (not in Ogg): one stream alone. What is damaged or cut within it is left to its decoder, which fails there.

Behind the last frame of the first stream a decoder stops without a word, even where a second stream follows. Layout of
metadata: RFC 9639.
"""

from typing import BinaryIO

from evar.data.containers.fault import ContainerFault

MAGIC = b"fLaC"
STREAMINFO = 34  # bytes; every stream begins with the magic, four bytes that announce this block, and the block
_BLOCK = 1 << 20  # bytes searched at a time


def checked(file: BinaryIO, start: int = 0) -> BinaryIO:
    """`file` itself, whose stream begins at `start`. Raises ContainerFault where a second stream lies behind it."""
    at = _audio(file, start)
    file.seek(at)
    window = b""
    while block := file.read(_BLOCK):
        window += block
        found = window.find(MAGIC)
        while found >= 0:
            if _opens(window[found : found + 8 + STREAMINFO]):
                raise ContainerFault(f"it holds a second FLAC stream behind the first, at byte {at + found:,}")
            found = window.find(MAGIC, found + 1)
        kept = window[-(7 + STREAMINFO) :]  # a stream may open across two blocks
        at += len(window) - len(kept)
        window = kept
    return file


def _audio(file: BinaryIO, start: int) -> int:
    """Where the metadata ends: pictures and the like may hold anything."""
    at, last = start + len(MAGIC), False
    while not last:
        file.seek(at)
        head = file.read(4)
        if len(head) < 4:
            break
        last = head[0] >= 0x80
        at += 4 + int.from_bytes(head[1:], "big")
    return at


def _opens(head: bytes) -> bool:
    """Whether a stream begins so. The magic alone comes by chance once in 4 GB; with what is asked here, never."""
    if len(head) < 8 + STREAMINFO or head[4] & 0x7F or int.from_bytes(head[5:8], "big") != STREAMINFO:
        return False
    shortest, longest = int.from_bytes(head[8:10], "big"), int.from_bytes(head[10:12], "big")  # samples in a block
    least, most = int.from_bytes(head[12:15], "big"), int.from_bytes(head[15:18], "big")  # bytes in a frame; 0: unknown
    rate = int.from_bytes(head[18:21], "big") >> 4
    return 16 <= shortest <= longest and (not most or least <= most) and rate > 0
