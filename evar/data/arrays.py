"""Arrays of one dtype in one file that only grows, and a journal of what lies where in it.

    records = read(folder, layout, rows=1000)         # None where there is nothing yet
    with Appender(folder, layout, records, rows=1000) as appender:
        appender.add(7, array, {"reason": ""})        # row 7: an array, and anything else to keep with it
    read(folder, layout, rows=1000).array(7)          # a read-only view of the disk

FOLDER/arrays.jsonl   a line with the layout and the name of the arrays' file, then a line for each group of rows
FOLDER/arrays-1.bin   the arrays, one after the other

A group counts once its line is there, and the line is written after its arrays have reached the disk: whatever ends a
run, finished groups stay. Each line begins with its own xxh3_64, so a torn or damaged one counts for nothing, and holds
the xxh3_128 of each array. Later lines replace earlier ones, and the arrays' file only grows: who has read the journal
keeps its arrays, whatever is appended meanwhile. One file, whatever the number of arrays, is one open file.
"""

import contextlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import xxhash
from numpy.typing import NDArray

from evar.base.errors import StorageError
from evar.base.files import hold, open_regular, refuse_if_too_many_open, storage_errors, write_atomic

JOURNAL = "arrays.jsonl"
GROUP_ARRAYS = 64  # a line of the journal: few enough that a kill loses little
GROUP_BYTES = 1 << 26
PLACE = ("offset", "length", "checksum")  # bytes into the file, elements of the first axis, xxh3_128


@dataclass(frozen=True)
class Layout:
    """What every array is made of: elements of shape `element` and `dtype`; only their number may differ.

    fields: what is kept with each array beside its place.
    """

    dtype: str
    element: tuple[int, ...]
    fields: tuple[str, ...]

    @property
    def element_bytes(self) -> int:
        return int(np.dtype(self.dtype).itemsize) * math.prod(self.element)

    def header(self, data: str) -> dict[str, Any]:
        """The first line of the journal."""
        return {"dtype": self.dtype, "element": list(self.element), "fields": list(self.fields), "data": data}


@dataclass(frozen=True, eq=False)
class Records:
    """The rows of a journal.

    columns: {field: a list over the rows}, with None in the rows that are not there; end: bytes of the file that the
    journal accounts for; live: those of them that rows still use.
    """

    data: Path
    layout: Layout
    columns: dict[str, list[Any]]
    end: int
    _mapped: list[NDArray[np.uint8]] = field(default_factory=list, repr=False)

    @property
    def live(self) -> int:
        elements = sum(int(length or 0) for length in self.columns["length"])
        return elements * self.layout.element_bytes

    def has(self, row: int) -> bool:
        """Whether the row is there."""
        return self.columns["length"][row] is not None

    @property
    def whole(self) -> bool:
        """Whether every row is there."""
        return None not in self.columns["length"]

    def hold(self) -> None:
        """Map the file now: what is mapped stays readable when the file is deleted, and `evar cache prune` leaves it.

        Raises StorageError.
        """
        if self._mapped:
            return
        try:
            with open_regular(self.data) as file:
                hold(file)
                whole = np.memmap(file, np.uint8, "r", shape=(self.end,)) if self.end else np.empty(0, np.uint8)
        except (OSError, ValueError) as error:
            refuse_if_too_many_open(self.data, error)
            raise StorageError(f"{self.data} changed while it was in use: run again") from error
        self._mapped.append(whole)

    def array(self, row: int) -> NDArray[Any]:
        """(length, *element) of a row, a read-only view of the disk."""
        self.hold()
        offset, size = self.columns["offset"][row], self.columns["length"][row] * self.layout.element_bytes
        part = self._mapped[0][offset : offset + size].view(self.layout.dtype)
        array: NDArray[Any] = part.reshape(-1, *self.layout.element) if self.layout.element else part
        return array

    def verified(self, row: int) -> NDArray[Any]:
        """`array` of a row, whose checksum is that of the journal. Raises StorageError where the disk changed it."""
        array = self.array(row)
        if checksum(array) != self.columns["checksum"][row]:
            raise self._damaged()
        return array

    def copy_verified(self, rows: Iterable[int], starts: Iterable[int], out: NDArray[Any]) -> None:
        """Copy arrays without further axes, from elements `starts` on, into out (place, element).

        What ends before its place does is followed by zeros, and places beyond `rows` are zeros. Every array is checked
        as a whole, just before it is copied, so that it comes from memory once. Raises StorageError like `verified`.
        """
        self.hold()
        whole, unit = self._mapped[0], self.layout.element_bytes
        view, places, place = whole.data, out.view(np.uint8), -1
        offsets, lengths, checksums = (self.columns[name] for name in PLACE)
        for place, (row, start) in enumerate(zip(rows, starts, strict=True)):
            first = offsets[row]
            last = first + lengths[row] * unit
            if xxhash.xxh3_128_hexdigest(view[first:last]) != checksums[row]:
                raise self._damaged()
            part = whole[first + start * unit : last][: places.shape[1]]
            places[place, : len(part)] = part
            places[place, len(part) :] = 0
        places[place + 1 :] = 0

    def _damaged(self) -> StorageError:
        return StorageError(
            f"{self.data} is damaged: delete the folder {self.data.parent} and run again, and have the disk checked"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_mapped": []}  # another process maps the file itself


def checksum(array: NDArray[Any]) -> str:
    """The xxh3_128 of an array's bytes, in hexadecimal."""
    return xxhash.xxh3_128_hexdigest(array.data if array.size else b"")


def read(folder: Path, layout: Layout, rows: int) -> Records | None:
    """The rows that the journal in `folder` holds; None where there is none of this layout. Raises StorageError."""
    try:
        with open_regular(folder / JOURNAL) as file:
            lines = file.read().split(b"\n")
        header = _parsed(lines[0])
        data = folder / str(header["data"])
        with open_regular(data) as file:
            size = os.fstat(file.fileno()).st_size
    except (OSError, ValueError, KeyError, TypeError) as error:
        refuse_if_too_many_open(folder / JOURNAL, error)
        return None
    if header != layout.header(data.name):
        return None
    columns: dict[str, list[Any]] = {name: [None] * rows for name in (*PLACE, *layout.fields)}
    end, element_bytes = 0, layout.element_bytes
    for line in lines[1:]:
        try:
            group = _parsed(line)
        except ValueError:  # torn, damaged or empty
            continue
        stops = [offset + n * element_bytes for offset, n in zip(group["offset"], group["length"], strict=True)]
        if max(stops) > size or max(group["row"]) >= rows:
            continue
        end = max(end, *stops)
        for name, column in columns.items():
            for row, value in zip(group["row"], group[name], strict=True):
                column[row] = value
    return Records(data, layout, columns, end)


def _line(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content, separators=(",", ":")).encode()
    return xxhash.xxh3_64_hexdigest(text).encode() + b" " + text + b"\n"


def _parsed(line: bytes) -> dict[str, Any]:
    """The content of a line; ValueError where it is not what was written."""
    written, _, text = line.partition(b" ")
    if written != xxhash.xxh3_64_hexdigest(text).encode():
        raise ValueError("a torn or damaged line")
    content: dict[str, Any] = json.loads(text)
    return content


class Appender:
    """Adds rows to a journal, or begins it. Not safe for two writers: hold the folder's lock.

    What was added is kept whatever ends the block, but for arrays that found no room on the disk: then the block raises
    StorageError, and the groups before them are kept.
    """

    def __init__(self, folder: Path, layout: Layout, records: Records | None) -> None:
        self.layout = layout
        self.journal = folder / JOURNAL
        numbers = [int(path.stem[7:]) for path in folder.glob("arrays-*.bin") if path.stem[7:].isdecimal()]
        self.data = records.data if records else folder / f"arrays-{max(numbers, default=0) + 1}.bin"
        self._begins = records is None
        self._end = self._written = records.end if records else 0
        self._group: dict[str, list[Any]] = {}

    def __enter__(self) -> Self:
        with storage_errors(self.data):
            if self._begins:
                self.data.touch()
                write_atomic(self.journal, _line(self.layout.header(self.data.name)))
                for old in self.data.parent.glob("arrays-*.bin"):
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

    def add(self, row: int, array: NDArray[Any], entry: Mapping[str, Any]) -> None:
        """Put the array of a row into the file, and `entry`, which has the layout's fields, into the journal."""
        array = np.ascontiguousarray(array, self.layout.dtype)
        if array.shape[1:] != self.layout.element:
            raise ValueError(f"elements of shape {array.shape[1:]}, not {self.layout.element}")
        place = {"offset": self._written, "length": len(array), "checksum": checksum(array)}
        with storage_errors(self.data):
            left = memoryview(array.view(np.uint8).data).cast("B") if array.size else memoryview(b"")
            while left:
                left = left[self._file.write(left) :]
        self._written += array.nbytes
        self.keep(row, {**entry, **place})

    def keep(self, row: int, entry: Mapping[str, Any]) -> None:
        """Note a row whose array lies in the file already; `entry` has its place too."""
        for name, value in {"row": row, **entry}.items():
            self._group.setdefault(name, []).append(value)
        if len(self._group["row"]) >= GROUP_ARRAYS or self._written - self._end >= GROUP_BYTES:
            self._finish_group()

    def _finish_group(self) -> None:
        if not self._group:
            return
        with storage_errors(self.data):
            os.fsync(self._file.fileno())
            line = memoryview(_line(self._group))
            while line:
                line = line[self._lines.write(line) :]
        self._end, self._group = self._written, {}
