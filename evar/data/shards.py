"""One shard of a prepared store: a flat file of samples and the index that says it is finished.

shard-00000-<hash>.pcm   int16, little-endian, the clips of the shard one after the other; the hash is of the contents
shard-00000.json         the index: a list a column, an entry a clip; written last, so its presence means finished

The samples' file carries its contents in its name: a reader that holds an older index can find the old samples or none,
never others. Rates in Hz, durations in seconds, offsets and lengths in samples.

A source is told to have changed by its size, else by its time of change and then by the CRC-32 of its bytes: a dataset
that was merely copied or touched is read, not decoded. CRC-32 and not a longer hash, since it asks only whether a file
of the same name and size is the same: it costs a tenth of decoding a 44.1 kHz stereo WAV and a hundredth of decoding
FLAC or MP3; BLAKE2 would cost five times as much.
"""

import hashlib
import json
import os
import stat
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evar.data import audio
from evar.errors import StorageError
from evar.files import atomic_path, storage_errors, write_atomic

CLIPS = 64  # a shard: small enough that threads share a small dataset, large enough for few files
NO_FILE = (-1, -1)  # the signature of what cannot be opened
COLUMNS = (
    "offset",
    "length",
    "content",
    "original_rate",
    "duration",
    "channels",
    "peak",
    "clipped",
    "reason",
    "size",
    "ctime_ns",
    "crc",
)
Columns = dict[str, list[Any]]
Signature = tuple[int, int]
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Shard:
    """A finished shard: its samples' file, how many samples that holds, and the index by column."""

    pcm: Path
    total: int
    columns: Columns

    def fresh(self, sources: Sequence[str]) -> bool:
        """Whether every source is what it was when the shard was written (size and time of change)."""
        then = zip(self.columns["size"], self.columns["ctime_ns"], strict=True)
        return all(signature(source) == written for source, written in zip(sources, then, strict=True))

    def unchanged(self, sources: Sequence[str]) -> list[Signature | None]:
        """For each source its signature now where it holds what it held then, else None."""
        then = zip(self.columns["size"], self.columns["ctime_ns"], self.columns["crc"], strict=True)
        return [_unchanged(source, *written) for source, written in zip(sources, then, strict=True)]

    def clip(self, row: int) -> tuple[dict[str, Any], NDArray[np.int16]]:
        """The entry of one clip, and its samples."""
        entry = {name: self.columns[name][row] for name in COLUMNS}
        return entry, self.mapped()[entry["offset"] : entry["offset"] + entry["length"]]

    def mapped(self) -> NDArray[np.int16]:
        """All samples, memory-mapped. Raises StorageError where the file is gone or has another size."""
        try:
            if self.total == 0:
                return np.empty(0, np.int16)
            return np.memmap(self.pcm, dtype="<i2", mode="r", shape=(self.total,))
        except (OSError, ValueError) as error:
            raise StorageError(f"{self.pcm} changed while it was in use: run again") from error


def signature(source: str) -> Signature:
    """Size in bytes and time of change in ns; NO_FILE for what is missing, a folder, or not to be read."""
    try:
        status = os.stat(source)  # noqa: PTH116  a Path for every clip of a large dataset takes longer than the call
    except (OSError, ValueError):
        return NO_FILE
    if not stat.S_ISREG(status.st_mode) or not os.access(source, os.R_OK):
        return NO_FILE
    return status.st_size, status.st_ctime_ns


def content_hash(samples: NDArray[np.int16]) -> str:
    """Hash of a clip's samples (sample,), in hexadecimal."""
    return hashlib.blake2b(np.ascontiguousarray(samples).data, digest_size=16).hexdigest()


def load(folder: Path, number: int, clips: int) -> Shard | None:
    """The finished shard of that number, or None where it is absent, damaged or not of so many clips."""
    try:
        index = json.loads(_index_path(folder, number).read_bytes())
        pcm, columns, total = folder / index["pcm"], index["clips"], index["samples"]
        whole = pcm.stat().st_size == total * 2 and all(len(columns[name]) == clips for name in COLUMNS)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Shard(pcm, total, columns) if whole else None


def write(
    folder: Path,
    number: int,
    sources: Sequence[str],
    rate: int,
    on_clip: Callable[[], None],
    before: Shard | None = None,
) -> Shard:
    """Decode `sources` in order and put the finished shard in place. `on_clip` is called after each; it may raise.

    before: the shard that stood there; what has not changed since is taken from it. A source that cannot be used has
    length 0 and its reason. Raises StorageError.
    """
    kept = before.unchanged(sources) if before is not None else [None] * len(sources)
    if before is not None and None not in kept:
        return _renewed(folder, number, before, kept, on_clip)
    columns: Columns = {name: [] for name in COLUMNS}
    offset = 0
    # named in full once its contents, and so their hash, are known
    unnamed = folder / f"shard-{number:05d}.pcm"
    with atomic_path(unnamed) as temporary, temporary.open("wb") as file:
        for row, source in enumerate(sources):
            now = kept[row]
            entry, samples = before.clip(row) if before is not None and now is not None else _entry(source, rate)
            if now is not None:
                entry["size"], entry["ctime_ns"] = now
            for name in COLUMNS:
                columns[name].append(offset if name == "offset" else entry[name])
            file.write(samples.data)
            offset += len(samples)
            on_clip()
    digest = hashlib.blake2b(json.dumps(columns["content"]).encode(), digest_size=6)
    pcm = folder / f"shard-{number:05d}-{digest.hexdigest()}.pcm"
    with storage_errors(pcm):
        unnamed.replace(pcm)
    return _put_index(folder, number, Shard(pcm, offset, columns))


def _renewed(
    folder: Path, number: int, shard: Shard, signatures: Sequence[Signature | None], on_clip: Callable[[], None]
) -> Shard:
    """The same samples under the sources' new times of change."""
    sizes, times = zip(*filter(None, signatures), strict=True)
    for _ in signatures:
        on_clip()
    columns = {**shard.columns, "size": list(sizes), "ctime_ns": list(times)}
    return _put_index(folder, number, replace(shard, columns=columns))


def _put_index(folder: Path, number: int, shard: Shard) -> Shard:
    content = {"pcm": shard.pcm.name, "samples": shard.total, "clips": shard.columns}
    write_atomic(_index_path(folder, number), json.dumps(content))
    return shard


def _index_path(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}.json"


def _entry(source: str, rate: int) -> tuple[dict[str, Any], NDArray[np.int16]]:
    """The index entry of one clip but its offset, and its samples as little-endian int16."""
    # all three before decoding: a file that changes meanwhile counts as changed
    size, ctime_ns = signature(source)
    told = {"size": size, "ctime_ns": ctime_ns, "crc": -1 if size < 0 else _crc(source)}
    entry = {
        "length": 0,
        "content": "",
        "original_rate": 0,
        "duration": 0.0,
        "channels": 0,
        "peak": 0.0,
        "clipped": 0.0,
    }
    try:
        decoded = audio.read(Path(source), rate)
    except audio.AudioFault as fault:
        if isinstance(fault, audio.Unreadable):  # tried again as soon as there is a file to be read
            told["size"], told["ctime_ns"] = NO_FILE
        return {**entry, **told, "reason": str(fault)}, np.empty(0, np.int16)
    samples = decoded.samples.astype("<i2", copy=False)
    entry = {
        "length": len(samples),
        "content": content_hash(samples),
        "original_rate": decoded.original_rate,
        "duration": decoded.duration,
        "channels": decoded.channels,
        "peak": decoded.peak,
        "clipped": decoded.clipped,
    }
    return {**entry, **told, "reason": ""}, samples


def _unchanged(source: str, size: int, ctime_ns: int, crc: int) -> Signature | None:
    now = signature(source)
    if now == (size, ctime_ns):
        return now
    return now if now != NO_FILE and now[0] == size and _crc(source) == crc else None


def _crc(source: str) -> int:
    """CRC-32 of a file's bytes; -1 for what cannot be read."""
    crc = 0
    try:
        with open(source, "rb", buffering=0) as file:  # noqa: PTH123  as in `signature`
            while block := file.read(_READ_BYTES):
                crc = zlib.crc32(block, crc)
    except (OSError, ValueError):
        return -1
    return crc
