"""Filling an entry of the cache, in this process or in one process a device."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from evar.base import provenance
from evar.base.errors import DataError
from evar.base.progress import Progress
from evar.embeddings.batches import Plan
from evar.embeddings.cache import Entry, Shape
from evar.embeddings.device import PRECISIONS, fix_numerics
from evar.embeddings.forward import embed_blocks
from evar.embeddings.handover import CannotTravel, hand_over
from evar.embeddings.runtime import Runtime
from evar.embeddings.sizes import Remembered, automatic_batch_size
from evar.embeddings.workers import fill_with_processes
from evar.encoders.contract import Encoder
from evar.nn.memory import enough_memory, out_of_memory


@dataclass(frozen=True)
class Job:
    """An entry to fill, and with what. sizes: of batches that fit; note: is told what users should know."""

    entry: Entry
    encoder: Encoder
    plan: Plan
    runtime: Runtime
    sizes: Remembered
    progress: Progress
    note: Callable[[str], None]

    @property
    def place(self) -> torch.device:
        """Where the encoder itself is: on the device, or on the CPU where processes use it on several."""
        return self.runtime.device if len(self.runtime.devices) == 1 else torch.device("cpu")

    def first_size(self) -> int:
        """Clips a batch of an entry that is begun now."""
        return self.runtime.batch_size or self.sizes.bound(automatic_batch_size(self.plan, self.runtime.device))


def compute(job: Job) -> None:
    """Compute what is missing, in the batch size that the entry was begun with, or a smaller one that fits.

    Where a batch does not fit into memory it is halved and the whole array made in that shape, so that one shape
    serves all. An encoder that no other process can make is run on the first device alone. The entry must be locked.
    Raises DataError where a single clip does not fit.
    """
    fix_numerics()
    put_in_place(job)
    shape = job.entry.shape()
    size = shape.batch_size if shape else job.first_size()
    while True:
        try:
            _fill(job, size)
        except CannotTravel as why:
            job.note(f"{why}; {job.runtime.device} does all of it alone")
            job = replace(job, runtime=replace(job.runtime, devices=job.runtime.devices[:1]))
            put_in_place(job)
        except Exception as error:
            if not out_of_memory(error):
                raise
            size = halved(job, size, error)
        else:
            return
        free_memory(job)


def put_in_place(job: Job) -> None:
    """Move the encoder to where it runs. Raises DataError where it does not fit."""
    with enough_memory(job.encoder.identity.name, f"the memory of {job.place}"):
        job.encoder.to(job.place).eval()


def halved(job: Job, size: int, error: Exception) -> int:
    """Half of a size that does not fit, which is remembered. Raises DataError where that is less than a clip."""
    if size == 1:
        raise DataError(
            f"{job.encoder.identity.name}: one clip of {job.plan.samples / job.plan.store.rate:g} s does not fit into "
            f"the memory of {job.runtime.device}; try --device cpu or --precision bfloat16"
        ) from error
    job.sizes.remember(size // 2)
    return size // 2


def free_memory(job: Job) -> None:
    """Give back what a failed attempt left."""
    if job.runtime.device.type == "cuda":
        torch.cuda.empty_cache()


def _fill(job: Job, size: int) -> None:
    """Compute the blocks of `size` clips that are not there yet, and mark the entry done."""
    begin = time.perf_counter()
    entry, plan, devices = job.entry, job.plan, job.runtime.devices
    shape = entry.shape()
    arrays = entry.arrays(shape, writable=True) if shape and shape.batch_size == size else None
    done = entry.finished(shape, arrays) if shape and arrays else set()
    missing = sorted(set(range(plan.blocks(size))) - done)
    before = len(plan) - sum(plan.clips_of(block, size) for block in missing)
    with job.progress("embed", total=len(plan), unit="clip", initial=before) as advance:
        if len(devices) > 1:
            handed = hand_over(job.encoder, PRECISIONS[job.runtime.precision])
            if shape is None or arrays is None:
                shape, arrays = lay_out(job, size)
            fill_with_processes(entry, shape, handed, plan, missing, devices, advance)
            missing = []
        for block, values in embed_blocks(job.encoder, plan, missing, size, job.runtime.device):
            if shape is None or arrays is None:
                shape = Shape(size, len(plan), {output: array.shape[1] for output, array in values.items()})
                arrays = entry.begin(shape)
            entry.write(shape, arrays, block, values)
            advance(plan.clips_of(block, size))
    record = {"clips": len(plan) - before, "seconds": time.perf_counter() - begin, "time": provenance.now()}
    entry.finish(arrays or {}, record)


def lay_out(job: Job, size: int) -> tuple[Shape, dict[str, NDArray[np.float32]]]:
    """Begin an entry before any block is there: a second of silence tells the dimensions."""
    with enough_memory(job.encoder.identity.name, f"the memory of {job.place}"):
        silence = torch.zeros(1, job.encoder.sample_rate, device=job.place)
        embedded = job.encoder.embed(silence, torch.tensor([silence.shape[1]]))
    shape = Shape(size, len(job.plan), {output: each.shape[1] for output, each in embedded.items()})
    return shape, job.entry.begin(shape)
