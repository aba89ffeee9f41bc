"""MPEG audio (MP3): its frames are walked, since the stream itself says nowhere how long it is.

A decoder takes the length from a Xing, Info or VBRI tag in the first frame, or guesses it from the first bit rate: on a
stream of variable rate without a tag the guess silently drops audio (18,878 of 89,856 frames kept). Here every frame
header is read, the tag is compared with the count, and a missing or low count is put right in a copy.

Formats: ISO 11172-3 and 13818-3 for the headers; the Xing tag as LAME writes it.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

from evar.data.containers.copying import copy
from evar.data.containers.fault import ContainerFault

SEARCH_BYTES = 1 << 16  # how far the first frame may lie behind the start, or behind an ID3 tag
RUN = 8  # consistent frames in a row that make bytes a stream and not a chance match
LONGEST_FRAME = 4608  # bytes, at any rate and bit rate
HAS_FRAMES = 1  # bit of the Xing tag's flags: a count of frames follows
_LAYER3_V1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_LAYER23_V2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_KBITS = {  # (MPEG-1?, layer): bit rates of index 1..14
    (True, 1): tuple(range(32, 449, 32)),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): _LAYER3_V1,
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): _LAYER23_V2,
    (False, 3): _LAYER23_V2,
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # Hz, by version bits


@dataclass(frozen=True)
class Frame:
    """What one header says. kind: what stays the same through a stream; length: bytes with the header."""

    kind: tuple[int, int, int]
    length: int
    tag_offset: int  # bytes from the frame's start to where a Xing tag would begin


@dataclass(frozen=True)
class Walk:
    """A stream's frames. start: bytes before the first; count: whole frames; missing: bytes of a cut last frame."""

    start: int
    first: Frame
    count: int
    missing: int


@dataclass(frozen=True)
class Patch:
    """What a decoder is to read: `head`, and the file from `start` on."""

    start: int
    head: bytes


@lru_cache(maxsize=4096)
def header(four: bytes) -> Frame | None:
    """The frame that these four bytes open, or None where they open none that can be measured."""
    if len(four) < 4 or four[0] != 0xFF or four[1] & 0xE0 != 0xE0:
        return None
    version, layer = four[1] >> 3 & 3, 4 - (four[1] >> 1 & 3)
    bits, rate, padding = four[2] >> 4, four[2] >> 2 & 3, four[2] >> 1 & 1
    if version == 1 or layer == 4 or bits in (0, 15) or rate == 3 or four[3] & 3 == 2:
        return None
    hertz = _RATES[version][rate]
    bit_rate = 1000 * _KBITS[version == 3, layer][bits - 1]
    if layer == 1:
        length = (12 * bit_rate // hertz + padding) * 4
    else:
        length = (72 if layer == 3 and version != 3 else 144) * bit_rate // hertz + padding
    mono = four[3] >> 6 == 3
    side = (17 if mono else 32) if version == 3 else (9 if mono else 17)
    return Frame((version, layer, rate), length, 4 + side)


def id3_length(head: bytes) -> int:
    """Bytes of an ID3v2 tag at the start of `head` (ten bytes suffice); 0 where there is none."""
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if head[5] & 0x10 else 0)


def find(data: bytes, start: int, stop: int) -> int | None:
    """Where a run of consistent frames begins in data[start:stop]; None where there is none."""
    at = data.find(b"\xff", start, stop)
    while at >= 0:
        if _runs(data, at):
            return at
        at = data.find(b"\xff", at + 1, stop)
    return None


def _runs(data: bytes, at: int) -> bool:
    first = header(data[at : at + 4])
    for _ in range(RUN):
        frame = header(data[at : at + 4])
        if first is None or frame is None or frame.kind != first.kind:
            return False
        at += frame.length
    return True


def walk(data: bytes, start: int) -> Walk:
    """Count the frames of a whole file from the first on.

    Raises ContainerFault where bytes that are neither frames nor tags lie inside the stream.
    """
    first = header(data[start : start + 4])
    if first is None:
        raise ContainerFault("its first MP3 frame is damaged")
    at, count, size = start, 0, len(data)
    while at + 4 <= size:
        frame = header(data[at : at + 4])
        if frame is not None and frame.kind == first.kind:
            if at + frame.length > size:
                return Walk(start, first, count, at + frame.length - size)
            at += frame.length
            count += 1
        elif tag := _tag_length(data, at):
            at += tag
        elif (again := find(data, at, size)) is not None:
            raise ContainerFault(f"its MP3 stream is damaged or changes its kind at byte {at:,}, goes on at {again:,}")
        else:
            break  # filling behind the last frame
    return Walk(start, first, count, 0)


def stream_start(file: BinaryIO) -> int | None:
    """Where the first frame begins: behind the tag, if a second follows it or nothing does; else at a run of frames.

    None where there is none. Raises ContainerFault for what a decoder would take for MP3, but is not (text in UTF-16).
    """
    tag = id3_length(file.read(10))
    file.seek(tag)
    window = file.read(SEARCH_BYTES + RUN * LONGEST_FRAME)
    first = header(window[:4])
    if first is not None:
        second = header(window[first.length : first.length + 4])
        if first.length >= len(window) or (second is not None and second.kind == first.kind):
            return tag
    start = find(window, 0, SEARCH_BYTES)
    if start is None and first is not None:
        raise ContainerFault("cannot be decoded: it begins like MP3, but no second frame follows")
    return None if start is None else tag + start


def _tag_length(data: bytes, at: int) -> int:
    """Bytes of the ID3v1, ID3v2 or APE tag at that place; 0 where there is none."""
    if data[at : at + 3] == b"TAG":
        return 128
    if data[at : at + 8] == b"APETAGEX":
        size = int.from_bytes(data[at + 12 : at + 16], "little")  # without a header, with the footer
        return size + 32 if data[at + 23 : at + 24] >= b"\x80" else 32
    return id3_length(data[at : at + 10])


def mended(file: BinaryIO) -> BinaryIO:
    """`file`, or a copy in memory that a decoder reads to its end. Raises ContainerFault where frames are missing."""
    start = stream_start(file)
    if start is None:
        return file
    patch = _patch(file, start)  # and with it go the bytes that were walked: a copy is read anew
    return file if patch is None else copy(file, patch.start, patch.head)


def _patch(file: BinaryIO, start: int) -> Patch | None:
    """None where a decoder finds a right count. Raises ContainerFault where frames are missing."""
    file.seek(0)
    data = file.read()
    found = walk(data, start)
    if found.missing:
        raise ContainerFault(f"its last MP3 frame lacks {found.missing:,} bytes")
    tag = found.start + found.first.tag_offset
    if data[tag : tag + 4] in (b"Xing", b"Info"):
        return _with_tag(data, found, tag)
    _compare(_vbri_count(data, found.start), found.count - 1)
    return Patch(found.start, _info_frame(data, found))


def _with_tag(data: bytes, found: Walk, tag: int) -> Patch | None:
    audio = found.count - 1  # the frame with the tag holds no audio
    if not _number(data, tag + 4) & HAS_FRAMES:
        return Patch(found.start + found.first.length, _info_frame(data, found, audio))
    promised = _number(data, tag + 8)
    _compare(promised, audio)
    if promised == audio and found.start == id3_length(data[:10]):  # as a decoder finds it
        return None
    return Patch(tag + 12, data[found.start : tag + 8] + struct.pack(">I", audio))


def _compare(promised: int | None, audio: int) -> None:
    if promised is not None and promised > audio + 1:  # some encoders count the frame of the tag as well
        raise ContainerFault(f"its MP3 header promises {promised:,} frames, {audio:,} are there")


def _vbri_count(data: bytes, start: int) -> int | None:
    """The count of a Fraunhofer VBRI tag, which always lies 32 bytes behind the header."""
    if data[start + 36 : start + 40] != b"VBRI":
        return None
    return _number(data, start + 50)


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def _info_frame(data: bytes, found: Walk, audio: int | None = None) -> bytes:
    """A silent frame whose Info tag states the true count; shaped as the first one, at a bit rate with room for it."""
    template = bytearray(data[found.start : found.start + 4])
    template[1] |= 1  # no checksum
    for bits in range(1, 15):
        template[2] = bits << 4 | template[2] & 0x0C
        shape = header(bytes(template))
        if shape is not None and shape.length >= shape.tag_offset + 12:
            break
    else:
        raise ContainerFault("its MP3 frames cannot be counted for the decoder")
    body = struct.pack(">4sII", b"Info", HAS_FRAMES, found.count if audio is None else audio)
    return (bytes(template) + bytes(shape.tag_offset - 4) + body).ljust(shape.length, b"\0")
