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

from evar.base.errors import DataError
from evar.base.files import locked
from evar.base.progress import Progress, say_nothing
from evar.embeddings.batches import Plan
from evar.embeddings.cache import Entry
from evar.embeddings.compute import Job, compute
from evar.embeddings.compute_share import compute_share
from evar.embeddings.device import PRECISIONS
from evar.embeddings.key import cache_key
from evar.embeddings.lookup import entry_of
from evar.embeddings.runtime import Runtime
from evar.embeddings.share import Unfinished
from evar.embeddings.sizes import remembered
from evar.encoders.contract import Encoder


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
    note: Callable[[str], None] = say_nothing,
    on_wait: Callable[[], None] | None = None,
) -> Embeddings:
    """The embeddings of a plan: read from the cache where they are whole, else computed into it.

    Raises Unfinished where only a share was computed here and the others are not there yet, DataError where the encoder
    gives numbers that are not finite, StorageError where the cache is not writable.
    """
    begin = time.perf_counter()
    runtime = replace(runtime, precision=_name(encoder.set_precision(PRECISIONS[runtime.precision])))
    key = cache_key(encoder, plan, runtime.precision, runtime.device)
    entry = entry_of(cache, encoder, runtime.precision, key, plan.store.folder.name)
    outputs = _read(entry)
    cached = outputs is not None
    if outputs is None:
        sizes = remembered(cache, encoder.identity, runtime.precision, runtime.device, plan)
        job = Job(entry, encoder, plan, runtime, sizes, progress, note)
        with locked(entry.folder, on_wait):
            outputs = _read(entry)
            cached = outputs is not None
            if outputs is None and runtime.share is None:
                compute(job)
                outputs = _read(entry)
        if outputs is None and runtime.share is not None:
            compute_share(job, runtime.share, on_wait)
            outputs = _read(entry)
            if outputs is None:
                raise Unfinished(
                    f"share {runtime.share.index + 1} of {runtime.share.count} is done; others are not yet in "
                    f"{entry.folder} (where another share names another folder, its encoder or its versions differ)"
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
