"""What an epoch of fine-tuning reads: order, crops, labels, and what chance does to each clip.

Everything is drawn from (seed, epoch, place in the epoch) alone, so it is the same however many processes or threads
read, and wherever a run goes on. A clip that is mixed in is another one of the same step.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evar.base.errors import UsageError
from evar.base.threads import Threads, in_order
from evar.data.manifest import Manifest
from evar.data.store import Store
from evar.probes.contract import Rows, Targets, known
from evar.tuning.augment import Draws, draw, mix
from evar.tuning.recipe import FineTuningRecipe

ORDER, PARTNERS, PLACE = 1, 2, 3  # what a generator is for; keeps their streams apart


@dataclass(frozen=True)
class LabelledClips:
    """A task's decoded clips, cut or zero-padded to `samples`: rows of the manifest, of the store, and their labels.

    crops: (row,) whether training crops a longer clip anywhere, anew each epoch
    """

    store: Store
    store_rows: NDArray[np.int64]
    crops: NDArray[np.bool_]
    targets: Targets
    classes: int
    samples: int

    @classmethod
    def of(cls, clips: Manifest, store: Store) -> "LabelledClips":
        """Of the manifest of a store's usable clips."""
        samples = clips.task.samples(store.rate)
        return cls(store, store.usable, clips.random_crops, clips.targets, len(clips.classes), samples)

    def shares(self, rows: Rows) -> NDArray[np.float32]:
        """(clip, class) 1 where a clip has the label."""
        if self.targets.ndim == 1:
            shares: NDArray[np.float32] = np.eye(self.classes, dtype=np.float32)[self.targets[rows]]
            return shares
        table: NDArray[np.float32] = (self.targets[rows] == 1).astype(np.float32)
        return table

    def read(self, rows: Rows, starts: NDArray[np.int64], *, pinned: bool = False) -> Tensor:
        """(clip, sample) int16 of these rows from `starts` on. Raises StorageError where the disk changed a clip."""
        waveforms = torch.zeros((len(rows), self.samples), dtype=torch.int16, pin_memory=pinned)
        self.store.copy(self.store_rows[rows], starts, waveforms.numpy())
        return waveforms


@dataclass(frozen=True)
class TrainingBatch:
    """A step's clips. waveforms, partners: (clip, sample) int16 of this process's share, partners None without mixup;
    draws: of the share; targets, known: (clip, class) float32 of the whole batch, mixed; known None where all is.
    """

    waveforms: Tensor
    partners: Tensor | None
    draws: Draws
    targets: Tensor
    known: Tensor | None


class TrainingClips:
    """The epochs of a run over the training `rows`.

    size: mels and frames of a clip's log-mel, or rows and columns of an image; patches: rows and columns of them
    Raises UsageError where there are fewer than two clips.
    """

    def __init__(
        self,
        clips: LabelledClips,
        rows: Rows,
        recipe: FineTuningRecipe,
        seed: int,
        size: tuple[int, int],
        patches: tuple[int, int],
    ) -> None:
        self.clips, self.rows, self.recipe, self.seed, self.size, self.patches = (
            clips,
            rows,
            recipe,
            seed,
            size,
            patches,
        )
        self.count = recipe.epoch_clips or len(rows)
        self.batch_size = min(recipe.batch_size, self.count)
        if self.batch_size < 2:
            raise UsageError(f"{len(rows)} training clips: the head's normalisation needs at least two a step")
        self.steps = self.count // self.batch_size
        self.weights = class_weights(clips.shares(rows)) if recipe.sampling == "by_class" else None

    def order(self, epoch: int) -> Rows:
        """(step, batch) rows: a random order, whose rest that fills no batch is left out; or drawn by class."""
        generator = np.random.default_rng((self.seed, ORDER, epoch))
        if self.weights is None:
            rows = generator.permutation(self.rows)
        else:
            rows = generator.choice(self.rows, self.count, p=self.weights)
        return rows[: self.steps * self.batch_size].reshape(self.steps, self.batch_size)

    def batch(self, epoch: int, step: int, rows: Rows, share: slice, *, pinned: bool = False) -> TrainingBatch:
        """The clips `rows` of a step of an epoch, of which this process has a `share`."""
        starts, draws = [], []
        lengths = self.clips.store.index["length"].to_numpy()[self.clips.store_rows[rows]]
        for place, (row, length) in enumerate(zip(rows.tolist(), lengths.tolist(), strict=True)):
            chance = np.random.default_rng((self.seed, PLACE, epoch, step * self.batch_size + place))
            start = int(chance.integers(max(0, length - self.clips.samples) + 1))
            starts.append(start if self.clips.crops[row] else 0)
            draws.append(draw(chance, self.recipe, self.size, self.patches))
        first, order, every = np.array(starts), np.arange(len(rows)), Draws.of(draws)
        targets, sure = torch.from_numpy(self.clips.shares(rows)), known(self.clips.targets[rows])
        partners = None
        if self.recipe.mixup:
            order = np.random.default_rng((self.seed, PARTNERS, epoch, step)).permutation(len(rows))
            partners = self.clips.read(rows[order][share], first[order][share], pinned=pinned)
            targets = mix(targets, targets[order], every.shares)
        both = None if sure is None else torch.from_numpy((sure & sure[order]).astype(np.float32))
        waveforms = self.clips.read(rows[share], first[share], pinned=pinned)
        return TrainingBatch(waveforms, partners, every.part(share), targets, both)

    def batches(self, first: int, last: int, share: slice, *, pinned: bool) -> Generator[TrainingBatch]:
        """What steps `first` to `last` - 1 of the run read, the next one ahead; pinned: see `Plan.buffer`."""
        orders: dict[int, Rows] = {}

        def read(number: int) -> TrainingBatch:
            epoch, step = divmod(number, self.steps)
            if epoch not in orders:
                orders.clear()
                orders[epoch] = self.order(epoch)
            return self.batch(epoch, step, orders[epoch][step], share, pinned=pinned)

        with Threads(1, thread_name_prefix="clips") as reader:
            yield from in_order(reader, 1, read, range(first, last))


def class_weights(shares: NDArray[np.float32]) -> NDArray[np.float64]:
    """(clip,) chances that a clip is drawn: the sum of 1 / clips of a class over its classes, all adding up to 1.

    shares: (clip, class) 1 where a clip has the label. A clip without one is never drawn. Source: Kong et al. (PANNs),
    arXiv:1912.10211, section 4.2 (balanced sampling), as sums over labels.
    """
    counts = shares.sum(axis=0, dtype=np.float64)
    weights = shares @ np.divide(1.0, counts, out=np.zeros_like(counts), where=counts > 0)
    chances: NDArray[np.float64] = weights / weights.sum()
    return chances
