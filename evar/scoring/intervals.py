"""A score with its 95 % interval, by bootstrap over groups of test clips.

Clips of one recording or speaker err together, so groups are drawn, with replacement, and not clips. The protocol is
kept in every resample: groups are drawn within each fold (one that straddles folds is drawn in each on its own), the
score is the unweighted mean over folds, and for several seeds the mean over seeds on the same draw.

The interval is the 2.5 % to 97.5 % range of the resampled scores, moved so that their mean lies on the score itself
(a resample repeats clips, which lifts mAP: the plain range can miss the score), and clipped to [0, 1].
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evar.probes.predictions import Predictions
from evar.scoring.metrics import Prepared, prepare, without_positives

RESAMPLES = 2000
LEVEL = 0.95
FEW_GROUPS = 30
BLOCK_WEIGHTS = 2**22  # weights (clip, resample) in memory at a time: 16 MiB


@dataclass(frozen=True)
class Score:
    """A metric's value on the test clips, in [0, 1], with its 95 % interval.

    n:           test clips
    groups:      groups that were drawn, summed over folds
    parts:       fold -> its score, the mean over seeds
    seeds:       one score a seed, the unweighted mean over folds
    left_out:    classes that a fold's mean leaves out for want of positive clips (mAP; the most of any fold)
    """

    metric: str
    value: float
    low: float
    high: float
    n: int
    groups: int
    parts: dict[str, float]
    seeds: tuple[float, ...]
    left_out: int = 0

    @property
    def few_groups(self) -> bool:
        """Whether the interval rests on too few groups to claim that two scores differ."""
        return self.groups < FEW_GROUPS


def score_predictions(predictions: Predictions, metric: str, seed: int, resamples: int = RESAMPLES) -> Score:
    """Score predictions by the metric of this name, with an interval; the draws come from `seed`.

    Raises UsageError for an unknown metric, DataError where a fold leaves nothing to score.
    """
    draws = np.random.default_rng(seed)
    folds = sorted(set(predictions.folds.tolist()), key=lambda name: (len(name), name))  # fold2 before fold10
    by_seed = np.empty((len(folds), len(predictions.logits)))
    resampled, groups, left_out = np.zeros(resamples), 0, 0
    for number, fold in enumerate(folds):
        clips = np.flatnonzero(predictions.folds == fold)
        targets = predictions.targets[clips]
        prepared = [prepare(metric, logits[clips], targets) for logits in predictions.logits]
        by_seed[number] = [each(np.ones((len(clips), 1)))[0] for each in prepared]
        names, member = np.unique(predictions.groups[clips], return_inverse=True)
        resampled += _resample(prepared, member, len(names), resamples, draws) / len(folds)
        groups += len(names)
        left_out = max(left_out, without_positives(targets))
    value = float(by_seed.mean())
    parts = dict(zip(folds, by_seed.mean(axis=1).tolist(), strict=True))
    seeds = tuple(by_seed.mean(axis=0).tolist())
    low, high = interval(value, resampled) if groups > len(folds) else (0.0, 1.0)  # one group a fold: nothing to draw
    return Score(metric, value, low, high, len(predictions.rows), groups, parts, seeds, left_out)


def interval(value: float, resampled: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % range of resampled scores (resample,), NaN ignored, moved from their mean to `value`, within [0, 1]."""
    there = resampled[~np.isnan(resampled)]
    if not len(there):
        return 0.0, 1.0
    low, high = np.quantile(there, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) + (value - there.mean())
    return float(np.clip(low, 0.0, value)), float(np.clip(high, value, 1.0))


def _resample(
    prepared: list[Prepared], member: NDArray[np.intp], groups: int, resamples: int, draws: np.random.Generator
) -> NDArray[np.float64]:
    """Scores (resample,), the mean over the `prepared` seeds, for drawn groups; member (clip,): each clip's group."""
    scores = [
        np.mean([each(weights) for each in prepared], axis=0) for weights in _weights(member, groups, resamples, draws)
    ]
    return np.concatenate(scores)


def _weights(
    member: NDArray[np.intp], groups: int, resamples: int, draws: np.random.Generator
) -> Iterator[NDArray[np.float32]]:
    """Tables (clip, resample) of how often each clip's group was drawn, `resamples` columns in all.

    float32 counts every sum of up to 2^24 exactly.
    """
    block = max(1, BLOCK_WEIGHTS // len(member))
    for start in range(0, resamples, block):
        columns = min(block, resamples - start)
        drawn = draws.integers(groups, size=(columns, groups)) + groups * np.arange(columns)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=columns * groups).reshape(columns, groups)
        yield np.ascontiguousarray(counts.T.astype(np.float32)[member])
