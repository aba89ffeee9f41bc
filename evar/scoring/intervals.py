"""A score with its 95 % interval, by bootstrap over groups of test clips.

The protocol is kept in every resample: groups are drawn within each fold (one that straddles folds is drawn in each on
its own), the score is the unweighted mean over folds, and for several seeds the mean over seeds on the same draw.

The interval is the 2.5 % to 97.5 % range of the resampled scores, moved so that their mean lies on the score itself
(a resample repeats clips, which lifts mAP: the plain range can miss the score), and clipped to the metric's bounds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evar.probes.predictions import Predictions
from evar.scoring.bootstrap import RESAMPLES, resampled_scores
from evar.scoring.metrics import lookup, without_positives
from evar.scoring.weighted import each_once

LEVEL = 0.95
FEW_GROUPS = 30


@dataclass(frozen=True)
class Score:
    """A metric's value on the test clips, within the metric's bounds, with its 95 % interval.

    n:           test clips
    groups:      groups that were drawn, summed over folds
    parts:       fold -> its score, the mean over seeds
    seeds:       one score a seed, the unweighted mean over folds
    left_out:    classes that means over classes leave out for want of positive clips (the most of any fold)
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
    measure, draws = lookup(metric), np.random.default_rng(seed)
    folds = fold_names(predictions)
    by_seed = np.empty((len(folds), len(predictions.logits)))
    resampled, groups, left_out = np.zeros(resamples), 0, 0
    for number, fold in enumerate(folds):
        clips = np.flatnonzero(predictions.folds == fold)
        targets, drawn_from = predictions.targets[clips], predictions.groups[clips]
        prepared = [measure.prepare(logits[clips], targets) for logits in predictions.logits]
        by_seed[number] = [each(each_once(len(clips)))[0] for each in prepared]
        resampled += resampled_scores(prepared, drawn_from, resamples, draws).mean(axis=0) / len(folds)
        groups += len(np.unique(drawn_from))
        left_out = max(left_out, without_positives(targets, predictions.logits.shape[2]))
    value = float(by_seed.mean())
    parts = dict(zip(folds, by_seed.mean(axis=1).tolist(), strict=True))
    seeds = tuple(by_seed.mean(axis=0).tolist())
    low, high = measure.low, measure.high
    if groups > len(folds):  # one group a fold: nothing to draw
        low, high = interval(value, resampled, low, high)
    return Score(metric, value, low, high, len(predictions.rows), groups, parts, seeds, left_out)


def fold_names(predictions: Predictions) -> list[str]:
    """The names of the folds in natural order: fold2 before fold10."""
    return sorted(set(predictions.folds.tolist()), key=lambda name: (len(name), name))


def interval(
    value: float, resampled: NDArray[np.float64], least: float = 0.0, most: float = 1.0
) -> tuple[float, float]:
    """The 95 % range of resampled scores (resample,), moved from their mean to `value`, within [least, most].

    Resamples without a finite score are ignored; without any other, or for a `value` that is not finite, the range says
    nothing: it is [least, most].
    """
    there = resampled[np.isfinite(resampled)]
    if not len(there) or not np.isfinite(value):
        return least, most
    low, high = np.quantile(there, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) + (value - there.mean())
    return float(np.clip(low, least, value)), float(np.clip(high, value, most))
