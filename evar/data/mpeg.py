"""MPEG audio (MP3, layers I and II): its frames are walked, since the stream itself says nowhere how long it is.

A decoder takes the length from a Xing, Info or VBRI tag in the first frame, or guesses it from the first bit rate: at a
variable bit rate without a tag the guess silently drops audio (18,878 of 89,856 frames kept). So the frame headers are
counted, and where the tag says less or nothing the decoder gets a copy with the true count.

Formats: ISO 11172-3 and 13818-3 for the headers; the Xing tag as LAME writes it.
"""

import io
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from evar.base.errors import DataError

SEARCH_BYTES = 1 << 16  # how far the first frame may lie behind the start, or behind an ID3 tag
RUN = 8  # consistent frames in a row that make bytes a stream and not a chance match
MOST_BYTES = 1 << 30  # of one file that are held in memory: 18 hours of MP3 at 128 kbit/s
LONGEST_FRAME = 4608  # bytes, at any rate and bit rate
MOST_TAGS = 16  # ID3 tags before the first frame; two happen
HAS_FRAMES = 1  # bit of the Xing tag's flags: a count of frames follows
_LAYERS_V2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)  # layers II and III
_KBITS = {  # (MPEG-1?, layer): bit rates of index 1..14
    (True, 1): tuple(range(32, 449, 32)),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): _LAYERS_V2,
    (False, 3): _LAYERS_V2,
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # Hz, by version bits


class Frame(NamedTuple):
    """What one header says. kind: what stays the same through a stream; length: bytes with the header."""

    kind: tuple[int, int, int]
    layer: int
    length: int
    samples: int  # of each channel
    tag: int  # bytes from the frame's start to where a Xing tag would begin


@lru_cache(maxsize=4096)
def header(four: bytes) -> Frame | None:
    """The frame that these four bytes open, or None where they open none that can be measured."""
    if len(four) < 4 or four[0] != 0xFF or four[1] & 0xE0 != 0xE0:
        return None
    version, layer = four[1] >> 3 & 3, 4 - (four[1] >> 1 & 3)
    bits, rate, padding = four[2] >> 4, four[2] >> 2 & 3, four[2] >> 1 & 1
    if version == 1 or layer == 4 or bits in (0, 15) or rate == 3 or four[3] & 3 == 2:
        return None
    samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    slot = 4 if layer == 1 else 1  # bytes
    bit_rate = 1000 * _KBITS[version == 3, layer][bits - 1]
    length = (samples // 8 // slot * bit_rate // _RATES[version][rate] + padding) * slot
    mono = four[3] >> 6 == 3
    side = (17 if mono else 32) if version == 3 else (9 if mono else 17)
    return Frame((version, layer, rate), layer, length, samples, 4 + side)


def id3_length(head: bytes) -> int:
    """Bytes of an ID3v2 tag at the start of `head` (ten bytes suffice); 0 where there is none."""
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if head[5] & 0x10 else 0)


def copy(file: BinaryIO, head: bytes, start: int, end: int) -> io.BytesIO:
    """`head` and the bytes of `file` from `start` to `end`, once: a BytesIO made of bytes copies them when written."""
    refuse_large(end - start)
    content = io.BytesIO()
    content.write(head)
    file.seek(start)
    while start < end and (block := file.read(min(1 << 20, end - start))):
        content.write(block)
        start += len(block)
    return content


def refuse_large(size: int) -> None:
    """Raise DataError for more bytes than are held in memory."""
    if size > MOST_BYTES:
        raise DataError(
            f"{size / 1e9:,.1f} GB: of a file of its kind at most {MOST_BYTES / 1e9:.1f} GB are read, divide it"
        )


def whole(file: BinaryIO, begin: int, end: int) -> tuple[BinaryIO, int]:
    """(what a decoder reads to its end, frames of sound that it must give) for the bytes from `begin` to `end`.

    That is `file` itself, or a copy in memory; 0 frames where the decoder's own count holds, as for what is no MPEG
    audio at all. Raises DataError where frames are missing, and for what a decoder would take for MP3, but is not.
    """
    start = _start(file, begin)
    if start is None:
        return file, 0
    head, skipped, frames = _head(file, start, end)  # and with it go the bytes that were walked: a copy is read anew
    file.seek(0)
    if not head and (begin, start) == (0, id3_length(file.read(10))):  # as a decoder finds it
        return file, frames
    return copy(file, head, start + skipped, end), frames


def _start(file: BinaryIO, at: int) -> int | None:
    """Where the first frame begins: behind the tags, if a second follows it or nothing does; else at a run of frames.

    None where there is none. Raises DataError for what begins like a frame, but goes on as none (text in UTF-16).
    """
    for _ in range(MOST_TAGS):
        file.seek(at)
        if not (tag := id3_length(file.read(10))):
            break
        at += tag
    file.seek(at)
    window = file.read(SEARCH_BYTES + RUN * LONGEST_FRAME)
    first = header(window[:4])
    if first is not None:
        second = header(window[first.length : first.length + 4])
        if first.length >= len(window) or (second is not None and second.kind == first.kind):
            return at
    found = _find(window, 0, SEARCH_BYTES)
    if found is None and first is not None:
        raise DataError("cannot be decoded: it begins like MP3, but no second frame follows")
    return None if found is None else at + found


def _find(data: bytes, at: int, stop: int) -> int | None:
    """Where a run of consistent frames begins in data[at:stop]; None where there is none."""
    while (at := data.find(b"\xff", at, stop)) >= 0:
        frame, place, run = header(data[at : at + 4]), at, 0
        kind = frame.kind if frame else None
        while frame and frame.kind == kind:
            place, run = place + frame.length, run + 1
            if run == RUN:
                return at
            frame = header(data[place : place + 4])
        at += 1
    return None


def _head(file: BinaryIO, start: int, end: int) -> tuple[bytes, int, int]:
    """(bytes to put before, or none; bytes that they replace; frames of sound, or 0) for the stream at `start`."""
    refuse_large(end - start)
    file.seek(start)
    data = file.read(end - start)
    first = header(data[:4])
    if first is None:
        raise DataError("its first MP3 frame is damaged")
    count = _count(data, first)
    if first.layer != 3:  # no tag is known there: a decoder guesses, and what it gives is compared with the count
        return b"", 0, count * first.samples
    if data[first.tag : first.tag + 4] not in (b"Xing", b"Info"):
        if data[36:40] == b"VBRI":  # Fraunhofer's tag
            _compare(_number(data, 50), count - 1)
        return _info_frame(data[:4], count), 0, 0
    count -= 1  # the frame with the tag holds no audio
    if not _number(data, first.tag + 4) & HAS_FRAMES:
        return _info_frame(data[:4], count), first.length, 0
    stated = _number(data, first.tag + 8)
    _compare(stated, count)
    if stated == count:
        return b"", 0, 0
    return data[: first.tag + 8] + count.to_bytes(4, "big"), first.tag + 12, 0


def _count(data: bytes, first: Frame) -> int:
    """Frames from the first to the last. Raises DataError where one is cut, or bytes of no frame or tag lie between."""
    at, count, size = 0, 0, len(data)
    while at + 4 <= size:
        frame = header(data[at : at + 4])
        if frame is not None and frame.kind == first.kind:
            at += frame.length
            if at > size:
                raise DataError(f"its last MP3 frame lacks {at - size:,} bytes")
            count += 1
        elif tag := _tag_length(data, at):
            at += tag
        elif (again := _find(data, at, size)) is not None:
            raise DataError(f"its MP3 stream is damaged or changes its kind at byte {at:,}, goes on at {again:,}")
        else:
            break  # filling behind the last frame
    return count


def _tag_length(data: bytes, at: int) -> int:
    """Bytes of the ID3v1, ID3v2 or APE tag at that place; 0 where there is none."""
    if data[at : at + 3] == b"TAG":
        return 128
    if data[at : at + 8] == b"APETAGEX":
        size = int.from_bytes(data[at + 12 : at + 16], "little")  # without a header, with the footer
        return size + 32 if data[at + 23 : at + 24] >= b"\x80" else 32
    return id3_length(data[at : at + 10])


def _compare(promised: int, audio: int) -> None:
    if promised > audio + 1:  # some encoders count the frame of the tag as well
        raise DataError(f"its MP3 header promises {promised:,} frames, {audio:,} are there")


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def _info_frame(four: bytes, count: int) -> bytes:
    """A silent frame, at the highest bit rate, whose Info tag states the count; else as the one that `four` opens."""
    template = bytes((four[0], four[1] | 1, 0xE0 | four[2] & 0x0C, four[3]))  # without a checksum
    shape = header(template)
    assert shape is not None
    body = b"Info" + HAS_FRAMES.to_bytes(4, "big") + count.to_bytes(4, "big")
    return (template + bytes(shape.tag - 4) + body).ljust(shape.length, b"\0")
