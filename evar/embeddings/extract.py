"""Embed every clip of a plan once with a frozen encoder, through the cache.

The numbers depend on the clip alone: batches are fixed blocks of the plan in one shape, stored with the cache. An
interrupted run goes on at its last finished block; a second process that wants the same embeddings waits and reads.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from evar.base import provenance
from evar.base.errors import DataError
from evar.base.files import locked, mark_used, remove_unfinished
from evar.base.progress import progress
from evar.embeddings.batch_size import Remembered, automatic_batch_size, remembered
from evar.embeddings.batches import Plan
from evar.embeddings.cache import Entry, Shape
from evar.embeddings.device import PRECISIONS, Runtime
from evar.embeddings.forward import Values, embed_blocks
from evar.embeddings.key import cache_key
from evar.encoders.contract import Encoder
from evar.nn.memory import out_of_memory

Compute = Callable[[Encoder, Plan, Iterable[int], int, torch.device], Iterator[tuple[int, Values]]]
"""`embed_blocks`, or what has other machines do the same; then blocks may come in any order."""


@dataclass(frozen=True)
class Embeddings:
    """What an encoder makes of a plan's clips, in the plan's order.

    outputs:          {output: (clip, dim) float32}, memory-mapped, read-only
    key:              digest of all that decides the numbers
    device:           where they were computed, or would have been; device_name: the same for people
    precision:        in force, which may be another than was asked for
    batch_size:       clips a batch when they were computed
    cached:           True where nothing had to be computed
    seconds:          that this took now
    clips_per_second: when they were computed
    """

    outputs: Mapping[str, NDArray[np.float32]]
    key: str
    device: torch.device
    device_name: str
    precision: str
    batch_size: int
    cached: bool
    seconds: float
    clips_per_second: float


def embed(
    encoder: Encoder,
    plan: Plan,
    runtime: Runtime,
    cache: Path,
    compute: Compute = embed_blocks,
) -> Embeddings:
    """The embeddings of a plan: read from the cache where they are whole, else computed into it, block by block.

    Raises DataError where the encoder gives numbers that are not finite, and where it or a single clip does not fit
    into memory; StorageError where the cache is not writable.
    """
    begin = time.perf_counter()
    runtime = _in_force(encoder, runtime)
    entry = _entry(encoder, plan, runtime, cache)
    found = _read(entry, len(plan))
    cached = found is not None
    if found is None:
        sizes = remembered(cache, encoder.identity, runtime, plan)
        with locked(entry.folder, "another process is embedding these clips; waiting for it"):
            remove_unfinished(entry.folder)
            found = _read(entry, len(plan))
            cached = found is not None
            if found is None:
                Filling(entry, encoder, plan, runtime, sizes, compute).fill()
                found = _read(entry, len(plan))
    if found is None:
        raise DataError(f"{entry.folder}: what was written is not what is read; the disk or the memory is faulty")
    mark_used(entry.folder)
    outputs, size, rate = found
    seconds = time.perf_counter() - begin
    device, name = runtime.device, runtime.described
    return Embeddings(outputs, entry.digest, device, name, runtime.precision, size, cached, seconds, rate)


@dataclass(frozen=True)
class Filling:
    """An entry of the cache, locked by the caller, and what it is filled with, by what.

    sizes: of batches that fit
    """

    entry: Entry
    encoder: Encoder
    plan: Plan
    runtime: Runtime
    sizes: Remembered
    compute: Compute

    def fill(self) -> None:
        """Compute what is missing, in the batch size that the entry was begun with, or a smaller one that fits.

        Where a batch does not fit into memory it is halved and the whole array made in that shape, so that one shape
        serves all. Raises DataError where the encoder or a single clip does not fit.
        """
        shape = self.entry.shape()
        size = shape.batch_size if shape else self._first_size()
        while True:
            try:
                self._fill_with(size)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                size = self._halved(size, error)
            else:
                return
            if self.runtime.device.type == "cuda":
                torch.cuda.empty_cache()  # give back what the failed attempt left

    def _first_size(self) -> int:
        """Clips a batch of an entry that is begun now."""
        return self.runtime.batch_size or self.sizes.bound(automatic_batch_size(self.plan, self.runtime.device))

    def _halved(self, size: int, error: Exception) -> int:
        """Half of a size that does not fit, which is remembered. Raises DataError where that is less than a clip."""
        if size == 1:
            raise DataError(
                f"{self.encoder.identity.name}: one clip of {_length(self.plan)} does not "
                f"fit into the memory of {self.runtime.device}; try --device cpu or --precision bfloat16"
            ) from error
        self.sizes.remember(size // 2)
        return size // 2

    def _fill_with(self, size: int) -> None:
        """Compute the blocks of `size` clips that are not there yet, and mark the entry done."""
        begin = time.perf_counter()
        entry, plan = self.entry, self.plan
        shape = entry.shape()
        arrays = entry.arrays(shape, writable=True) if shape and shape.batch_size == size else None
        done = entry.finished(shape, arrays) if shape and arrays else set()
        missing = sorted(set(range(plan.blocks(size))) - done)
        before = len(plan) - sum(plan.clips_of(block, size) for block in missing)
        with progress("embed", total=len(plan), unit="clip", initial=before) as advance:
            for block, values in self.compute(self.encoder, plan, missing, size, self.runtime.device):
                if shape is None or arrays is None:
                    shape = Shape(size, len(plan), {output: array.shape[1] for output, array in values.items()})
                    arrays = entry.begin(shape)
                entry.write(shape, arrays, block, values)
                advance(plan.clips_of(block, size))
        record = {"clips": len(plan) - before, "seconds": time.perf_counter() - begin, "time": provenance.now()}
        entry.finish(arrays or {}, record)


def _length(plan: Plan) -> str:
    rate = plan.store.rate
    return f"{rate} x {rate} pixels" if plan.store.modality == "image" else f"{plan.samples / rate:g} s"


def embeddings_key(encoder: Encoder, plan: Plan, runtime: Runtime, cache: Path) -> str:
    """`Embeddings.key` of what `embed` would give; nothing is computed."""
    return _entry(encoder, plan, _in_force(encoder, runtime), cache).digest


def _in_force(encoder: Encoder, runtime: Runtime) -> Runtime:
    """The runtime in the precision that the encoder takes, which may be another than was asked for."""
    return replace(runtime, precision=_name(encoder.set_precision(PRECISIONS[runtime.precision])))


def _entry(encoder: Encoder, plan: Plan, runtime: Runtime, cache: Path) -> Entry:
    key = cache_key(encoder, plan, runtime.precision, runtime.device)
    return Entry(cache, f"{encoder.identity.name}-{runtime.precision}", key, plan.store.folder.name)


def _name(dtype: torch.dtype) -> str:
    return next(name for name, each in PRECISIONS.items() if each == dtype)


def _read(entry: Entry, clips: int) -> tuple[dict[str, NDArray[np.float32]], int, float] | None:
    """The finished arrays, clips a batch and clips a second; None where a block is missing or not what was written."""
    shape, record, outputs = entry.shape(), entry.record(), entry.outputs()
    if shape is None or shape.clips != clips or not outputs:
        return None
    return outputs, shape.batch_size, record["clips"] / max(record["seconds"], 1e-9)
