"""Embed every clip of a plan once with a frozen encoder, through the cache.

The numbers depend on the clip alone: batches are fixed blocks of the plan in one shape, stored with the cache. An
interrupted run goes on at its last finished block; a second process that wants the same embeddings waits and reads.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from evar import provenance
from evar.embeddings.batches import Plan
from evar.embeddings.cache import Entry, Shape
from evar.embeddings.device import PRECISIONS, fix_numerics
from evar.embeddings.forward import embed_blocks, out_of_memory
from evar.embeddings.key import cache_key
from evar.embeddings.share import Share, Unfinished
from evar.embeddings.workers import fill_with_processes
from evar.encoders.contract import Encoder
from evar.errors import DataError
from evar.files import locked
from evar.progress import Progress

AUDIO_SECONDS_A_BATCH = {"cpu": 64, "cuda": 2560}  # on a CPU what stays in its caches is fastest
MOST_CLIPS_A_BATCH = 1024


@dataclass(frozen=True)
class Runtime:
    """How to run.

    devices:    one process each where there are several
    precision:  a name of PRECISIONS
    batch_size: clips; None: automatic
    share:      the part of the blocks to compute here, the others being computed elsewhere; None: all
    """

    devices: tuple[torch.device, ...]
    precision: str
    batch_size: int | None = None
    share: Share | None = None

    @property
    def device(self) -> torch.device:
        """The first device, which all others are like."""
        return self.devices[0]


@dataclass(frozen=True)
class Embeddings:
    """What an encoder makes of a plan's clips, in the plan's order.

    outputs:          {output: (clip, dim) float32}, memory-mapped, read-only
    key:              digest of all that decides the numbers
    precision:        in force, which may be another than was asked for
    batch_size:       clips a batch when they were computed
    cached:           True where nothing had to be computed
    seconds:          that this took now
    clips_per_second: when they were computed
    """

    outputs: Mapping[str, NDArray[np.float32]]
    key: str
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
    *,
    progress: Progress,
    on_wait: Callable[[], None] | None = None,
) -> Embeddings:
    """The embeddings of a plan: read from the cache where they are whole, else computed into it.

    Raises Unfinished where only a share was computed here and the others are not there yet, DataError where the encoder
    gives numbers that are not finite, StorageError where the cache is not writable.
    """
    begin = time.perf_counter()
    runtime = replace(runtime, precision=_name(encoder.set_precision(PRECISIONS[runtime.precision])))
    name = f"{encoder.identity.name}-{runtime.precision}"
    entry = Entry(cache, name, cache_key(encoder, plan, runtime.precision, runtime.device), plan.store.folder.name)
    outputs = _read(entry)
    cached = outputs is not None
    if outputs is None:
        with locked(entry.folder, on_wait):
            outputs = _read(entry)
            cached = outputs is not None
            if outputs is None and runtime.share is None:
                _compute(entry, encoder, plan, runtime, progress)
                outputs = _read(entry)
        if outputs is None and runtime.share is not None:
            _compute_share(entry, encoder, plan, runtime, runtime.share, progress, on_wait)
            outputs = _read(entry)
            if outputs is None:
                raise Unfinished(
                    f"share {runtime.share.index + 1} of {runtime.share.count} is done; others are not yet"
                )
    if outputs is None:
        raise DataError(f"{entry.folder}: what was written is not what is read; the disk or the memory is faulty")
    record = entry.record() or {}
    rate = record.get("clips", 0) / max(record.get("seconds", 0.0), 1e-9)
    shape = entry.shape()
    batch_size = shape.batch_size if shape else 0
    seconds = time.perf_counter() - begin
    return Embeddings(outputs, entry.digest, runtime.precision, batch_size, cached, seconds, rate)


def _name(dtype: torch.dtype) -> str:
    return next(name for name, each in PRECISIONS.items() if each == dtype)


def _read(entry: Entry) -> dict[str, NDArray[np.float32]] | None:
    """The finished arrays; None where the entry is not done or a block is not what was written."""
    shape = entry.shape()
    if shape is None or entry.record() is None:
        return None
    arrays = entry.arrays(shape, writable=False)
    if arrays is None or len(entry.finished(shape, arrays)) < shape.blocks:
        return None
    return arrays


def _compute(entry: Entry, encoder: Encoder, plan: Plan, runtime: Runtime, progress: Progress) -> None:
    """Compute what is missing, in the batch size that the entry was begun with, or a smaller one that fits.

    Where a batch does not fit into memory it is halved and the whole array made in that shape, so that one shape
    serves all. Raises DataError where a single clip does not fit.
    """
    encoder = encoder.to(runtime.device if len(runtime.devices) == 1 else "cpu").eval()
    fix_numerics()
    plan.store.hold()
    shape = entry.shape()
    size = shape.batch_size if shape else runtime.batch_size or automatic_batch_size(plan, runtime.device)
    while True:
        try:
            _fill(entry, encoder, plan, runtime, size, progress)
        except Exception as error:
            if not out_of_memory(error):
                raise
            if size == 1:
                raise DataError(
                    f"{encoder.identity.name}: one clip of {plan.samples / plan.store.rate:g} s does not fit into the "
                    f"memory of {runtime.device}; try --device cpu or --precision bfloat16"
                ) from error
            size //= 2
        else:
            return
        if runtime.device.type == "cuda":
            torch.cuda.empty_cache()


def _fill(entry: Entry, encoder: Encoder, plan: Plan, runtime: Runtime, size: int, progress: Progress) -> None:
    """Compute the blocks of `size` clips that are not there yet, and mark the entry done."""
    begin = time.perf_counter()
    shape = entry.shape()
    arrays = entry.arrays(shape, writable=True) if shape and shape.batch_size == size else None
    done = entry.finished(shape, arrays) if shape and arrays else set()
    missing = sorted(set(range(plan.blocks(size))) - done)
    before = len(plan) - sum(plan.clips_of(block, size) for block in missing)
    with progress("embed", total=len(plan), unit="clip", initial=before) as advance:
        if len(runtime.devices) > 1:
            if shape is None or arrays is None:
                shape, arrays = _lay_out(entry, encoder, plan, size)
            fill_with_processes(entry, shape, encoder, plan, missing, runtime.devices, advance)
            missing = []
        for block, values in embed_blocks(encoder, plan, missing, size, runtime.device):
            if shape is None or arrays is None:
                shape = Shape(size, len(plan), {output: array.shape[1] for output, array in values.items()})
                arrays = entry.begin(shape)
            entry.write(shape, arrays, block, values)
            advance(plan.clips_of(block, size))
    record = {"clips": len(plan) - before, "seconds": time.perf_counter() - begin, "time": provenance.now()}
    entry.finish(arrays or {}, record)


def _lay_out(entry: Entry, encoder: Encoder, plan: Plan, size: int) -> tuple[Shape, dict[str, NDArray[np.float32]]]:
    """Begin an entry before any block is there: a second of silence tells the dimensions. The encoder is on the CPU."""
    silence = torch.zeros(1, encoder.sample_rate)
    dims = {output: each.shape[1] for output, each in encoder.embed(silence, torch.tensor([silence.shape[1]])).items()}
    shape = Shape(size, len(plan), dims)
    return shape, entry.begin(shape)


def _compute_share(
    entry: Entry,
    encoder: Encoder,
    plan: Plan,
    runtime: Runtime,
    share: Share,
    progress: Progress,
    on_wait: Callable[[], None] | None,
) -> None:
    """Compute one share's missing blocks beside other shares, and mark the entry done where they were the last ones."""
    begin = time.perf_counter()
    plan.store.hold()
    fix_numerics()
    with locked(entry.folder, on_wait):
        shape = entry.shape()
        arrays = entry.arrays(shape, writable=True) if shape else None
        if shape is None or arrays is None:
            size = runtime.batch_size or automatic_batch_size(plan, runtime.device)
            shape, arrays = _lay_out(entry, encoder.cpu().eval(), plan, size)
    with locked(entry.folder / share.log, on_wait):
        missing = sorted(set(share.of(range(shape.blocks))) - entry.finished(shape, arrays))
        clips = sum(plan.clips_of(block, shape.batch_size) for block in missing)
        with progress("embed", total=clips, unit="clip") as advance:
            encoder = encoder.to(runtime.device).eval()
            for block, values in embed_blocks(encoder, plan, missing, shape.batch_size, runtime.device):
                entry.write(shape, arrays, block, values, share.log)
                advance(plan.clips_of(block, shape.batch_size))
    with locked(entry.folder, on_wait):
        if entry.record() is None and len(entry.finished(shape, arrays)) == shape.blocks:
            record = {"clips": clips, "seconds": time.perf_counter() - begin, "time": provenance.now()}
            entry.finish(arrays, record)


def automatic_batch_size(plan: Plan, device: torch.device) -> int:
    """Clips a batch: a fixed number of seconds of audio, so that memory does not grow with the clip's length."""
    seconds = plan.samples / plan.store.rate
    return int(np.clip(AUDIO_SECONDS_A_BATCH[device.type] // seconds, 1, min(MOST_CLIPS_A_BATCH, max(len(plan), 1))))
