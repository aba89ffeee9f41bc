"""Counting clips by weight: what the metrics of this folder share.

A metric is prepared once for its logits (clip, class) and targets, and then gives one score for each column of a table
of weights (clip, resample), in which a clip counts as often as its weight says: a bootstrap is one call.

All that a metric needs of the table are sums of its rows over bags of clips: those of a class, those ranked between two
positives. torch's `embedding_bag` is such a sum, and fast.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evar.probes.contract import Floats, Targets

if TYPE_CHECKING:
    from torch import Tensor

Weights = NDArray[np.float32] | NDArray[np.float64]
"""(clip, resample), none negative. float32 is for whole numbers, of which it sums up to 2^24 exactly."""

Scores = NDArray[np.float64]
WeightedMetric = Callable[[Weights], Scores]
"""Weights (clip, resample) -> scores (resample,), NaN where a resample leaves nothing to score."""

ByClass = Callable[[Weights], Scores]
"""Weights (clip, resample) -> scores (class, resample), NaN where a class has none."""


@dataclass(frozen=True)
class Bags:
    """Clips one bag after the other; `starts` is where each bag begins. A clip may lie in several, a bag be empty."""

    clips: NDArray[np.int32]
    starts: NDArray[np.int32]

    @classmethod
    def of(cls, clips: NDArray[np.intp], starts: NDArray[np.intp]) -> "Bags":
        """The bags of these arrays."""
        return cls(clips.astype(np.int32), starts.astype(np.int32))

    @classmethod
    def by_label(cls, labels: NDArray[np.int64], count: int) -> "Bags":
        """A bag for each label 0 ... count - 1, of the clips (clip,) that carry it."""
        order = np.argsort(labels, kind="stable")
        return cls.of(order, np.searchsorted(labels[order], np.arange(count)))

    def sums(self, weights: Weights) -> Scores:
        """(clip, resample) -> (bag, resample)."""
        return self._sums(weights).numpy()

    def running_sums(self, weights: Weights) -> Scores:
        """(clip, resample) -> (bag, resample), each bag with all bags before it."""
        return self._sums(weights).cumsum(0).numpy()

    def _sums(self, weights: Weights) -> "Tensor":
        import torch  # here, since tables of scores need none of it, and it takes seconds

        clips, table, starts = map(torch.from_numpy, (self.clips, np.ascontiguousarray(weights), self.starts))
        return torch.nn.functional.embedding_bag(clips, table, starts, mode="sum").double()


def each_once(clips: int) -> Weights:
    """Weights (clip, 1) that count each clip once."""
    return np.ones((clips, 1), np.float32)


def mean_over_classes(by_class: ByClass) -> WeightedMetric:
    """The unweighted mean over the classes that have a score."""

    def scores(weights: Weights) -> Scores:
        each = by_class(weights)
        there = ~np.isnan(each)
        return divide(each.sum(axis=0, where=there), there.sum(axis=0, dtype=np.float64))

    return scores


def divide(over: Scores, under: Scores) -> Scores:
    """`over / under`, NaN where `under` is not above 0."""
    quotient: Scores = np.divide(over, under, out=np.full(under.shape, np.nan), where=under > 0)
    return quotient


def class_numbers(logits: Floats, targets: Targets) -> NDArray[np.int64]:
    """Single-label targets (clip,), checked against logits (clip, class). Raises ValueError where they do not fit."""
    _check(logits, targets, logits.shape[:1])
    return targets.astype(np.int64, copy=False)


def positives(logits: Floats, targets: Targets) -> NDArray[np.bool_]:
    """The positives of multi-label targets (clip, class), checked against logits. Raises ValueError where unfit."""
    _check(logits, targets, logits.shape)
    positive: NDArray[np.bool_] = targets == 1
    return positive


def _check(logits: Floats, targets: Targets, wanted: tuple[int, ...]) -> None:
    if logits.ndim != 2 or not len(logits):
        raise ValueError(f"logits must be (clip, class) with at least one clip, not {logits.shape}")
    if targets.shape != wanted:
        raise ValueError(f"targets must be {wanted} for this metric, not {targets.shape}")
