"""Crops of a prepared store: which an epoch holds, where each begins, and what their log-mel is normalised by.

A clip gives as many samples an epoch as whole inputs fit into it, at least one, so that an hour of music counts for
more than a word; an image is one. Order, places and mask noise are drawn from (seed, epoch, sample) alone: they are the
same however many processes or threads read, and wherever a run goes on.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evar.base.errors import DataError, UsageError
from evar.base.threads import Threads
from evar.data.audio import FULL_SCALE
from evar.data.store import Store
from evar.nn.frontend import LogMel
from evar.nn.images import draw_box
from evar.pretrain.masking import draw_noise
from evar.pretrain.recipe import Recipe

ORDER, SAMPLE = 1, 2  # what a generator is for; keeps their streams apart

MEASURED = 2_000  # crops that the log-mel's statistics are of, at most
MEASURED_AT_ONCE = 50
MEASURED_EPOCH = 2**32  # that no run reaches: its crops are nobody else's

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Crops:
    """A batch: (clip, sample) int16 waveforms, zero-padded at their ends, or images as a store has them; (clip,)
    lengths in samples without the padding; (clip, patch) float32 noise that decides the masks.

    views: (clip, 5) int64 of images: the box that is seen of each, see `images.py`, and 1 where it is mirrored;
    (clip, 0) of audio
    """

    clips: Tensor
    lengths: Tensor
    noise: Tensor
    views: Tensor

    def parts(self, count: int) -> Iterator["Crops"]:
        """`count` equal parts, one after the other."""
        tensors = (self.clips, self.lengths, self.noise, self.views)
        for pieces in zip(*(each.chunk(count) for each in tensors), strict=True):
            yield Crops(*pieces)


class Epochs:
    """The samples of a store under a recipe.

    rows: (sample,) the store's row that each sample of an epoch comes from.
    Raises UsageError where there are fewer samples than a step takes.
    """

    def __init__(self, store: Store, recipe: Recipe) -> None:
        self.store, self.recipe = store, recipe
        usable = store.usable
        lengths = store.index["length"].to_numpy(dtype=np.int64)[usable]
        self.rows: Numbers = np.repeat(usable[lengths > 0], np.maximum(1, lengths[lengths > 0] // recipe.samples))
        self.steps = len(self.rows) // recipe.batch_size
        if not self.steps:
            of = "images" if recipe.image_size else f"crops of {recipe.samples / recipe.sample_rate:.2f} s"
            raise UsageError(
                f"an epoch has {len(self.rows):,} {of}, fewer than the {recipe.batch_size:,} of a step: add "
                f"{'some' if recipe.image_size else 'audio'}, or give a smaller --batch-size"
            )

    def order(self, epoch: int) -> Numbers:
        """(step, batch) numbers of samples: a random order, whose rest that fills no batch is left out."""
        order = np.random.default_rng((self.recipe.seed, ORDER, epoch)).permutation(len(self.rows))
        return order[: self.steps * self.recipe.batch_size].reshape(self.steps, self.recipe.batch_size)

    def crops(self, epoch: int, samples: Numbers) -> Crops:
        """The crops of these samples in that epoch."""
        grid = self.recipe.grid
        clips = np.zeros((len(samples), self.recipe.samples), dtype=np.int16)
        lengths = np.zeros(len(samples), dtype=np.int64)
        noise = np.zeros((len(samples), grid.rows * grid.columns), dtype=np.float32)
        views = np.zeros((len(samples), 5 if self.recipe.image_size else 0), dtype=np.int64)
        for place, sample in enumerate(samples.tolist()):
            draws = np.random.default_rng((self.recipe.seed, SAMPLE, epoch, sample))
            clip = self.store.samples(int(self.rows[sample]))
            start = int(draws.integers(max(0, len(clip) - self.recipe.samples) + 1))
            cut = clip[start : start + self.recipe.samples]
            if self.recipe.short_clips == "repeat":
                cut = np.resize(cut, self.recipe.samples)
            clips[place, : len(cut)], lengths[place] = cut, len(cut)
            noise[place] = draw_noise(draws, self.recipe.masking, grid.rows, grid.columns)
            if self.recipe.image_size:
                views[place, :4] = draw_box(draws, self.recipe.image_size, self.recipe.smallest_crop)
                views[place, 4] = self.recipe.flip and draws.integers(2)
        return Crops(*map(torch.from_numpy, (clips, lengths, noise, views)))

    def batches(self, first: int, last: int, rank: int, ranks: int, *, pinned: bool) -> Generator[Crops]:
        """What process `rank` of `ranks` reads for steps `first` to `last` - 1 of the run; the next one is read ahead.

        A step's batch is cut into `ranks` equal parts, in order. pinned: into memory that a CUDA device copies from.
        """
        share = self.recipe.batch_size // ranks
        order: tuple[int, Numbers] = (-1, np.empty((0, 0), dtype=np.int64))

        def read(step: int) -> Crops:
            nonlocal order
            epoch, place = divmod(step, self.steps)
            if order[0] != epoch:
                order = epoch, self.order(epoch)
            crops = self.crops(epoch, order[1][place, rank * share : (rank + 1) * share])
            if not pinned:
                return crops
            return Crops(crops.clips.pin_memory(), crops.lengths, crops.noise.pin_memory(), crops.views)

        if first == last:
            return
        with Threads(1, thread_name_prefix="crops") as reader:
            ahead = reader.submit(read, first)
            for step in range(first, last):
                ready = ahead.result()
                if step + 1 < last:
                    ahead = reader.submit(read, step + 1)
                yield ready


def measure_norm_stats(epochs: Epochs, log_mel: LogMel, device: torch.device) -> tuple[float, float]:
    """(mean, standard deviation) over all numbers of the log-mel of up to `MEASURED` crops, padding left out.

    Raises DataError where the audio is all alike, so that nothing could be divided by its deviation.
    """
    count, total, squares = 0, 0.0, 0.0
    order = epochs.order(MEASURED_EPOCH).ravel()[:MEASURED]
    for start in range(0, len(order), MEASURED_AT_ONCE):
        crops = epochs.crops(MEASURED_EPOCH, order[start : start + MEASURED_AT_ONCE])
        spectra = log_mel(crops.clips.to(device).float() / FULL_SCALE).double().cpu()
        frames = crops.lengths // log_mel.hop + 1  # the others hold nothing but padding
        inside = torch.arange(spectra.shape[2])[None, :] < frames[:, None]
        numbers = spectra.transpose(1, 2)[inside].numpy()
        count += numbers.size
        total += float(numbers.sum())
        squares += float(np.square(numbers).sum())
    mean = total / count
    deviation = max(0.0, squares / count - mean * mean) ** 0.5
    if deviation < 1e-3:
        raise DataError(f"the audio is all alike: its log-mel is {mean:.2f} everywhere (silence?)")
    return mean, deviation
