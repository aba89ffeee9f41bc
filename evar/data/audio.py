"""Opening audio: decode, check, mix down, resample, round to 16 bits. The only door to soundfile and soxr.

WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF, AU, CAF, W64 and NIST Sphere become mono at one rate; M4A, WebM and others
too where ffmpeg is installed. A file decodes whole, or a ClipFault says why not: nothing in between, and no other
exception. What decodes to what cannot have been recorded is a fault as well: integers that were scaled wrong, or sound
that is gone once the channels are one.
Conventions: waveforms are float32 in [-1, 1] until the end, then int16 with 1.0 = 32768. Decoding goes block by block:
memory holds a few blocks of the original, and the mono result, twice while its parts are joined. On top comes the file
itself, as it is on the disk and once, while an Ogg or MP3 file is checked, and to the end of decoding where the decoder
needs a copy: MP3 inside WAV, without a tag or with a wrong one; FLAC inside Ogg; WAV, RF64 and AU whose stream never
learnt its length.
"""

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from evar.data import ffmpeg, lengths
from evar.data.containers import Containers
from evar.data.opening import ClipFault, Decoded, Unreadable, faults, opened

BLOCK_SAMPLES = 1 << 20  # 4 MiB of float32, all channels together
FULL_SCALE = 32768  # of int16
FORMATS = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "NIST", "FLAC", "OGG", "MP3")  # whose end is known
TOLERANCE_SECONDS = 0.05  # what lacks so little of its promise, and no more than a tenth, is whole: headers miscount
RATES = (1_000, 1_000_000)  # Hz; beyond, a header is broken
MOST_SAMPLES = 1 << 28  # of a clip at its new rate: 512 MiB, 4.7 hours at 16 kHz
LOUDEST = 100.0  # no sound is 40 dB above full scale
QUIET_PEAK = 2**-8  # -48 dB of full scale: of 16 bits, 8 are left; 24 bits taken for 32 stay below
LOST = 100.0  # by so much (40 dB) quieter than the file itself, a clip has lost its sound
_RARE_ENCODING = (4, 18, 64)  # libsndfile's numbers for one that it does not know; 64: of WAV
_UNKNOWN_FRAMES = 1 << 40  # a length that no file has: the header of a stream

Waveform = NDArray[np.float32]
T = TypeVar("T")


class NeedsFfmpeg(ClipFault):
    """Of a kind that only ffmpeg reads, which is not installed."""


def read(path: Path, rate: int, inside: Containers | None = None) -> Decoded:
    """Decode `path` to mono int16 at `rate` Hz. inside: opens clips that lie inside files.

    Channels are averaged, resampling is soxr's HQ, rounding is to the nearest even and saturates. 16-bit mono at `rate`
    comes back bit for bit. Raises ClipFault, and StorageError where no more files can be opened.
    """
    return _read(
        path, inside, lambda sound: _decoded(sound, rate), lambda file, kind: _decoded_by_ffmpeg(file, kind, rate)
    )


def glance(path: Path) -> None:
    """Raise the ClipFault of `read` where it shows without decoding; what is cut inside FLAC does not, for one."""
    _read(path, None, _glanced_at, lambda file, kind: None)


def _read(
    path: Path,
    inside: Containers | None,
    with_soundfile: Callable[[lengths.Sound], T],
    with_ffmpeg: Callable[[BinaryIO, ffmpeg.Kind], T],
) -> T:
    """What the reader of a file's kind makes of it. Raises ClipFault, and StorageError as `read` does."""
    with faults(path), _soundfile_errors(), opened(path, inside) as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise ClipFault("empty: zero bytes")
        kind = ffmpeg.kind_of(file)
        if kind is None:
            sound = lengths.promised(file)
            try:
                return with_soundfile(sound)
            except soundfile.LibsndfileError as error:
                kind = ffmpeg.kind_of(file, ffmpeg.CONTAINERS) if error.code in _RARE_ENCODING else None
                if kind is None:
                    raise
        if not ffmpeg.installed():
            raise NeedsFfmpeg(f"is {kind.name}, for which ffmpeg is needed: install it, or convert: {ffmpeg.CONVERT}")
        return with_ffmpeg(file, kind)


@contextlib.contextmanager
def _soundfile_errors() -> Iterator[None]:
    """Turn what soundfile raises into a ClipFault."""
    try:
        yield
    except soundfile.SoundFileError as error:
        text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
        raise ClipFault(f"cannot be decoded: {str(text).removeprefix('Error : ').rstrip('. ').strip()}") from error


def _decoded_by_ffmpeg(file: BinaryIO, kind: ffmpeg.Kind, rate: int) -> Decoded:
    try:
        with ffmpeg.Run(file, kind) as run:
            decoded = _decoded(lengths.Sound(run.output), rate)
    except (soundfile.SoundFileError, ClipFault):
        _check(run)  # its word says more
        raise
    _check(run)
    original = decoded.original_rate
    frames, promise = round(decoded.duration * original), round(run.promised * original)
    return replace(decoded, lacking=_lacking(promise, frames, original, run.tolerance), decoder=run.decoder)


def _check(run: ffmpeg.Run) -> None:
    if run.stopped:
        raise Unreadable(run.stopped)
    if run.error:
        raise ClipFault(f"cannot be decoded by ffmpeg: {run.error}")


def _decoded(sound: lengths.Sound, rate: int) -> Decoded:
    with _sound_file(sound) as file:
        original, channels = int(file.samplerate), int(file.channels)
        stated, most = file.frames if file.frames < _UNKNOWN_FRAMES else 0, MOST_SAMPLES * original // rate
        parts, peak, loudest, frames = [], 0.0, 0.0, 0
        exact = file.subtype == "PCM_16"  # read as it is: libsndfile takes longer to make floats of it than NumPy
        convert = _as_stored if exact and channels == 1 and original == rate else _converter(original, rate)
        if stated <= most:
            for block, last in _blocks(file, "int16" if exact else "float32"):
                frames += len(block)
                part, highest = convert(block, last)
                peak = max(peak, highest)
                parts.append(part)
                if peak <= QUIET_PEAK:  # few clips are, so the others pay nothing
                    loudest = max(loudest, _peak(block) / (FULL_SCALE if exact else 1))
                if frames > most:
                    break
        if max(frames, stated) > most:
            hours = stated / original / 3600
            what = f"its header promises {hours:,.1f} hours" if stated > most else "its stream does not end"
            raise ClipFault(f"{what}, at most {MOST_SAMPLES / rate / 3600:.1f} hours are read: divide it")
        lacking = _lacking(sound.promise(frames, stated), frames, original, TOLERANCE_SECONDS)
    samples = np.concatenate(parts)
    if not len(samples):
        raise ClipFault(f"empty: {frames} frames at {original:,} Hz")
    _refuse_wrong_scale(peak, loudest, file.subtype)
    ends = np.count_nonzero(samples == FULL_SCALE - 1) + np.count_nonzero(samples == -FULL_SCALE)
    clipped = float(ends / len(samples))
    return Decoded(samples, original, frames / original, channels, peak, clipped, lacking)


def _glanced_at(sound: lengths.Sound) -> None:
    with _sound_file(sound) as file:
        _lacking(sound.promise(file.frames, 0), file.frames, file.samplerate, TOLERANCE_SECONDS)


def _sound_file(sound: lengths.Sound) -> "_Sequential":
    """The stream, open. Raises ClipFault for what is not read."""
    source = sound.stream if isinstance(sound.stream, io.BytesIO) else sound.stream.fileno()
    file = _Sequential(source, closefd=False)
    if file.format not in FORMATS:
        raise ClipFault(f"format {file.format} is not read, since its end is unknown: convert it: {ffmpeg.CONVERT}")
    if not RATES[0] <= file.samplerate <= RATES[1]:
        raise ClipFault(f"its header states a rate of {file.samplerate:,} Hz")
    return file


def _lacking(promised: int, frames: int, rate: int, tolerance: float) -> float:
    """Seconds by which `frames` fall short of what was promised. Raises ClipFault where they are too many."""
    if promised - frames > min(tolerance * rate, promised / 10):
        promise, length = promised / rate, frames / rate
        raise ClipFault(f"its header promises {promise:,.3f} s, {length:,.3f} s could be decoded")
    return max(0, promised - frames) / rate


def _refuse_wrong_scale(peak: float, loudest: float, subtype: str) -> None:
    """Raise ClipFault for what cannot have been recorded like this.

    loudest: the largest magnitude in the file itself, where `peak`, that of the result, is low.
    """
    if peak > LOUDEST:
        raise ClipFault(f"its samples reach {peak:,.0f} times full scale: integers written as floats, convert it anew")
    if subtype == "PCM_32" and QUIET_PEAK**2 <= loudest <= QUIET_PEAK:
        raise ClipFault(f"its samples of 32 bits reach {loudest:.5f} of full scale: 24 bits in the wrong place")
    if peak <= QUIET_PEAK and loudest > LOST * peak:
        raise ClipFault(
            f"its sound is lost in one channel at this rate: peak {loudest:.4f} before, {peak:.4f} after; its channels "
            "cancel each other, or all of it is above half the rate"
        )


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

    Raises ClipFault for samples that are not finite: resampling would spread them.
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
        raise ClipFault("holds samples that are not finite (NaN or infinity)")
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
        raise ClipFault("holds samples beyond the range of 32-bit floats")
    return peak


def _rounded(waveform: Waveform) -> NDArray[np.int16]:
    with np.errstate(over="ignore"):  # saturates
        scaled = waveform * np.float32(FULL_SCALE)
    np.rint(scaled, out=scaled)
    return np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1, out=scaled).astype(np.int16)
