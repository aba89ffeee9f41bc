"""Batches of equal shape: clips of the store, fitted to the task's length. Images are of one length already.

A longer clip is cropped: from its start, or, for a fixed split's training clips, at an offset drawn by the
hash of the clip's own samples (the papers' random crop, made deterministic), so that no name or folder moves it. A
shorter clip is zero-padded, and the padding counts as signal, as in the papers. Every batch has the same number of
clips; the last one is filled up with silence, so that one compiled shape, and one rounding, serves all.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evar.data.sample_file import samples_of
from evar.data.store import Store

INT16_SCALE = 1 / 32768  # 16-bit samples to [-1, 1)


@dataclass(frozen=True)
class Batch:
    """Clips of block number `block`.

    waveforms: (clip, sample) int16; rows: (clip,) in the plan, which may be fewer: what fills a batch up has none.
    """

    block: int
    waveforms: Tensor
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

    def batch(self, block: int, size: int, into: Tensor | None = None) -> Batch:
        """Batch number `block` of `size` clips, on the CPU, each clip checked against its checksum.

        into: (size, sample) int16 memory for the waveforms; new memory where not given.
        """
        first = block * size
        rows = np.arange(first, first + self.clips_of(block, size))
        waveforms = self.buffer(size) if into is None else into
        part = slice(first, first + size)
        self.store.copy(self.store_rows[part], self.starts[part], waveforms.numpy())
        return Batch(block, waveforms, rows)

    def buffer(self, size: int, *, pinned: bool = False) -> Tensor:
        """Memory for a batch of `size` clips; pinned: from which a CUDA device copies without waiting."""
        return torch.empty((size, self.samples), dtype=torch.int16, pin_memory=pinned)


def make_plan(store: Store, store_rows: NDArray[np.int64], random_crops: NDArray[np.bool_], seconds: float) -> Plan:
    """Plan the usable clips `store_rows`.

    random_crops: (clip,) which of them are cropped at random; seconds: of a clip, which count for nothing in images
    """
    samples = samples_of(store.modality, seconds, store.rate)
    index = store.index.iloc[store_rows]
    lengths = index["length"].to_numpy()
    starts = np.zeros(len(store_rows), dtype=np.int64)
    places = np.flatnonzero(random_crops & (lengths > samples))
    starts[places] = crop_starts(index["content"].iloc[places], lengths[places], samples)
    return Plan(store, store_rows, starts, samples)


def crop_starts(contents: Iterable[str], lengths: NDArray[np.int64], samples: int) -> NDArray[np.int64]:
    """(clip,) first samples of crops of `samples`: uniform, and the same for the same content.

    contents: the clips' hashes, of which the first 64 bits are taken, modulo the number of places; lengths: (clip,)
    """
    numbers = np.frombuffer(bytes.fromhex("".join(content[:16] for content in contents)), ">u8")
    return (numbers % (lengths - samples + 1).astype(np.uint64)).astype(np.int64)


def to_float(samples: Tensor) -> Tensor:
    """16-bit samples -> float32 in [-1, 1), on the device that they are on."""
    return samples.to(torch.float32) * INT16_SCALE
