"""Filling one share of an entry of the cache, beside other machines that fill the others.

All shares write one array in one shape. Where a batch does not fit on one machine, that one halves it for all: whoever
finds another shape than the one it began with begins again in that one, and nobody writes a block of an old shape.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evar.base import provenance
from evar.base.files import locked
from evar.embeddings.cache import Shape
from evar.embeddings.compute import Job, free_memory, halved, lay_out, put_in_place
from evar.embeddings.device import fix_numerics
from evar.embeddings.forward import embed_blocks
from evar.embeddings.share import Share
from evar.nn.memory import out_of_memory

Arrays = dict[str, NDArray[np.float32]]


class Reshaped(Exception):
    """Another share has halved the batch."""


def compute_share(job: Job, share: Share, on_wait: Callable[[], None] | None) -> None:
    """Compute one share's missing blocks, and mark the entry done where they were the last ones.

    It runs on the first device alone: a share a device uses several. Raises DataError where a single clip does not fit.
    """
    begin = time.perf_counter()
    job = replace(job, runtime=replace(job.runtime, devices=job.runtime.devices[:1]))
    entry = job.entry
    fix_numerics()
    put_in_place(job)
    clips = 0
    with locked(entry.folder / share.log, on_wait):
        while True:
            shape, arrays = _begun(job, on_wait)
            try:
                clips += _fill(job, share, shape, arrays)
            except Reshaped:
                job.note("another share halved the batch; beginning again in that shape")
            except Exception as error:
                if not out_of_memory(error):
                    raise
                _halve(job, shape, error)
            else:
                with locked(entry.folder, on_wait):
                    if entry.shape() == shape:
                        break
            free_memory(job)
    with locked(entry.folder, on_wait):
        if entry.record() is None and len(entry.finished(shape, arrays)) == shape.blocks:
            record = {"clips": clips, "seconds": time.perf_counter() - begin, "time": provenance.now()}
            entry.finish(arrays, record)


def _begun(job: Job, on_wait: Callable[[], None] | None) -> tuple[Shape, Arrays]:
    """Shape and arrays of the entry, which is begun where no share has done so."""
    with locked(job.entry.folder, on_wait):
        shape = job.entry.shape()
        arrays = job.entry.arrays(shape, writable=True) if shape else None
        if shape is None or arrays is None:
            return lay_out(job, job.first_size())
        return shape, arrays


def _fill(job: Job, share: Share, shape: Shape, arrays: Arrays) -> int:
    """Compute the share's missing blocks; gives how many clips. Raises Reshaped where the shape is another one now."""
    entry, plan, size = job.entry, job.plan, shape.batch_size
    missing = sorted(set(share.of(range(shape.blocks))) - entry.finished(shape, arrays))
    clips = sum(plan.clips_of(block, size) for block in missing)
    with job.progress("embed", total=clips, unit="clip") as advance:
        for block, values in embed_blocks(job.encoder, plan, missing, size, job.runtime.device):
            with locked(entry.folder):
                if entry.shape() != shape:
                    raise Reshaped
                entry.write(shape, arrays, block, values, share.log)
            advance(plan.clips_of(block, size))
    return clips


def _halve(job: Job, shape: Shape, error: Exception) -> None:
    """Give the entry a shape of half the batch, unless another share has."""
    size = halved(job, shape.batch_size, error)
    with locked(job.entry.folder):
        if job.entry.shape() == shape:
            job.entry.reshape(replace(shape, batch_size=size))
    job.note(
        f"{shape.batch_size} clips a batch do not fit into the memory of {job.runtime.device}: all shares go on with "
        f"{size}; run those again that have ended"
    )
