"""Bringing a store up to date: which clips are missing or older than their sources, and decoding those in threads.

Decoding and resampling release the interpreter lock, so threads keep all cores busy; what they decode is written in the
clips' order, so the file is the same for any number of threads. The caller holds the store's lock.

A source counts as changed by its size, else by its time of change and then by the CRC-32 of its bytes: a dataset that
was merely copied or touched is read, not decoded. CRC-32 and not a longer hash, since it asks only whether a file of
the same name and size is the same: it costs a tenth of decoding a 44.1 kHz stereo WAV and a hundredth of decoding FLAC
or MP3; BLAKE2 would cost five times as much.
"""

import hashlib
import os
import stat
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evar.base.errors import DataError
from evar.base.files import storage_errors
from evar.base.progress import progress
from evar.base.threads import Threads, in_order, pieces
from evar.data import audio, containers, ffmpeg, sample_file
from evar.data.containers import Containers
from evar.data.opening import ClipFault, Decoded, Unreadable
from evar.data.promised import Promised
from evar.data.sample_file import FACTS, Appender, SampleFile

NO_FILE = (-1, -1)  # the signature of what cannot be opened
CLIPS_A_TASK = 4  # of a thread, which wait for each other little; each thread has one under way and one done
_UNUSABLE = ("", 0, 0.0, 0, 0.0, 0.0, 0.0)  # the facts of a clip that cannot be decoded
_READ_BYTES = 1 << 20

Signature = tuple[int, int]
Entry = dict[str, Any]


def stale(samples: SampleFile | None, sources: Sequence[str]) -> list[int]:
    """Rows that are not there, or whose source is not what it was (size and time of change) when it was decoded.

    Those that waited for ffmpeg too, once it is installed.
    """
    if samples is None:
        return list(range(len(sources)))
    columns = samples.columns
    then = zip(columns["size"].tolist(), columns["ctime_ns"].tolist(), strict=True)
    known = zip(sources, then, columns["length"].tolist(), strict=True)
    changed = [row for row, (source, was, n) in enumerate(known) if n == sample_file.ABSENT or signature(source) != was]
    waiting = np.flatnonzero((columns["decoder"] != "") & (columns["reason"] != "")).tolist()
    return sorted({*changed, *waiting}) if waiting and ffmpeg.installed() else changed


def finish(
    folder: Path, sources: Sequence[str], rate: int, modality: str, promised: Promised | None, *, workers: int
) -> int:
    """Decode what is not there or changed; gives how many clips that were. What is decoded stays, whatever ends it.

    What a changed source leaves behind in the file is freed once it outweighs the rest: then all is decoded anew.
    promised: how long they are; then the room for them is looked for before anything is decoded. Raises StorageError
    where the disk refuses or surely has too little room.
    """
    samples = sample_file.read(folder, len(sources))
    if samples is not None and samples.end > 2 * samples.live:
        samples = None
    rows = stale(samples, sources)
    if not rows and samples is not None:  # another process did it meanwhile
        return 0
    if promised is not None:
        with storage_errors(folder):
            promised.require_room(_new(samples, rows, sources), rate, folder, _spare(folder, samples))

    inside = Containers()

    def decode(row: int) -> tuple[int, Entry, NDArray[np.int16] | None]:
        if (kept := _unchanged(samples, row, sources[row], inside)) is not None:
            return row, kept, None
        return row, *_decoded(sources[row], rate, modality, inside)

    with (
        inside,
        progress("prepare", total=len(sources), unit="clip", initial=len(sources) - len(rows)) as advance,
        Appender(folder, samples) as appender,
        Threads(max(1, workers), thread_name_prefix="prepare") as pool,
    ):
        try:
            parts = [rows[part] for part in pieces(len(rows), CLIPS_A_TASK)]
            for decoded in in_order(pool, max(1, workers), lambda part: [decode(row) for row in part], parts):
                for row, entry, waveform in decoded:
                    if waveform is None:
                        appender.keep(row, entry)
                    else:
                        appender.add(row, waveform, entry)
                    advance(1)
        finally:
            pool.shutdown(cancel_futures=True)
    return len(rows)


def signature(source: str) -> Signature:
    """Size in bytes and time of change in ns; NO_FILE for what is missing, a folder, or not to be read.

    Of a clip inside a file, that file's.
    """
    try:
        status = os.stat(source)  # noqa: PTH116  a Path for every clip of a large dataset takes longer than the call
    except NotADirectoryError:
        return NO_FILE if (file := containers.outer(source)) == source else signature(file)
    except (OSError, ValueError):
        return NO_FILE
    if not stat.S_ISREG(status.st_mode) or not os.access(source, os.R_OK):
        return NO_FILE
    return status.st_size, status.st_ctime_ns


def content_hash(samples: NDArray[np.int16]) -> str:
    """Hash of a clip's samples (sample,), in hexadecimal: what the clip is, wherever it lies."""
    return hashlib.blake2b(np.ascontiguousarray(samples).data, digest_size=16).hexdigest()


def _new(samples: SampleFile | None, rows: Sequence[int], sources: Sequence[str]) -> list[int]:
    """Those of the rows that will take room: their source is there, and not of the size of what was decoded from it."""
    had = np.full(len(sources), NO_FILE[0])
    if samples is not None:
        known = (samples.columns["length"] != sample_file.ABSENT) & (samples.columns["crc"] >= 0)
        had[known] = samples.columns["size"][known]
    return [row for row in rows if signature(sources[row])[0] not in (NO_FILE[0], had[row])]


def _spare(folder: Path, samples: SampleFile | None) -> int:
    """Bytes that appending frees first: files of samples that are begun anew, or what lies behind the last clip."""
    return sum(file.stat().st_size for file in folder.glob("samples-*.bin")) - (samples.end if samples else 0)


def _unchanged(samples: SampleFile | None, row: int, source: str, inside: Containers) -> Entry | None:
    """The row's entry under the source's new time of change, where the source holds what it held when decoded."""
    entry = samples.entry(row) if samples is not None else None
    if entry is None or entry["crc"] < 0:
        return None
    size, ctime_ns = signature(source)
    if (size, ctime_ns) == NO_FILE or size != entry["size"] or _crc(source, inside) != entry["crc"]:
        return None
    return {**entry, "ctime_ns": ctime_ns}


def _decoded(source: str, rate: int, modality: str, inside: Containers) -> tuple[Entry, NDArray[np.int16]]:
    """A clip's entry, and its samples; none where it cannot be used, which the entry's reason says."""
    before, crc = signature(source), -1
    try:
        clip = _decoder(modality)(Path(source), rate, inside)
    except ClipFault as fault:
        decoder = ffmpeg.NAME if isinstance(fault, audio.NeedsFfmpeg) else ""
        facts: tuple[Any, ...] = (*_UNUSABLE, decoder, str(fault))
        samples, heals = np.empty(0, np.int16), isinstance(fault, Unreadable)
    else:
        samples, heals = clip.samples, False
        facts = (content_hash(samples), clip.original_rate, clip.duration, clip.channels)
        facts += (clip.peak, clip.clipped, clip.lacking, clip.decoder, "")
        crc = _crc(source, inside)  # after decoding: what is refused by its size is not read
    # looked at again the next time: what changed meanwhile, and what could not be read, as soon as it can be
    size, ctime_ns = NO_FILE if heals or signature(source) != before else before
    return {**dict(zip(FACTS, facts, strict=True)), "size": size, "ctime_ns": ctime_ns, "crc": crc}, samples


def _decoder(modality: str) -> Callable[[Path, int, Containers], Decoded]:
    if modality == "audio":
        return audio.read
    from evar.data import image  # Pillow is there for those who have images

    return image.read


def _crc(source: str, inside: Containers) -> int:
    """CRC-32 of a clip's bytes; -1 for what cannot be read."""
    crc = 0
    try:
        with inside.open(source) or open(source, "rb", buffering=0) as file:  # noqa: PTH123  as in `signature`
            while block := file.read(_READ_BYTES):
                crc = zlib.crc32(block, crc)
    except (OSError, ValueError, DataError):
        return -1
    return crc
