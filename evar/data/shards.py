"""One shard of a prepared store: a flat file of samples and the index that says it is finished.

shard-00000-<hash>.pcm   int16, little-endian, the clips of the shard one after the other; the hash is of the contents
shard-00000.json         the index: a list a column, an entry a clip; written last, so its presence means finished

The samples' file carries its contents in its name: a reader that holds an older index can find the old samples or none,
never others. Rates in Hz, durations in seconds, offsets and lengths in samples.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    "mtime_ns",
)
Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class Shard:
    """A finished shard: its samples' file, how many samples that holds, and the index by column."""

    pcm: Path
    total: int
    columns: Columns

    def fresh(self, sources: Sequence[str]) -> bool:
        """Whether every source is what it was when the shard was written (size and time of change)."""
        then = zip(self.columns["size"], self.columns["mtime_ns"], strict=True)
        return all(signature(source) == written for source, written in zip(sources, then, strict=True))

    def mapped(self) -> NDArray[np.int16]:
        """All samples, memory-mapped. Raises StorageError where the file is gone or has another size."""
        try:
            if self.total == 0:
                return np.empty(0, np.int16)
            return np.memmap(self.pcm, dtype="<i2", mode="r", shape=(self.total,))
        except (OSError, ValueError) as error:
            raise StorageError(f"{self.pcm} changed while it was in use: run again") from error


def signature(source: str) -> tuple[int, int]:
    """Size in bytes and time of change in ns; NO_FILE for what is missing, a folder, or not to be read."""
    try:
        status = os.stat(source)  # noqa: PTH116  a Path for every clip of a large dataset takes longer than the call
    except (OSError, ValueError):
        return NO_FILE
    if not stat.S_ISREG(status.st_mode) or not os.access(source, os.R_OK):
        return NO_FILE
    return status.st_size, status.st_mtime_ns


def load(folder: Path, number: int, clips: int) -> Shard | None:
    """The finished shard of that number, or None where it is absent, damaged or not of so many clips."""
    try:
        index = json.loads(_index_path(folder, number).read_bytes())
        pcm, columns, total = folder / index["pcm"], index["clips"], index["samples"]
        whole = pcm.stat().st_size == total * 2 and all(len(columns[name]) == clips for name in COLUMNS)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Shard(pcm, total, columns) if whole else None


def write(folder: Path, number: int, sources: Sequence[str], rate: int, on_clip: Callable[[], None]) -> Shard:
    """Decode `sources` in order and put the finished shard in place. `on_clip` is called after each; it may raise.

    A source that cannot be used has length 0 and its reason. Raises StorageError.
    """
    columns: Columns = {name: [] for name in COLUMNS}
    digest = hashlib.blake2b(digest_size=6)
    offset = 0
    # named in full once its contents, and so their hash, are known
    unnamed = folder / f"shard-{number:05d}.pcm"
    with atomic_path(unnamed) as temporary, temporary.open("wb") as file:
        for source in sources:
            entry, samples = _entry(source, rate)
            for name in COLUMNS:
                columns[name].append(offset if name == "offset" else entry[name])
            digest.update(samples.data)
            file.write(samples.data)
            offset += len(samples)
            on_clip()
    pcm = folder / f"shard-{number:05d}-{digest.hexdigest()}.pcm"
    with storage_errors(pcm):
        unnamed.replace(pcm)
    write_atomic(_index_path(folder, number), json.dumps({"pcm": pcm.name, "samples": offset, "clips": columns}))
    return Shard(pcm, offset, columns)


def _index_path(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}.json"


def _entry(source: str, rate: int) -> tuple[dict[str, Any], NDArray[np.int16]]:
    """The index entry of one clip but its offset, and its samples as little-endian int16."""
    size, mtime_ns = signature(source)  # before reading: a file that changes meanwhile counts as changed
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
            size, mtime_ns = NO_FILE
        return {**entry, "reason": str(fault), "size": size, "mtime_ns": mtime_ns}, np.empty(0, np.int16)
    samples = decoded.samples.astype("<i2", copy=False)
    entry = {
        "length": len(samples),
        "content": hashlib.blake2b(samples.data, digest_size=16).hexdigest(),
        "original_rate": decoded.original_rate,
        "duration": decoded.duration,
        "channels": decoded.channels,
        "peak": decoded.peak,
        "clipped": decoded.clipped,
    }
    return {**entry, "reason": "", "size": size, "mtime_ns": mtime_ns}, samples
