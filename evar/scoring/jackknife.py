"""How far a run's score moves when a group of its test clips is left out, and the standard error that follows.

Clips of one recording or speaker err together, so groups are left out, and not clips, each from its own fold. With h
the group's share of the fold's clips and d how far the score falls without it, its pull is e = d (1 - h): for accuracy
the sum of its clips' (right - score), by the number of clips. Pulls of a fold sum to 0. The fold's variance is

    (G - 1) / G  times the sum of (e / (1 - h))^2

over its G groups: the cluster jackknife, CR3 of Bell and McCaffrey (2002, Survey Methodology 28, pp. 169-181). For
equal groups it is that of a mean. Of more than 2,000 groups several are left out at once, dealt out by size.

Blocks of groups are left out side by side, one thread each; counts are whole numbers, whose sums are exact, so neither
the number of threads nor the size of a block changes a bit.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from evar.base.machine import cores
from evar.base.threads import Threads, in_order
from evar.probes.predictions import Predictions
from evar.scoring.metrics import lookup
from evar.scoring.weighted import Scores, WeightedMetric, each_once

MOST_PARTS = 2000  # of a fold: more groups are left out several at a time
BLOCK = 128  # parts that are left out at a time: counts of 20,000 clips in them are 10 MB, which caches hold
BLOCK_WEIGHTS = 2**24  # and no more than 64 MiB of counts

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class FoldPulls:
    """What the groups of a fold do to its scores.

    scores (seed,): of all clips; pulls (seed, part): see above, not finite where no score is left; shares (part,):
    of the fold's clips; groups: how many there are; alike: the sum of the groups' squared shares
    """

    scores: Scores
    pulls: Scores
    shares: Scores
    groups: int
    alike: float

    def mean(self, draws: int) -> "FoldPulls":
        """A row for each of `draws` draws of training clips: the mean over its seeds; as it is for one draw alone."""
        if draws == 1:
            return self
        return replace(
            self,
            scores=self.scores.reshape(draws, -1).mean(axis=1),
            pulls=self.pulls.reshape(draws, -1, len(self.shares)).mean(axis=1),
        )


def pulls_by_fold(predictions: Predictions, metric: str) -> dict[str, FoldPulls]:
    """Fold -> how its groups pull on the metric of this name; folds in natural order, fold2 before fold10.

    Raises UsageError for an unknown metric, DataError where a fold leaves nothing to score.
    """
    names = sorted(set(predictions.folds.tolist()), key=lambda name: (len(name), name))
    return {name: _pulls(predictions, np.flatnonzero(predictions.folds == name), metric) for name in names}


def effective_groups(folds: Sequence[FoldPulls]) -> float:
    """How many groups of equal size the groups are worth, by their weight in the mean over folds.

    Of one fold, (sum n)^2 / (sum n^2) for groups of n clips (Kish 1965, Survey Sampling).
    """
    return round(len(folds) ** 2 / sum(fold.alike for fold in folds), 6)


def variance(pulls: Sequence[Scores], shares: Sequence[Scores]) -> float:
    """Variance of the mean over folds that the folds' pulls (part,) tell of, shares (part,); infinite where none does.

    A fold of one group says nothing of it: it is taken to vary as the others do.
    """
    each = [float(jackknifed(e, h)) for e, h in zip(pulls, shares, strict=True) if len(e) > 1]
    found = sum(each) / len(each) / len(pulls) if each else math.inf
    return found if math.isfinite(found) else math.inf


def jackknifed(pulls: Scores, shares: Scores) -> Scores:
    """Variance (...,) of the score of one fold whose parts, two or more, have these pulls and shares (..., part)."""
    parts = pulls.shape[-1]
    found: Scores = (parts - 1) / parts * ((pulls / (1 - shares)) ** 2).sum(axis=-1)
    return found


def _pulls(predictions: Predictions, clips: NDArray[np.intp], metric: str) -> FoldPulls:
    targets, measure = predictions.targets[clips], lookup(metric, predictions.pitches)
    prepared = [measure.prepare(logits[clips], targets) for logits in predictions.logits]
    scores = np.array([score(each_once(len(clips)))[0] for score in prepared])
    _, member, sizes = np.unique(predictions.groups[clips], return_inverse=True, return_counts=True)
    part = _dealt_out(sizes)[member]
    shares = np.bincount(part) / len(clips)
    with np.errstate(invalid="ignore"):
        pulls = (scores[:, None] - _without(prepared, part, len(shares))) * (1 - shares)
        pulls -= shares * pulls.sum(axis=1, keepdims=True)
    return FoldPulls(scores, pulls, shares, len(sizes), float((sizes**2).sum()) / len(clips) ** 2)


def _dealt_out(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The part (group,) that each group is left out with: one of its own while there are few, else by falling size."""
    place = np.empty(len(sizes), np.int64)
    place[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return place % MOST_PARTS


def _without(prepared: Sequence[WeightedMetric], part: NDArray[np.int64], parts: int) -> Scores:
    """Scores (metric, part) of the `prepared` metrics without each part's clips; part (clip,)."""
    if parts == 1:
        return np.full((len(prepared), 1), np.nan)
    block = max(1, min(BLOCK, BLOCK_WEIGHTS // len(part)))

    def score(left_out: NDArray[np.int64]) -> Scores:
        weights = (part[:, None] != left_out).astype(np.float32)
        return np.stack([each(weights) for each in prepared])

    blocks = (np.arange(start, min(start + block, parts)) for start in range(0, parts, block))
    return np.concatenate(list(_each(score, blocks)), axis=1)


def _each(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`work` of each item, in order, as many at once as there are cores; items are taken as they are needed."""
    import torch  # as in `weighted.py`

    threads = torch.get_num_threads()
    try:
        with Threads(cores(), initializer=lambda: torch.set_num_threads(1)) as pool:
            yield from in_order(pool, cores(), work, items)
    finally:
        torch.set_num_threads(threads)
