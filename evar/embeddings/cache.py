"""The embedding cache: one folder for each (encoder, weights, front end, precision, store), resumable block by block.

    cache/embeddings/NAME-KEY/
        key.json      "key": everything that decides the numbers, readable, and KEY its digest; "store": whose clips
        shape.json    the batch size that the entry was begun with, and the dimension of each output
        OUTPUT.npy    (clip, dim) float32, memory-mapped while it is written
        blocks*.csv   a line for each finished block: number, sha256 of its numbers in every output; a log each process
        behaviour.npz what an encoder from outside makes of a test signal, see `lookup.py`
        done.json     written last: seconds and clips it took

A block counts once its line is there, and its sha256 is checked whenever it is read again: after a kill, a full disk
or a flipped bit just the blocks concerned are computed anew, in the same shapes, with the same result to the bit.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evar.base import provenance
from evar.base.files import reserve, storage_errors, write_atomic

Floats = NDArray[np.float32]


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
        try:
            content = json.loads((self.folder / "shape.json").read_text())
            size, clips, dims = content["batch_size"], content["clips"], content["dims"]
            whole = all(type(each) is int and each > 0 for each in (size, clips, *dims.values()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return Shape(size, clips, dims) if whole else None

    def begin(self, shape: Shape) -> dict[str, Floats]:
        """Write the readable key and lay out empty arrays: {output: (clip, dim)}, memory-mapped for writing."""
        content: dict[str, Any] = {"key": dict(self.key), "store": self.store}
        write_atomic(self.folder / "key.json", json.dumps(content, indent=2, sort_keys=True) + "\n")
        self._forget_blocks()
        with storage_errors(self.folder):
            (self.folder / "shape.json").unlink(missing_ok=True)
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
        self._write_shape(shape)
        return arrays

    def reshape(self, shape: Shape) -> None:
        """Go over to another batch size: no block is there any more. The arrays, which others may hold, stay."""
        self._forget_blocks()
        self._write_shape(shape)

    def _forget_blocks(self) -> None:
        with storage_errors(self.folder):
            for log in self.folder.glob("blocks*.csv"):
                log.unlink()
            (self.folder / "done.json").unlink(missing_ok=True)

    def _write_shape(self, shape: Shape) -> None:
        content = {"batch_size": shape.batch_size, "clips": shape.clips, "dims": dict(shape.dims)}
        write_atomic(self.folder / "shape.json", json.dumps(content, sort_keys=True) + "\n")

    def arrays(self, shape: Shape, *, writable: bool) -> dict[str, Floats] | None:
        """{output: (clip, dim)} memory-mapped; None where a file is missing or not of this shape."""
        arrays: dict[str, Floats] = {}
        for output, dim in shape.dims.items():
            try:
                array = np.lib.format.open_memmap(self._file(output), "r+" if writable else "r")
            except (OSError, ValueError):
                return None
            if array.shape != (shape.clips, dim) or array.dtype != np.float32:
                return None
            arrays[output] = array
        return arrays

    def finished(self, shape: Shape, arrays: Mapping[str, Floats]) -> set[int]:
        """Numbers of the blocks whose content is what was written. A torn or foreign line counts for nothing."""
        logs = [log.read_text(errors="replace") for log in sorted(self.folder.glob("blocks*.csv"))]
        written = {line for log in logs for line in log.split("\n") if re.fullmatch(r"\d+,[0-9a-f]{64}", line)}
        numbers = {int(line.partition(",")[0]) for line in written}
        return {
            block
            for block in numbers
            if block < shape.blocks and f"{block},{self._digest(shape, arrays, block)}" in written
        }

    def write(
        self,
        shape: Shape,
        arrays: Mapping[str, Floats],
        block: int,
        values: Mapping[str, Floats],
        log_name: str = "blocks.csv",
    ) -> None:
        """Put a block's numbers into the arrays, then its line into the log."""
        with storage_errors(self.folder):
            for output, array in arrays.items():
                array[shape.rows(block)] = values[output]
            with (self.folder / log_name).open("a") as log:
                log.write(f"\n{block},{self._digest(shape, arrays, block)}\n")  # a torn line before it stays alone

    def finish(self, arrays: Mapping[str, Floats], record: Mapping[str, Any]) -> None:
        """Flush the arrays to disk and mark the entry done."""
        with storage_errors(self.folder):
            for array in arrays.values():
                if isinstance(array, np.memmap):
                    array.flush()
        write_atomic(self.folder / "done.json", json.dumps(dict(record), sort_keys=True) + "\n")

    def record(self) -> dict[str, Any] | None:
        """What `finish` wrote; None where the entry is not done."""
        try:
            record = json.loads((self.folder / "done.json").read_text())
        except (OSError, ValueError):
            return None
        return record if isinstance(record, dict) else None

    def _file(self, output: str) -> Path:
        return self.folder / f"{output}.npy"

    @staticmethod
    def _digest(shape: Shape, arrays: Mapping[str, Floats], block: int) -> str:
        digest = hashlib.sha256()
        for output in sorted(arrays):
            digest.update(np.ascontiguousarray(arrays[output][shape.rows(block)]).data)
        return digest.hexdigest()
