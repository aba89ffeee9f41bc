"""The samples of all clips of a store in one file that only grows, and a journal of what lies where in it.

    samples = read(folder, clips=1000)            # None where there is nothing yet
    with Appender(folder, samples) as appender:
        appender.add(7, waveform, facts)          # clip 7: its samples, and a value for each of FACTS
    read(folder, clips=1000).clip(7)              # a read-only view of the disk

FOLDER/samples.jsonl   a line with the fields and the name of the samples' file, then a line for each group of clips
FOLDER/samples-1.bin   16-bit samples, clip after clip

A group counts once its line is there, and the line is written after its samples have reached the disk: whatever ends a
run, finished groups stay. Each line begins with its own xxh3_64, so a torn or damaged one counts for nothing, and holds
the xxh3_128 of each clip. Later lines replace earlier ones, and the samples' file only grows: who has read the journal
keeps its clips, whatever is appended meanwhile. One file, whatever the number of clips, is one open file.
"""

import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import xxhash
from numpy.typing import NDArray

from evar.base.errors import StorageError
from evar.base.files import hold, open_regular, refuse_if_too_many_open, storage_errors, write_atomic

JOURNAL = "samples.jsonl"
GROUP_SECONDS = 1.0  # a line of the journal is written so often: little is lost by a kill, little time by writing
GROUP_CLIPS = 4096  # and after so many clips or bytes
GROUP_BYTES = 1 << 26
SAMPLE = np.dtype("<i2")
PLACE = {"offset": "i8", "length": "i8", "checksum": "S32"}  # bytes into the file, samples, xxh3_128
FACTS = {
    "content": "O",
    "original_rate": "i8",
    "duration": "f8",
    "channels": "i8",
    "peak": "f8",
    "clipped": "f8",
    "lacking": "f8",
    "decoder": "O",
    "reason": "O",
}
SOURCE = {"size": "i8", "ctime_ns": "i8", "crc": "i8"}
FIELDS = PLACE | FACTS | SOURCE
"""What is kept of each clip -> dtype of its column. FACTS are explained by `Store`, SOURCE by `store_writer`."""
ABSENT = -1  # the length of a clip that is not there

Samples = NDArray[np.int16]


def samples_of(modality: str, seconds: float, rate: int) -> int:
    """How many samples a clip of `seconds` takes at `rate` Hz, or an image of `rate` pixels a side: 3 bytes a pixel."""
    return round(seconds * rate) if modality == "audio" else 3 * rate * rate // SAMPLE.itemsize


@dataclass(frozen=True, eq=False)
class SampleFile:
    """The clips of a journal.

    columns: {field: (clip,)}; end: bytes of the file that the journal accounts for.
    """

    data: Path
    columns: dict[str, NDArray[Any]]
    end: int
    _mapped: list[NDArray[np.uint8]] = field(default_factory=list, repr=False)

    @property
    def live(self) -> int:
        """Bytes of the file that clips still use."""
        return int(np.maximum(self.columns["length"], 0).sum()) * SAMPLE.itemsize

    @property
    def whole(self) -> bool:
        """Whether every clip is there."""
        return not (self.columns["length"] == ABSENT).any()

    def entry(self, clip: int) -> dict[str, Any] | None:
        """The clip's fields as `Appender.keep` takes them; None where it is not there."""
        if self.columns["length"][clip] == ABSENT:
            return None
        entry = {name: column[clip : clip + 1].tolist()[0] for name, column in self.columns.items()}
        return entry | {"checksum": entry["checksum"].decode()}

    def hold(self) -> NDArray[np.uint8]:
        """Map the file now: what is mapped stays readable when the file is deleted, and `evar cache prune` leaves it.

        Gives its bytes. Raises StorageError.
        """
        if not self._mapped:
            try:
                with open_regular(self.data) as file:
                    hold(file)
                    whole = np.memmap(file, np.uint8, "r", shape=(self.end,)) if self.end else np.empty(0, np.uint8)
            except (OSError, ValueError) as error:
                refuse_if_too_many_open(self.data, error)
                raise StorageError(f"{self.data} changed while it was in use: run again") from error
            self._mapped.append(whole)
        return self._mapped[0]

    def clip(self, clip: int) -> Samples:
        """(sample,) of a clip, a read-only view of the disk."""
        first = int(self.columns["offset"][clip])
        return self.hold()[first : first + int(self.columns["length"][clip]) * SAMPLE.itemsize].view(SAMPLE)

    def copy(self, clips: NDArray[np.int64], starts: NDArray[np.int64], out: Samples) -> None:
        """Copy `clips`, from samples `starts` on, into out (place, sample): cut or zero-padded to its length.

        Places beyond them are zeros. A clip is checked against its checksum just before it is copied, so that it comes
        from memory once. Raises StorageError where the disk changed it.
        """
        whole, places, place = self.hold(), out.view(np.uint8), -1
        first = self.columns["offset"][clips]
        last = first + self.columns["length"][clips] * SAMPLE.itemsize
        bounds = (first, first + starts * SAMPLE.itemsize, last, self.columns["checksum"][clips])
        view, length = whole.data, places.shape[1]
        for place, (begin, cut, end, checksum) in enumerate(zip(*(each.tolist() for each in bounds), strict=True)):
            if xxhash.xxh3_128_hexdigest(view[begin:end]).encode() != checksum:
                damaged = f"{self.data} is damaged: delete the folder {self.data.parent} and run again"
                raise StorageError(f"{damaged}, and have the disk checked")
            part = whole[cut:end][:length]
            places[place, : len(part)] = part
            places[place, len(part) :] = 0
        places[place + 1 :] = 0


def read(folder: Path, clips: int) -> SampleFile | None:
    """The clips that the journal in `folder` holds; None where there is none of these fields. Raises StorageError."""
    columns: dict[str, NDArray[Any]] = {name: np.zeros(clips, dtype) for name, dtype in FIELDS.items()}
    columns["length"][:] = ABSENT
    end = 0
    try:
        with open_regular(folder / JOURNAL) as journal:
            header = _parsed(journal.readline())
            data = folder / str(header["data"])
            with open_regular(data) as file:
                size = os.fstat(file.fileno()).st_size
            if header != _header(data.name):
                return None
            for line in journal:
                end = max(end, _enter(line, columns, size))
    except (OSError, ValueError, KeyError, TypeError) as error:
        refuse_if_too_many_open(folder / JOURNAL, error)
        return None
    return SampleFile(data, columns, end)


def _header(data: str) -> dict[str, Any]:
    """The first line of the journal."""
    return {"fields": list(FIELDS), "data": data}


def _enter(line: bytes, columns: Mapping[str, NDArray[Any]], size: int) -> int:
    """Enter a line's group; gives where its samples end, 0 of a line that counts for nothing."""
    try:
        group = _parsed(line)
    except ValueError:  # torn, damaged or empty
        return 0
    clips = np.array(group["clip"])
    end = int((np.array(group["offset"]) + np.array(group["length"]) * SAMPLE.itemsize).max())
    if end > size or clips.max() >= len(columns["length"]):
        return 0
    for name, column in columns.items():
        column[clips] = group[name]
    return end


def _line(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content, separators=(",", ":")).encode()
    return xxhash.xxh3_64_hexdigest(text).encode() + b" " + text + b"\n"


def _parsed(line: bytes) -> dict[str, Any]:
    """The content of a line; ValueError where it is not what was written."""
    written, _, text = line.rstrip(b"\n").partition(b" ")
    if written != xxhash.xxh3_64_hexdigest(text).encode():
        raise ValueError("a torn or damaged line")
    content: dict[str, Any] = json.loads(text)
    return content


class Appender:
    """Adds clips to a journal, or begins it. Not safe for two writers: hold the folder's lock.

    What was added is kept whatever ends the block, but for samples that found no room on the disk: then the block
    raises StorageError, and the groups before them are kept.
    """

    def __init__(self, folder: Path, samples: SampleFile | None) -> None:
        self.journal = folder / JOURNAL
        numbers = [int(path.stem[8:]) for path in folder.glob("samples-*.bin") if path.stem[8:].isdecimal()]
        self.data = samples.data if samples else folder / f"samples-{max(numbers, default=0) + 1}.bin"
        self._begins = samples is None
        self._end = self._written = samples.end if samples else 0
        self._group: dict[str, list[Any]] = {}
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        with storage_errors(self.data):
            if self._begins:
                self.data.touch()
                write_atomic(self.journal, _line(_header(self.data.name)))
                for old in self.data.parent.glob("samples-*.bin"):
                    if old != self.data:
                        with contextlib.suppress(IsADirectoryError, PermissionError):  # no file of ours
                            old.unlink()
            self._file: BinaryIO = open_regular(self.data, "r+b")
            self._file.truncate(self._end)  # what a killed run wrote after its last line
            self._file.seek(self._end)
            self._lines: BinaryIO = open_regular(self.journal, "ab")
            self._lines.write(b"\n")  # a torn line before it stays alone
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None or not issubclass(kind, StorageError):
                self._finish_group()
        finally:
            with contextlib.suppress(OSError):  # it hides no other error: who appends next writes over what is left
                self._file.truncate(self._end)
            self._file.close()
            self._lines.close()

    def add(self, clip: int, samples: Samples, facts: Mapping[str, Any]) -> None:
        """Put a clip's samples (sample,) into the file, and `facts`, the fields beside its place, into the journal."""
        content = np.ascontiguousarray(samples, SAMPLE).data.cast("B") if samples.size else memoryview(b"")
        checksum = xxhash.xxh3_128_hexdigest(content)
        place = {"offset": self._written, "length": len(samples), "checksum": checksum}
        self._written += content.nbytes
        with storage_errors(self.data):
            _write(self._file, content)
        self.keep(clip, {**facts, **place})

    def keep(self, clip: int, entry: Mapping[str, Any]) -> None:
        """Note a clip whose samples lie in the file already; `entry` has its place too."""
        for name, value in {"clip": clip, **entry}.items():
            self._group.setdefault(name, []).append(value)
        full = len(self._group["clip"]) >= GROUP_CLIPS or self._written - self._end >= GROUP_BYTES
        if full or time.monotonic() - self._begun >= GROUP_SECONDS:
            self._finish_group()

    def _finish_group(self) -> None:
        if not self._group:
            return
        with storage_errors(self.data):
            os.fsync(self._file.fileno())
            _write(self._lines, memoryview(_line(self._group)))
        self._end, self._group, self._begun = self._written, {}, time.monotonic()


def _write(file: BinaryIO, content: memoryview) -> None:
    while content:
        content = content[file.write(content) :]
