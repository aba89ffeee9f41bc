"""Batches of equal shape: clips of the store, fitted to the task's length.

A longer clip is cropped: from its start, or, for a fixed split's training clips, at an offset drawn from a generator
seeded by the clip's own samples (the papers' random crop, made deterministic), so that no name or folder moves it. A
shorter clip is zero-padded, and the padding counts as signal, as in the papers. Every batch has the same number of
clips; the last one is filled up with silence, so that one compiled shape, and one rounding, serves all.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evar.data.store import Store

INT16_SCALE = 1 / 32768  # 16-bit samples to [-1, 1)


@dataclass(frozen=True)
class Batch:
    """waveforms (clip, sample) int16 or float32 in [-1, 1]; lengths (clip,) samples; rows (clip,) in the plan.

    `rows` may be fewer than the clips: what fills the last batch up has no row.
    """

    waveforms: Tensor
    lengths: Tensor
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """Which samples of which clips are embedded, in which fixed blocks.

    store_rows (clip,): rows of the store; starts (clip,): first sample of the crop; samples: length of every clip.
    """

    store: Store
    store_rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    samples: int

    def __len__(self) -> int:
        return len(self.store_rows)

    def blocks(self, size: int) -> int:
        """How many batches of `size` clips there are."""
        return -(-len(self) // size)

    def clips_of(self, block: int, size: int) -> int:
        """How many clips block number `block` of `size` holds."""
        return min(size, len(self) - block * size)

    def batch(self, block: int, size: int) -> Batch:
        """Batch number `block` of `size` clips, on the CPU."""
        rows = block * size + np.arange(self.clips_of(block, size))
        waveforms = np.zeros((size, self.samples), dtype=np.int16)
        for place, row in enumerate(rows):
            clip = self.store.verified(int(self.store_rows[row]))[self.starts[row] :][: self.samples]
            waveforms[place, : len(clip)] = clip
        return Batch(torch.from_numpy(waveforms), torch.full((size,), self.samples), rows)


def make_plan(store: Store, store_rows: NDArray[np.int64], random_crops: NDArray[np.bool_], seconds: float) -> Plan:
    """Plan the usable clips `store_rows`; `random_crops` (clip,) says which of them are cropped at random."""
    samples = round(seconds * store.rate)
    lengths = store.index["length"].to_numpy()[store_rows]
    starts = np.zeros(len(store_rows), dtype=np.int64)
    for place in np.flatnonzero(random_crops & (lengths > samples)):
        starts[place] = crop_start(store.index["content"].iloc[store_rows[place]], int(lengths[place]), samples)
    return Plan(store, store_rows, starts, samples)


def crop_start(content: str, length: int, samples: int) -> int:
    """First sample of the crop of `samples` from `length`: uniform, the same for the same content (a hash of it)."""
    seed = hashlib.sha256(content.encode()).digest()[:8]
    return int(np.random.default_rng(int.from_bytes(seed, "little")).integers(length - samples + 1))


def to_float(waveforms: Tensor, device: torch.device) -> Tensor:
    """16-bit samples on the CPU -> float32 in [-1, 1) on the device; the bytes travel as 16-bit."""
    return waveforms.to(device, non_blocking=True).to(torch.float32) * INT16_SCALE
