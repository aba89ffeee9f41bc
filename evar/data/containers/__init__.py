"""What a container promises against what the file holds.

libsndfile reads a truncated WAV, AIFF, AU, Vorbis, Opus or MP3 file without a word, so the promise is read here, from
the bytes themselves. Headers that a stream never closed (sizes of 0, or beyond 2 GB) promise nothing.

chunks.py  RIFF, RF64, W64, CAF, AIFF, AU, NIST Sphere      ogg.py  Vorbis, Opus, FLAC in Ogg      mpeg.py  MP3
flac.py    FLAC, whose decoder fails on damage and truncation, but not on a second stream
copying.py the copy in memory that a header put right needs
Ogg and MP3 files are read whole; no function here holds more than one copy of a file.
"""

from typing import BinaryIO

from evar.data.containers import chunks, flac, mpeg, ogg
from evar.data.containers.fault import ContainerFault

__all__ = ["ContainerFault", "checked"]

_BY_MAGIC = {
    b"RIFF": chunks.riff,
    b"RIFX": chunks.riff,
    b"RF64": chunks.riff,
    b"FORM": chunks.aiff,
    b".snd": chunks.au,
    b"dns.": chunks.au,
    b"riff": chunks.w64,
    b"caff": chunks.caf,
    b"NIST": chunks.nist,
    b"OggS": ogg.checked,
    flac.MAGIC: flac.checked,
}


def checked(file: BinaryIO) -> BinaryIO:
    """`file`, whole as its container promises, or a copy in memory with the header put right; both at their start.

    Raises ContainerFault where audio is missing, OSError where the file cannot be read.
    """
    head = file.read(10)
    tag = mpeg.id3_length(head)  # some taggers put one before FLAC too, and its decoder steps over it
    file.seek(tag)
    tagged = file.read(4) if tag else b""
    file.seek(0)
    if head[:4] in _BY_MAGIC:
        sound = _BY_MAGIC[head[:4]](file)
    elif tagged == flac.MAGIC:
        sound = flac.checked(file, tag)
    else:
        sound = mpeg.mended(file)
    sound.seek(0)
    return sound
