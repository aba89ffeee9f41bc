"""The embedding cache: one folder for each (encoder, weights, front end, precision, store), resumable block by block.

    cache/embeddings/NAME-KEY/
        key.json      "key": everything that decides the numbers, readable, and KEY its digest; "store": whose clips
        shape.json    the batch size that the entry was begun with, and the dimension of each output
        OUTPUT.npy    (clip, dim) float32, memory-mapped while it is written
        blocks.csv    a line for each finished block: number, xxh3_128 of its numbers in every output
        done.json     written last: seconds and clips it took

A block counts once its line is there, and its hash is checked whenever it is read again: after a kill, a full disk
or a flipped bit just the blocks concerned are computed anew, in the same shapes, with the same result to the bit.
"""

import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xxhash
from numpy.typing import NDArray

from evar.base import provenance
from evar.base.files import KEY, hold, open_regular, read_regular, reserve, storage_errors
from evar.base.json_file import read_json, write_json

Floats = NDArray[np.float32]
MOST_LOG_BYTES = 1 << 30


@dataclass(frozen=True)
class Shape:
    """Clips a block, clips in all, and the dimension of each output."""

    batch_size: int
    clips: int
    dims: Mapping[str, int]

    @property
    def blocks(self) -> int:
        return -(-self.clips // self.batch_size)

    def rows(self, block: int) -> slice:
        """The rows of a block."""
        return slice(block * self.batch_size, min((block + 1) * self.batch_size, self.clips))


class Entry:
    """One folder of the cache. Not safe for two writers: hold the folder's lock."""

    def __init__(self, cache: Path, name: str, key: Mapping[str, Any], store: str) -> None:
        self.name, self.key, self.store = name, key, store
        self.digest = provenance.hash_json(key)
        self.slug = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:80]
        self.folder = cache / "embeddings" / f"{self.slug}-{self.digest[:16]}"

    def shape(self) -> Shape | None:
        """The shape that the entry was begun with; None where it was not."""
        content = read_json(self.folder / "shape.json")
        return Shape(**content) if content else None

    def begin(self, shape: Shape) -> dict[str, Floats]:
        """Write the readable key and lay out empty arrays: {output: (clip, dim)}, memory-mapped for writing."""
        write_json(self.folder / KEY, {"key": dict(self.key), "store": self.store})
        with storage_errors(self.folder):
            for name in ("blocks.csv", "done.json", "shape.json", *(self._file(output).name for output in shape.dims)):
                (self.folder / name).unlink(missing_ok=True)  # who has mapped an array keeps it
            arrays: dict[str, Floats] = {
                output: np.lib.format.open_memmap(self._file(output), "w+", np.float32, (shape.clips, dim))
                for output, dim in shape.dims.items()
            }
            try:
                for output in arrays:
                    reserve(self._file(output))
            except OSError:
                for output in arrays:
                    self._file(output).unlink()
                raise
        content = {"batch_size": shape.batch_size, "clips": shape.clips, "dims": dict(shape.dims)}
        write_json(self.folder / "shape.json", content)
        return arrays

    def arrays(self, shape: Shape, *, writable: bool) -> dict[str, Floats] | None:
        """{output: (clip, dim)} memory-mapped; None where a file is missing or not of this shape.

        What is mapped is held, see `evar.base.files`.
        """
        arrays: dict[str, Floats] = {}
        for output, dim in shape.dims.items():
            start = _header(shape.clips, dim)
            try:
                with open_regular(self._file(output), "r+b" if writable else "rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    if size != len(start) + 4 * shape.clips * dim or file.read(len(start)) != start:
                        return None
                    hold(file)
                    mode: Literal["r", "r+"] = "r+" if writable else "r"
                    arrays[output] = np.memmap(file, np.float32, mode, len(start), (shape.clips, dim))
            except OSError:
                return None
        return arrays

    def finished(self, shape: Shape, arrays: Mapping[str, Floats]) -> set[int]:
        """Numbers of the blocks whose content is what was written. A torn or foreign line counts for nothing."""
        try:
            log = read_regular(self.folder / "blocks.csv", MOST_LOG_BYTES).decode(errors="replace")
        except OSError:
            return set()
        written = {line for line in log.split("\n") if re.fullmatch(r"[0-9]{1,9},[0-9a-f]{32}", line)}
        numbers = {int(line.partition(",")[0]) for line in written}
        return {
            block
            for block in numbers
            if block < shape.blocks and f"{block},{self._digest(shape, arrays, block)}" in written
        }

    def write(self, shape: Shape, arrays: Mapping[str, Floats], block: int, values: Mapping[str, Floats]) -> None:
        """Put a block's numbers into the arrays, then its line into the log."""
        with storage_errors(self.folder):
            for output, array in arrays.items():
                array[shape.rows(block)] = values[output]
            line = f"\n{block},{self._digest(shape, arrays, block)}\n"  # a torn line before it stays alone
            with open_regular(self.folder / "blocks.csv", "ab") as log:
                log.write(line.encode())

    def finish(self, arrays: Mapping[str, Floats], record: Mapping[str, Any]) -> None:
        """Flush the arrays to disk and mark the entry done."""
        with storage_errors(self.folder):
            for array in arrays.values():
                if isinstance(array, np.memmap):
                    array.flush()
        write_json(self.folder / "done.json", record)

    def record(self) -> dict[str, Any]:
        """What `finish` wrote; nothing where the entry is not done."""
        return read_json(self.folder / "done.json")

    def _file(self, output: str) -> Path:
        return self.folder / f"{output}.npy"

    def outputs(self) -> dict[str, Floats]:
        """{output: (clip, dim)} memory-mapped; nothing where the entry is not whole."""
        shape = self.shape()
        arrays = self.arrays(shape, writable=False) if shape and self.record() else None
        return arrays if shape and arrays and len(self.finished(shape, arrays)) == shape.blocks else {}

    def files(self) -> list[Path]:
        """The files of all outputs, as NumPy reads them."""
        shape = self.shape()
        return [self._file(output) for output in shape.dims] if shape else []

    @staticmethod
    def _digest(shape: Shape, arrays: Mapping[str, Floats], block: int) -> str:
        digest = xxhash.xxh3_128()
        for output in sorted(arrays):
            digest.update(np.ascontiguousarray(arrays[output][shape.rows(block)]).data)
        return digest.hexdigest()


def finished_entry(cache: Path, digest: str) -> Entry | None:
    """The entry of a key's digest that is whole; None where there is none."""
    for file in (cache / "embeddings").glob(f"*-{digest[:16]}/{KEY}"):
        content, name = read_json(file), file.parent.name.removesuffix(f"-{digest[:16]}")
        entry = Entry(cache, name, content.get("key", {}), content.get("store", ""))
        if entry.digest == digest and entry.outputs():
            return entry
    return None


def _header(clips: int, dim: int) -> bytes:
    """How the file of an array of this shape begins."""
    start = io.BytesIO()
    layout = {"descr": "<f4", "fortran_order": False, "shape": (clips, dim)}
    np.lib.format.write_array_header_1_0(start, layout)
    return start.getvalue()
