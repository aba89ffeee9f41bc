"""Opening audio: decode, check, mix down, resample, round to 16 bits. The only door to soundfile and soxr.

WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF, AU, CAF, W64 and NIST Sphere become mono at one rate. A file decodes whole,
or an AudioFault says why not: nothing in between, and no other exception.
Conventions: waveforms are float32 in [-1, 1] until the end, then int16 with 1.0 = 32768. Decoding goes block by block:
memory holds a few blocks of the original, and the mono result, twice while its parts are joined. On top comes the file
itself, as it is on the disk and once, while an Ogg or MP3 file is checked, and to the end of decoding where its header
has to be put right: MP3 without a tag or with a wrong one, WAV, RF64 and AU whose stream never learnt its length.
"""

import io
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from evar.base.errors import DataError
from evar.base.files import refuse_if_too_many_open
from evar.data import containers

BLOCK_SAMPLES = 1 << 20  # 4 MiB of float32, all channels together
FULL_SCALE = 32768  # of int16
FORMATS = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "NIST", "FLAC", "OGG", "MP3")  # whose end can be told
MISSING = "missing"  # the reason of a clip whose file is not there
RATES = (1_000, 1_000_000)  # Hz; beyond, a header is broken
_UNKNOWN_FRAMES = 1 << 40  # a length that no file has: the header of a stream

Waveform = NDArray[np.float32]


class AudioFault(DataError):
    """A file that cannot be evaluated; its text is the reason alone, without the path."""


class Unreadable(AudioFault):
    """The file system gives nothing to decode: missing, a folder, no permission, a read error. It may heal."""


@dataclass(frozen=True)
class Decoded:
    """One clip.

    samples: (sample,) int16, mono, at the rate asked for; original_rate in Hz, duration in seconds and channels are
    the file's own; peak: the largest magnitude at the new rate before rounding, 1.0 = full scale; clipped: share of
    samples at either end of the 16-bit range, whether saturated here or in the file.
    """

    samples: NDArray[np.int16]
    original_rate: int
    duration: float
    channels: int
    peak: float
    clipped: float


def read(path: Path, rate: int) -> Decoded:
    """Decode `path` to mono int16 at `rate` Hz.

    Channels are averaged, resampling is soxr's HQ, rounding is to the nearest even and saturates. 16-bit mono at `rate`
    comes back bit for bit. Raises AudioFault, and StorageError where no more files can be opened.
    """
    with _opened(path) as file:
        try:
            if os.fstat(file.fileno()).st_size == 0:
                raise AudioFault("empty: zero bytes")
            return _decoded(containers.checked(file), rate)
        except containers.ContainerFault as error:
            raise AudioFault(str(error)) from error
        except soundfile.SoundFileError as error:
            raise AudioFault(f"cannot be decoded: {_decoder_text(error)}") from error
        except OSError as error:
            refuse_if_too_many_open(path, error)
            raise Unreadable(f"cannot be read: {error.strerror}") from error


def _opened(path: Path) -> BinaryIO:
    """Open by descriptor: libsndfile sees no name, from whose ending it would guess (text.au as headerless mu-law)."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):  # opening a pipe would wait for ever
            return path.open("rb", buffering=0)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Unreadable("is a link to nothing" if path.is_symlink() else MISSING) from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        refuse_if_too_many_open(path, error)
        raise Unreadable(f"cannot be opened: {getattr(error, 'strerror', error)}") from error
    raise Unreadable("is a folder" if stat.S_ISDIR(mode) else "is no regular file")


def _decoded(stream: BinaryIO, rate: int) -> Decoded:
    source = stream if isinstance(stream, io.BytesIO) else stream.fileno()
    with _Sequential(source, closefd=False) as file:
        original, channels = int(file.samplerate), int(file.channels)
        if file.format not in FORMATS:
            raise AudioFault(f"format {file.format} is not read: convert it to WAV or FLAC")
        if not RATES[0] <= original <= RATES[1]:
            raise AudioFault(f"its header states a rate of {original:,} Hz")
        parts, peak, frames = [], 0.0, 0
        exact = file.subtype == "PCM_16"  # read as it is: libsndfile takes longer to make floats of it than NumPy
        convert = _as_stored if exact and channels == 1 and original == rate else _converter(original, rate)
        for block, last in _blocks(file, "int16" if exact else "float32"):
            frames += len(block)
            part, highest = convert(block, last)
            peak = max(peak, highest)
            parts.append(part)
        if frames < file.frames < _UNKNOWN_FRAMES:
            raise AudioFault(f"its header promises {file.frames:,} frames, {frames:,} could be decoded")
    samples = np.concatenate(parts)
    if not len(samples):
        raise AudioFault(f"empty: {frames} frames at {original:,} Hz")
    ends = np.count_nonzero(samples == FULL_SCALE - 1) + np.count_nonzero(samples == -FULL_SCALE)
    return Decoded(samples, original, frames / original, channels, peak, float(ends / len(samples)))


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]
    """Read from front to back: soundfile seeks after every read, which a FLAC stream of unstated length cannot."""

    def seekable(self) -> bool:
        return False


def _blocks(file: soundfile.SoundFile, dtype: str) -> Iterator[tuple[NDArray[Any], bool]]:
    """Blocks of (frame, channel), each with whether it is the last; at least one, which may be empty."""
    room = max(1, BLOCK_SAMPLES // file.channels)
    block = file.read(min(room, file.frames), dtype=dtype, always_2d=True)
    while len(block) == room:
        following = file.read(room, dtype=dtype, always_2d=True)
        yield block, not len(following)
        if not len(following):
            return
        block = following
    yield block, True


def _as_stored(block: NDArray[np.int16], last: bool) -> tuple[NDArray[np.int16], float]:
    """(samples, peak) of a block that is already what the store keeps."""
    return block[:, 0], _peak(block[:, 0]) / FULL_SCALE


def _converter(original: int, rate: int) -> Callable[[NDArray[Any], bool], tuple[NDArray[np.int16], float]]:
    """A function (block, is last) -> (samples, peak) that mixes down, resamples and rounds."""
    resample = _resampler(original, rate)

    def convert(block: NDArray[Any], last: bool) -> tuple[NDArray[np.int16], float]:
        waveform = resample(_mono(block), last)
        peak = _peak(waveform)  # first: it finds what cannot be rounded
        return _rounded(waveform), peak

    return convert


def _mono(block: NDArray[Any]) -> Waveform:
    """Average the channels of (frame, channel) float32 or int16; the latter to the bits of the former.

    Raises AudioFault for samples that are not finite: resampling would spread them.
    """
    channels = block.shape[1]
    weight = 1 / channels if block.dtype == np.float32 else 1 / channels / FULL_SCALE
    mono: Waveform = block[:, 0].astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for channel in range(1, channels):  # a product with the weights would start BLAS threads in every thread
            mono += block[:, channel]
        if weight != 1:
            mono *= np.float32(weight)
    if block.dtype == np.float32 and not np.isfinite(mono).all() and not np.isfinite(block).all():
        raise AudioFault("holds samples that are not finite (NaN or infinity)")
    return mono


def _resampler(original: int, rate: int) -> Callable[[Waveform, bool], Waveform]:
    """A function (block, is last) -> block at `rate`; one block alone takes soxr's quicker path, to the same bits."""
    if original == rate:
        return lambda waveform, last: waveform
    stream: soxr.ResampleStream | None = None

    def resample(waveform: Waveform, last: bool) -> Waveform:
        nonlocal stream
        if stream is None and last:
            if not len(waveform):
                return waveform
            whole: Waveform = soxr.resample(waveform, original, rate, quality="HQ")
            return whole
        if stream is None:
            stream = soxr.ResampleStream(original, rate, 1, dtype="float32", quality="HQ")
        part: Waveform = stream.resample_chunk(waveform, last=last)
        return part

    return resample


def _peak(waveform: NDArray[Any]) -> float:
    if not len(waveform):
        return 0.0
    peak = max(float(waveform.max()), -float(waveform.min()))
    if not np.isfinite(peak):
        raise AudioFault("holds samples beyond the range of 32-bit floats")
    return peak


def _rounded(waveform: Waveform) -> NDArray[np.int16]:
    with np.errstate(over="ignore"):  # saturates
        scaled = waveform * np.float32(FULL_SCALE)
    np.rint(scaled, out=scaled)
    return np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1, out=scaled).astype(np.int16)


def _decoder_text(error: soundfile.SoundFileError) -> str:
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    return str(text).removeprefix("Error : ").rstrip(". ").strip()
