"""Does a file hold the audio that its container promises? Only what the decoder does not say by itself.

libsndfile reads a truncated WAV, AIFF, AU, Sphere, Vorbis, Opus or MP3 file without a word, stops at a size of 0 that a
stream left in its header, and reads the first of several streams alone. Its log (`SoundFile.extra_info`) names some of
this, but holds 2 kB: a few comments before the samples push it out. So the sizes are read here, and nothing else is.
MP3, whose stream says nowhere how long it is: mpeg.py. FLAC and ALAC: their decoders fail on what is cut or damaged.

A size near or beyond 2 GB in 32 bits is what streams leave in a header (sox writes 0x7FFFF000, arecord 0x80000000,
ffmpeg 0xFFFFFFFF): it promises nothing. Ogg and MP3 files are read whole, other formats by their headers.
"""

import io
import os
import re
import string
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from evar.base.errors import DataError
from evar.data import mpeg

BLOCK_BYTES = 1 << 20  # searched at a time
JUNK_BYTES = 4096  # so much of anything may lie behind the last chunk
OPEN_SIZE, OPEN_LONG = 0x7F000000, 1 << 62  # from here on a size of 32 or 64 bits is a stream's placeholder
_WAV_PCM, _WAV_MPEG = (1, 3, 0xFFFE), (0x50, 0x55)  # tags of WAV files; float is 3, extensible is mostly one of both
_CHUNK_LETTERS = (string.ascii_letters + string.digits + " _-()").encode()
_SECOND_FLAC = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22(?!\x00\x00).{34}", re.DOTALL)  # STREAMINFO with a block size
_OGG_PAGE = struct.Struct("<4sBBqIIIB")  # pattern, version, flags, granule, serial, sequence, checksum, segments
_OGG_FIRST, _OGG_LAST = 2, 4  # bits of the flags
_OGG_FLAC = b"\x7fFLAC"  # then 4 bytes, then what a FLAC file holds
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Sound(NamedTuple):
    """What to decode, and how much of it must come out.

    stream: the file, or a copy in memory that the decoder reads to its end. frames: as many are promised; 0 where the
    decoder's own count holds. share: what is there of the bytes that the header promises, 1.0 = all.
    """

    stream: BinaryIO
    frames: int = 0
    share: float = 1.0

    def promise(self, decoded: int, stated: int) -> int:
        """Frames that should have come out, where `decoded` did and the decoder states `stated`."""
        return max(self.frames or stated, round(decoded / self.share) if self.share else 0)


def promised(file: BinaryIO) -> Sound:
    """The sound of `file`, its stream at its start.

    Raises DataError where audio is missing or hidden, with a reason that names no path; OSError from reading.
    """
    head = file.read(10)
    tag = mpeg.id3_length(head)  # some taggers put one before FLAC too, and its decoder steps over it
    file.seek(tag)
    if file.read(4) == b"fLaC":
        _refuse_second_flac(file, tag)
        sound = Sound(file)
    else:
        sound = _BY_MAGIC.get(head[:4], _mpeg)(file)
    sound.stream.seek(0)
    return sound


def _mpeg(file: BinaryIO) -> Sound:
    return Sound(*mpeg.whole(file, 0, _size(file)))


class _Size(NamedTuple):
    """A size as a WAV header writes it: its value, where it stands, how it is packed, and from where on it is none."""

    stated: int
    at: int
    layout: str
    placeholder: int


def _riff(file: BinaryIO) -> Sound:
    file.seek(0)
    order = ">" if file.read(4) == b"RIFX" else "<"
    kind, long = 0, None  # RF64 has the size, in 64 bits, in a chunk of its own
    for name, body, stated in _chunks(file, order + "4sI", 12):
        file.seek(body)
        if name == b"fmt ":
            kind = _wave_kind(file.read(16), order)
        elif name == b"ds64":
            value = int.from_bytes(file.read(16)[8:], "big" if order == ">" else "little")
            long = _Size(value, body + 8, order + "Q", OPEN_LONG)
        elif name == b"data":
            short = _Size(stated, body - 4, order + "I", OPEN_SIZE)
            return _wave_data(file, kind, body, long if long and stated == 0xFFFFFFFF else short)
    return Sound(file)


def _wave_kind(head: bytes, order: str) -> int:
    """The tag of a `fmt ` chunk. Raises DataError for what `_refuse_filling` does."""
    if len(head) < 16:
        return 0
    kind, channels, align, bits = struct.unpack(order + "HH8xHH", head)
    if kind in _WAV_PCM:
        _refuse_filling(align, channels, bits)
    return int(kind)


def _refuse_filling(align: int, channels: int, bits: int) -> None:
    """Raise DataError where a frame is not of the size of its samples: the decoder takes what fills it for sound."""
    if bits and align and align != channels * -(-bits // 8):
        raise DataError(f"its header gives {align} bytes to a frame of {channels} x {bits} bits: convert it anew")


def _wave_data(file: BinaryIO, kind: int, body: int, size: _Size) -> Sound:
    end = _size(file)
    placeholder = size.stated >= size.placeholder
    unknown = size.stated == 0 and not _chunk_follows(file, size.layout[0], body)
    share = _share(size.stated, end - body, size.placeholder)
    if kind in _WAV_MPEG:  # where the decoder guesses the length: 1.2 s of 4 s at a variable bit rate
        stream, frames = mpeg.whole(file, body, end if placeholder or unknown else min(end, body + size.stated))
        return Sound(stream, frames, share)
    if unknown or (placeholder and size.layout[1] == "Q"):  # at which the decoder stops
        return Sound(_put_right(file, size.at, struct.pack(size.layout, end - body)))
    if not placeholder:
        _refuse_hidden(file, body + size.stated)
    return Sound(file, share=share)


def _aiff(file: BinaryIO) -> Sound:
    """COMM counts frames (packets, which are fewer, in compressed files), SSND bytes."""
    frames = 0
    for name, body, stated in _chunks(file, ">4sI", 12):
        if name == b"COMM":
            file.seek(body + 2)
            frames = int.from_bytes(file.read(4), "big")
        elif name == b"SSND":
            return Sound(file, frames if frames < OPEN_SIZE else 0, _share(stated, _size(file) - body, OPEN_SIZE))
    return Sound(file)


def _caf(file: BinaryIO) -> Sound:
    for name, body, stated in _chunks(file, ">4sQ", 8):
        if name == b"desc":
            file.seek(body + 8)
            kind, align, channels, bits = struct.unpack(">4s4xI4xII", file.read(24).ljust(24))
            if kind == b"lpcm":
                _refuse_filling(align, channels, bits)
        elif name == b"data":
            return Sound(file, share=_share(stated, _size(file) - body, OPEN_LONG))
    return Sound(file)


def _w64(file: BinaryIO) -> Sound:
    """Its first chunk is the whole file, the next one mostly `fmt `; names have 16 bytes, sizes 8."""
    file.seek(16)
    head = file.read(64)
    stated = int.from_bytes(head[:8], "little")
    if head[24:28] == b"fmt ":
        _wave_kind(head[48:], "<")
    return Sound(file, share=_share(stated, _size(file), OPEN_LONG))


def _au(file: BinaryIO) -> Sound:
    file.seek(0)
    order = ">" if file.read(4) == b".snd" else "<"
    head = file.read(8)
    if len(head) < 8:
        return Sound(file)
    offset, stated = struct.unpack(order + "II", head)
    rest = max(0, _size(file) - offset)
    if (stated == 0 and rest) or OPEN_SIZE <= stated < 0xFFFFFFFF:
        return Sound(_put_right(file, 8, struct.pack(order + "I", rest)))
    return Sound(file, share=_share(stated, rest, OPEN_SIZE))


def _sphere(file: BinaryIO) -> Sound:
    """NIST Sphere: its header is text."""
    file.seek(0)
    count = re.search(rb"\nsample_count\s+-i\s+(\d{1,18})\s", file.read(1 << 16).split(b"end_head")[0])
    return Sound(file, int(count[1]) if count else 0)


def _share(stated: int, present: int, placeholder: int) -> float:
    return present / stated if present < stated < placeholder else 1.0


def _put_right(file: BinaryIO, at: int, number: bytes) -> BinaryIO:
    """A copy in memory with `number` at that place."""
    file.seek(0)
    return mpeg.copy(file, file.read(at) + number, at + len(number), _size(file))


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _chunks(file: BinaryIO, layout: str, at: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start of the body and stated size of each chunk; with sizes of 32 bits they begin at even bytes."""
    head, size = struct.Struct(layout), _size(file)
    while at + head.size <= size:
        file.seek(at)
        name, stated = head.unpack(file.read(head.size))
        yield name, at + head.size, stated
        at += head.size + stated + (stated & 1 if head.size == 8 else 0)


def _chunk_follows(file: BinaryIO, order: str, at: int) -> bool:
    """Whether a well-formed chunk begins at `at`."""
    name, body, stated = next(_chunks(file, order + "4sI", at), (b"", at, 0))
    return _named(name) and body + stated <= _size(file)


def _named(head: bytes) -> bool:
    return len(head) >= 4 and all(letter in _CHUNK_LETTERS for letter in head[:4])


def _refuse_hidden(file: BinaryIO, start: int) -> None:
    """Raise DataError where the samples of a WAV file seem to go on at `start`, where their header ends them.

    A chunk or an ID3 tag there shows that they do end, be it cut; zeros fill a sector, and a little may be anything.
    """
    file.seek(start)
    head = file.read(5)
    if any(_named(follows) or follows.startswith(b"ID3") for follows in (head, head[1:])):  # some forget the padding
        return
    file.seek(start)
    foreign = 0
    while foreign <= JUNK_BYTES and (block := file.read(BLOCK_BYTES)):
        foreign += len(block) - block.count(0)
    if foreign > JUNK_BYTES:
        raise DataError(f"its header ends the audio at byte {start:,}, but {_size(file) - start:,} bytes follow")


def _refuse_second_flac(file: BinaryIO, start: int) -> None:
    """Raise DataError where a second stream lies behind the one at `start`; metadata (RFC 9639) may hold anything."""
    at, last = start + 4, False
    while not last:
        file.seek(at)
        head = file.read(4)
        last = len(head) < 4 or head[0] >= 0x80
        at += 4 + int.from_bytes(head[1:], "big")
    file.seek(at)
    window = b""
    while block := file.read(BLOCK_BYTES):
        window = window[-41:] + block  # a stream may open across two blocks
        if found := _SECOND_FLAC.search(window):
            at = file.tell() - len(window) + found.start()
            raise DataError(f"it holds a second FLAC stream behind the first, at byte {at:,}")


def _ogg(file: BinaryIO) -> Sound:
    """The file, or the FLAC inside. Raises DataError where a page is cut, damaged or missing, or streams are joined.

    A file that ends with a whole page is whole, though the page be not marked as the last: some recorders never do.
    """
    file.seek(0)
    mpeg.refuse_large(_size(file))
    data = file.read()
    pages: dict[int, int] = {}  # the latest sequence number, by stream
    open_streams: set[int] = set()
    flac, flac_serial, begun, at = io.BytesIO(), None, False, 0
    while at < len(data):
        if pages and not open_streams:
            at = data.find(b"OggS", at)
            if at < 0:
                break  # what lies behind the end is no Ogg
        flags, serial, sequence, body, end = _page(data, at)
        if flags & _OGG_FIRST:
            if begun:
                raise DataError("it is several Ogg streams one after the other; a decoder reads the first only")
            open_streams.add(serial)
            if data.startswith(_OGG_FLAC, body):
                flac_serial, body = serial, body + 9
        elif serial not in pages or sequence != pages[serial] + 1:
            raise DataError(f"an Ogg page is missing before byte {at:,}")
        else:
            begun = True  # all first pages come before
        if serial == flac_serial:  # of which libsndfile as built for Python knows nothing
            flac.write(memoryview(data)[body:end])
        if flags & _OGG_LAST:
            open_streams.discard(serial)
        pages[serial], at = sequence, end
    return Sound(file if flac_serial is None else flac)


def _page(data: bytes, at: int) -> tuple[int, int, int, int, int]:
    """Flags, serial, sequence, body and end of the page at `at` (RFC 3533)."""
    if data[at : at + 4] != b"OggS"[: len(data) - at]:
        raise DataError(f"it is damaged: no Ogg page begins at byte {at:,} of {len(data):,}")
    table = at + _OGG_PAGE.size
    if table <= len(data):
        _, _, flags, _, serial, sequence, checksum, segments = _OGG_PAGE.unpack_from(data, at)
        body = table + segments
        end = body + sum(data[table:body])
        if end <= len(data) and body <= len(data):
            if end == len(data) and segments and data[body - 1] == 255:
                raise DataError("it is cut: a packet goes on behind the last Ogg page")
            if _checksum(data[at : at + 22] + bytes(4) + data[at + 26 : end]) != checksum:
                raise DataError(f"it is damaged: wrong checksum of the Ogg page at byte {at:,}")
            return flags, serial, sequence, body, end
    raise DataError(f"it is cut: the Ogg page at byte {at:,} goes beyond the end")


def _checksum(page: bytes) -> int:
    """The CRC-32 of Ogg is zlib's with the bits of every byte, and of the sum, in the other order, and no inversion."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_MIRRORED), "big")


_BY_MAGIC = {
    b"RIFF": _riff, b"RIFX": _riff, b"RF64": _riff, b"riff": _w64, b"FORM": _aiff, b"caff": _caf,
    b".snd": _au, b"dns.": _au, b"NIST": _sphere, b"OggS": _ogg,
}  # fmt: skip
