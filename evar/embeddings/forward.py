"""The inner loop: blocks of a plan through the encoder, one after the other, the device never waiting for the host.

While block k runs, block k - 1 is on its way back, block k + 1 on its way there and the next ones are read from the
store. On CUDA, samples travel as 16-bit from pinned memory on a stream of their own, results come back in one copy a
block into pinned memory, and nothing synchronises inside the loop but the wait for the block before. On the CPU it is a
plain loop: reading is a copy out of the page cache.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evar.base.errors import DataError
from evar.base.machine import cores
from evar.embeddings.batches import Batch, Plan, to_float
from evar.embeddings.device import fix_numerics
from evar.embeddings.feed import feed
from evar.encoders.contract import Encoder
from evar.nn.images import pixels
from evar.nn.memory import enough_memory

READERS = 4  # threads that read the store for a CUDA device
Values = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Pending:
    """A batch on its way back: its results in host memory, and what to wait for before they are read."""

    batch: Batch
    results: dict[str, Tensor]
    copied: torch.cuda.Event | None


def embed_blocks(
    encoder: Encoder, plan: Plan, blocks: Iterable[int], size: int, device: torch.device
) -> Iterator[tuple[int, Values]]:
    """Embed the `blocks` of `size` clips in order: (block, {output: (clip, dim) float32}).

    Raises DataError where numbers are not finite or the encoder does not fit, and what torch raises where memory is
    short for a batch (see `nn/memory.py`).
    """
    fix_numerics()
    with enough_memory(encoder.identity.name, f"the memory of {device}"):
        encoder.to(device).eval()
    pending: Pending | None = None
    cuda = device.type == "cuda"
    batches = feed(plan, blocks, size, readers=min(READERS, cores()) if cuda else 0, pinned=cuda)
    for batch, samples in _sent(batches, device):
        started = _start(encoder, batch, samples)
        if pending is not None:
            yield pending.batch.block, _collect(encoder, plan, pending)
        pending = started
    if pending is not None:
        yield pending.batch.block, _collect(encoder, plan, pending)


def _sent(batches: Iterable[Batch], device: torch.device) -> Iterator[tuple[Batch, Tensor]]:
    """Batches with their samples on the device; on CUDA these travel while the batch before is computed."""
    if device.type != "cuda":
        yield from ((batch, batch.waveforms.to(device)) for batch in batches)
        return
    aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    for batch in batches:
        with torch.cuda.stream(aside):
            samples = batch.waveforms.to(device, non_blocking=True)
        current = torch.cuda.current_stream(device)
        current.wait_stream(aside)
        samples.record_stream(current)
        yield batch, samples


def _start(encoder: Encoder, batch: Batch, samples: Tensor) -> Pending:
    """Embed a block, and send what comes of it to the host. Every clip is as long as the block: padding is signal."""
    clips = pixels(samples, encoder.rate) if encoder.modality == "image" else to_float(samples)
    embedded = encoder.embed(clips, torch.full((len(samples),), samples.shape[1]))
    if not samples.is_cuda:
        return Pending(batch, embedded, None)
    results = {output: torch.empty(values.shape, pin_memory=True) for output, values in embedded.items()}
    for output, values in embedded.items():
        results[output].copy_(values, non_blocking=True)
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record(torch.cuda.current_stream(samples.device))
    return Pending(batch, results, copied)


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
