"""Clips that lie inside other files: cells of a Parquet file, members of a tar.

    data/train-00000-of-00002.parquet/audio/000000017     row 17 of the column `audio`
    shards/000004.tar/dog_17.flac                         a member

Such a path goes on below a file, which no file's own path can, so it needs no mark of its own. Nothing is unpacked: a
clip's bytes come from where they lie and go to the decoder as an open file that has no name. A Parquet file is read a
row group at a time, each once, as long as clips are asked for in the order of their paths; memory holds two of them, or
as many as KEPT_BYTES take.
"""

import io
import os
import re
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO, Self

from evar.base.errors import DataError
from evar.data import parquet, tar

KEPT_BYTES = 64 << 20
KEPT_AT_LEAST = 2  # row groups: clips that are decoded side by side may lie on both sides of a border
_BORDER = re.compile(r"\.(?:parquet|tar)(?=/)", re.IGNORECASE)


def split(source: str) -> tuple[str, str] | None:
    """(file, what in it) of a path that goes on below a file; None for any other."""
    for border in _BORDER.finditer(source):
        if os.path.isfile(source[: border.end()]):  # noqa: PTH113  as many as clips, and any text
            return source[: border.end()], source[border.end() + 1 :]
    return None


def outer(source: str) -> str:
    """The file on the disk that holds a clip: itself, or what it lies in."""
    inside = split(source)
    return source if inside is None else inside[0]


def cell_path(file: str, column: str, row: int) -> str:
    """The path of a cell. Rows have nine digits, so that paths are in the order of rows."""
    return f"{file}/{column}/{row:09}"


class Containers:
    """Opens clips inside files, for the threads of one block, at whose end nothing is kept."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._locks: dict[Any, threading.Lock] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.clear()
        self._locks.clear()

    def open(self, source: str) -> BinaryIO | None:
        """The clip at `source` as an open file with a descriptor; None where the path leads into no file.

        Raises DataError, with a reason that names no path, where it is not there or its surroundings are broken;
        OSError from reading.
        """
        inside = split(source)
        if inside is None:
            return None
        file, place = inside
        data = self._cell(file, place) if file.lower().endswith(".parquet") else self._member(file, place)
        return _unnamed(data)

    def _member(self, file: str, name: str) -> Any:
        members = self._once(("tar", file), lambda: (tar.members(file), 0))
        if name not in members:
            raise DataError(f"{os.path.basename(file)} holds no {name}")  # noqa: PTH119
        return tar.read(file, members[name])

    def _cell(self, file: str, place: str) -> Any:
        column, _, row = place.rpartition("/")
        groups = self._once(("rows", file), lambda: (parquet.row_groups(file), 0))
        group, place_in_group = groups.find(int(row))
        cells = self._once(("cells", file, column, group), lambda: parquet.cells(file, column, group))
        data = cells.bytes_of(place_in_group)
        if data is None:
            raise DataError(f"its row holds nothing in {column}")
        return data

    def _once(self, key: Any, read: Callable[[], tuple[Any, int]]) -> Any:
        """What `read` gives (and how many bytes it takes), or gave. An error is kept as well: many rows share it."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return _given(self._kept[key][0])
            try:
                found, taken = read()
            except DataError as error:
                found, taken = error, 0
            with self._lock:
                self._kept[key] = found, taken
                self._forget()
        return _given(found)

    def _forget(self) -> None:
        """Drop what was used longest ago, of what takes memory."""
        large = [key for key, (_, taken) in self._kept.items() if taken]
        total = sum(self._kept[key][1] for key in large)
        for key in large[:-KEPT_AT_LEAST]:
            if total <= KEPT_BYTES:
                break
            total -= self._kept.pop(key)[1]
            self._locks.pop(key, None)


def _given(found: Any) -> Any:
    if isinstance(found, DataError):
        raise DataError(str(found))
    return found


def _unnamed(data: Any) -> BinaryIO:
    """An open file of these bytes, in memory where the system can: decoders want a descriptor."""
    if hasattr(os, "memfd_create"):
        file: BinaryIO = io.FileIO(os.memfd_create("clip"), "r+b")
    else:
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  the caller closes it
    left = memoryview(data).cast("B")
    try:
        while left:
            left = left[file.write(left) :]
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
