"""The inner loop: blocks of a plan through the encoder, one after the other, the device never waiting for the host.

While block k runs, block k - 1 is on its way back and block k + 1 is read from the store. On CUDA, samples travel as
16-bit from pinned memory, results come back in one copy a block into pinned memory, and nothing synchronises inside the
loop but the wait for the block before. On the CPU it is a plain loop: reading is a copy out of the page cache.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evar.base.errors import DataError
from evar.base.threads import Threads
from evar.embeddings.batches import Batch, Plan, to_float
from evar.encoders.contract import Encoder

Values = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Pending:
    """A block on its way back: its batch, its results in host memory, and what to wait for before they are read."""

    block: int
    batch: Batch
    results: dict[str, Tensor]
    copied: torch.cuda.Event | None


def embed_blocks(
    encoder: Encoder, plan: Plan, blocks: Iterable[int], size: int, device: torch.device
) -> Iterator[tuple[int, Values]]:
    """Embed the `blocks` of `size` clips in order: (block, {output: (clip, dim) float32}).

    Raises DataError where numbers are not finite, and what torch raises where memory is short (see `nn/memory.py`).
    """
    pending: Pending | None = None
    for block, batch in _read_ahead(plan, blocks, size, device):
        started = _start(encoder, block, batch, device)
        if pending is not None:
            yield pending.block, _collect(encoder, plan, pending)
        pending = started
    if pending is not None:
        yield pending.block, _collect(encoder, plan, pending)


def _read_ahead(plan: Plan, blocks: Iterable[int], size: int, device: torch.device) -> Iterator[tuple[int, Batch]]:
    """Batches in order; on CUDA the next one is read into pinned memory while the caller uses this one."""
    if device.type != "cuda":
        for block in blocks:
            yield block, plan.batch(block, size)
        return
    with Threads(1, thread_name_prefix="read ahead") as reader:
        waiting = None
        for block in blocks:
            following = block, reader.submit(_pinned, plan, block, size)
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = following
        if waiting is not None:
            yield waiting[0], waiting[1].result()


def _pinned(plan: Plan, block: int, size: int) -> Batch:
    batch = plan.batch(block, size)
    return Batch(batch.waveforms.pin_memory(), batch.lengths, batch.rows)


def _start(encoder: Encoder, block: int, batch: Batch, device: torch.device) -> Pending:
    embedded = encoder.embed(to_float(batch.waveforms, device), batch.lengths)
    if device.type != "cuda":
        return Pending(block, batch, embedded, None)
    results = {output: torch.empty(values.shape, pin_memory=True) for output, values in embedded.items()}
    for output, values in embedded.items():
        results[output].copy_(values, non_blocking=True)
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record(torch.cuda.current_stream(device))
    return Pending(block, batch, results, copied)


def _collect(encoder: Encoder, plan: Plan, pending: Pending) -> Values:
    """The block's numbers, without the rows that only filled it up."""
    if pending.copied is not None:
        pending.copied.synchronize()
    rows = pending.batch.rows
    landed = {output: values[: len(rows)].cpu().numpy() for output, values in pending.results.items()}
    for output, values in landed.items():
        wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if wrong.size:
            clip = plan.store.index["path"].iloc[plan.store_rows[rows[wrong[0]]]]
            raise DataError(
                f"{encoder.identity.name} gives numbers that are not finite (output {output}, first for {clip}); "
                f"try --precision float32"
            )
    return landed
