"""Containers that state how many bytes of samples follow: RIFF (WAV, RF64), W64, CAF, AIFF, AU, NIST Sphere.

A file is cut where fewer whole frames are there than stated; a missing padding byte cuts nothing. A header written to a
pipe never learns its length: 0, or a size near or beyond 2 GB (sox writes 0x7FFFF000, arecord 0x80000000, ffmpeg
0xFFFFFFFF), promises nothing; where libsndfile would stop at it, a copy in memory gets the right one. A WAV file that
goes on far behind its stated samples, with neither chunks nor filling, has a wrong size and would decode short.
"""

import os
import string
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from evar.data.containers.copying import copy
from evar.data.containers.fault import ContainerFault
from evar.data.containers.mpeg import id3_length

JUNK_BYTES = 4096  # so much of anything may lie behind the last chunk
OPEN_SIZE = 0x7F000000  # from here on a 32-bit size is a stream's placeholder
_CHUNK_LETTERS = (string.ascii_letters + string.digits + " _-()").encode()
_WAV_PLAIN = (1, 3, 6, 7, 0xFFFE)  # PCM, float, A-law, mu-law, extensible: a block is a frame
_AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}  # bytes a sample, by encoding
_AIFC_PLAIN = b"NONE sowt twos raw in24 in32 fl32 FL32 fl64 FL64 ulaw alaw".split()  # a frame has a fixed size


class Chunk(NamedTuple):
    """A chunk's name, where its body begins, and the bytes that it states and that are there."""

    name: bytes
    body: int
    stated: int
    present: int


def riff(file: BinaryIO) -> BinaryIO:
    """Check a RIFF, RIFX or RF64 file; one whose size of 0 hides samples comes back as a copy with the size put in."""
    order = ">" if file.read(4) == b"RIFX" else "<"
    block, long_at, long_size = 1, 0, 0  # RF64 has the data's size, in 64 bits, in a chunk of its own
    for chunk in _chunks(file, order, 12):
        file.seek(chunk.body)
        if chunk.name == b"fmt " and chunk.present >= 14:
            tag, align = struct.unpack(order + "H10xH", file.read(14))
            block = align if align and tag in _WAV_PLAIN else 1
        elif chunk.name == b"ds64" and chunk.present >= 16:
            long_at = chunk.body + 8
            (long_size,) = struct.unpack(order + "8xQ", file.read(16))
        elif chunk.name == b"data":
            rest = _rest(file, chunk.body)
            if long_at and chunk.stated == 0xFFFFFFFF:
                if long_size == 0 or long_size >= 1 << 62:
                    return _put_right(file, long_at, struct.pack(order + "Q", rest))
                _compare(long_size, rest, block)
                _refuse_hidden(file, order, chunk.body + long_size)
            elif chunk.stated == 0 and not _chain(file, order, chunk.body):
                return _put_right(file, chunk.body - 4, struct.pack(order + "I", rest))
            elif chunk.stated < OPEN_SIZE:
                _compare(chunk.stated, rest, block)
                _refuse_hidden(file, order, chunk.body + chunk.stated)
            break
    return file


def aiff(file: BinaryIO) -> BinaryIO:
    """Check an AIFF or AIFF-C file: the size of SSND, and COMM's count of frames where a frame has a fixed size."""
    block, frames = 1, 0
    for chunk in _chunks(file, ">", 12):
        if chunk.name == b"COMM" and chunk.present >= 18:
            file.seek(chunk.body)
            comm = file.read(22)
            channels, frames, bits = struct.unpack(">HIH", comm[:8])
            plain = chunk.present < 22 or comm[18:22].strip() in _AIFC_PLAIN
            block, frames = (channels * -(-bits // 8) or 1, frames) if plain else (1, 0)
        elif chunk.name == b"SSND" and chunk.present >= 8:
            rest = _rest(file, chunk.body + 8)
            if 8 <= chunk.stated < OPEN_SIZE:
                _compare(chunk.stated - 8, rest, block)
                rest = min(rest, chunk.stated - 8)
            if 0 < frames < OPEN_SIZE:
                _compare(frames * block, rest, block)
            break
    return file


def au(file: BinaryIO) -> BinaryIO:
    """Check an AU file; one with a placeholder for its size comes back as a copy with the size put in."""
    order = ">" if file.read(4) == b".snd" else "<"
    head = file.read(20)
    if len(head) < 20:
        return file
    offset, stated, encoding, _, channels = struct.unpack(order + "5I", head)
    rest = _rest(file, offset)
    if (stated == 0 and rest) or OPEN_SIZE <= stated < 0xFFFFFFFF:
        return _put_right(file, 8, struct.pack(order + "I", rest))
    if stated < OPEN_SIZE:
        _compare(stated, rest, _AU_BYTES.get(encoding, 1) * max(channels, 1))
    return file


def w64(file: BinaryIO) -> BinaryIO:
    """Check a Wave64 file: its first chunk, which is the whole file, has 64 bits for its size."""
    head = file.read(24)
    stated = int.from_bytes(head[16:24], "little")
    if len(head) == 24 and stated < 1 << 62:
        _compare(stated, _rest(file, 0), 8)  # chunks are filled up to a multiple of 8
    return file


def caf(file: BinaryIO) -> BinaryIO:
    """Check a Core Audio file: sizes have 64 bits, and -1 for the data means up to the end."""
    size, at = _rest(file, 0), 8
    while at + 12 <= size:
        file.seek(at)
        (stated,) = struct.unpack(">4xq", file.read(12))
        if stated < 0:
            break
        _compare(stated, _rest(file, at + 12), 1)
        at += 12 + stated
    return file


def nist(file: BinaryIO) -> BinaryIO:
    """Check a NIST Sphere file: its header is text."""
    lines = file.read(1 << 16).split(b"end_head")[0].split(b"\n")
    words = [line.split() for line in lines]
    fields = {word[0]: int(word[2]) for word in words if len(word) == 3 and word[1] == b"-i" and word[2].isdigit()}
    block = fields.get(b"channel_count", 1) * fields.get(b"sample_n_bytes", 1)
    start = int(lines[1]) if len(lines) > 1 and lines[1].strip().isdigit() else 0
    _compare(fields.get(b"sample_count", 0) * block, _rest(file, start), max(block, 1))
    return file


def _chunks(file: BinaryIO, order: str, start: int) -> Iterator[Chunk]:
    size = _rest(file, 0)
    while start + 8 <= size:
        file.seek(start)
        name, stated = struct.unpack(order + "4sI", file.read(8))
        yield Chunk(name, start + 8, stated, min(stated, size - start - 8))
        start += 8 + stated + (stated & 1)


def _chain(file: BinaryIO, order: str, start: int) -> bool:
    """Whether nothing or only well-formed chunks lie behind `start`: then a size of 0 is meant."""
    rest, at = _rest(file, 0), start
    for chunk in _chunks(file, order, start):
        if chunk.present < chunk.stated or any(letter not in _CHUNK_LETTERS for letter in chunk.name):
            return False
        at = chunk.body + chunk.stated + (chunk.stated & 1)
    return at >= rest


def _refuse_hidden(file: BinaryIO, order: str, start: int) -> None:
    """Raise ContainerFault where the samples seem to go on at `start`, where their header ends them.

    Chunks are no samples, and a cut one at the end costs no audio; nor are ID3 tags, zeros to fill a sector, and
    a little of anything.
    """
    size, at = _rest(file, 0), start
    while size - at > JUNK_BYTES:
        file.seek(at)
        head = file.read(11)
        if not _named(head) and not id3_length(head):
            head, at = head[1:], at + 1  # a padding byte, which some writers forget
        if _named(head):
            at += 8 + int.from_bytes(head[4:8], "big" if order == ">" else "little")
        elif tag := id3_length(head):  # not in a chunk of its own: `ID3` and the version, which is no letter
            at += tag
        else:
            break
    hidden = _extent(file, at)
    if hidden > JUNK_BYTES:
        raise ContainerFault(f"its header ends the audio at byte {start:,}, {hidden:,} bytes that are no chunk follow")


def _named(head: bytes) -> bool:
    return len(head) >= 4 and all(letter in _CHUNK_LETTERS for letter in head[:4])


def _extent(file: BinaryIO, start: int) -> int:
    """Bytes from the first to the last behind `start` that are not zero."""
    file.seek(start)
    first, last, at = None, start, start
    while block := file.read(1 << 20):
        if content := block.rstrip(b"\0"):
            last = at + len(content)
            if first is None:
                first = last - len(content.lstrip(b"\0"))
        at += len(block)
    return 0 if first is None else last - first


def _rest(file: BinaryIO, start: int) -> int:
    return max(0, os.fstat(file.fileno()).st_size - start)


def _compare(stated: int, present: int, block: int) -> None:
    if present // block < stated // block:
        raise ContainerFault(f"its header promises {stated:,} bytes of audio, {present:,} are there")


def _put_right(file: BinaryIO, at: int, size: bytes) -> BinaryIO:
    content = copy(file)
    content.seek(at)
    content.write(size)
    return content
