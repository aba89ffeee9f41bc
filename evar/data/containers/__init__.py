"""What a container promises against what the file holds.

libsndfile reads a truncated WAV, AIFF, AU, Vorbis, Opus or MP3 file without a word, so the promise is read here, from
the bytes themselves. Headers that a stream never closed (sizes of 0, or beyond 2 GB) promise nothing.

chunks.py  RIFF, RF64, W64, CAF, AIFF, AU, NIST Sphere      ogg.py  Vorbis, Opus, FLAC in Ogg      mpeg.py  MP3
FLAC is left to its decoder, which fails on damage and truncation.
"""

from typing import BinaryIO

from evar.data.containers import chunks, mpeg, ogg
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
}
_LEFT_TO_THE_DECODER = (b"fLaC",)


def checked(file: BinaryIO) -> BinaryIO:
    """`file`, whole as its container promises, or a copy in memory with the header put right; both at their start.

    Raises ContainerFault where audio is missing, OSError where the file cannot be read.
    """
    magic = file.read(4)
    file.seek(0)
    if magic in _BY_MAGIC:
        sound = _BY_MAGIC[magic](file)
    elif magic in _LEFT_TO_THE_DECODER:
        sound = file
    else:
        sound = mpeg.mended(file)
    sound.seek(0)
    return sound
