"""A score with its 95 % interval, by bootstrap over groups of test clips.

The protocol is kept in every resample: groups are drawn within each fold (one that straddles folds is drawn in each on
its own), the score is the unweighted mean over folds, and for several seeds the mean over seeds on the same draw.

The spread of the resampled scores is the score's standard error e. Their percentiles are not used: a resample repeats
clips, which lifts mAP beyond the score itself, and with few errors among few clips percentiles cover too little (90 %
for 50 clips and an accuracy of 0.9). For a score v in [0, 1] the interval holds every p with

    |v - p| <= t e sqrt(p (1 - p) / (v (1 - v)))

that is, a share's standard error depends on the share, and the truth's counts: Wilson's interval (1927, Journal of the
American Statistical Association 22, pp. 209-212) for n = v (1 - v) / e^2 independent clips, however many there are. The
quantile t is Student's for as many degrees of freedom as groups less folds, and e is the bootstrap's times
sqrt(groups / (groups - folds)), which makes a mean's variance unbiased. Where resamples have no
spread, as at v = 0 or 1, n is the number of groups. A metric without bounds gets v +- t e.

What an interval covers is the score that other test sets of this size would have on average: mAP of few positives lies
above that of many. `python -m benchmarks.coverage` measures how often it does.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from evar.probes.predictions import Predictions
from evar.scoring.bootstrap import RESAMPLES, resampled_scores
from evar.scoring.metrics import lookup, without_positives
from evar.scoring.weighted import Scores, each_once

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
    error, quantile = standard_error(resampled, groups, len(folds)), student(groups, len(folds))
    if np.isfinite([measure.low, measure.high]).all():
        low, high = share_interval(value, error, quantile, groups)
    else:
        low, high = plain_interval(value, error, quantile)
    return Score(metric, value, low, high, len(predictions.rows), groups, parts, seeds, left_out)


def fold_names(predictions: Predictions) -> list[str]:
    """The names of the folds in natural order: fold2 before fold10."""
    return sorted(set(predictions.folds.tolist()), key=lambda name: (len(name), name))


def standard_error(resampled: Scores, groups: int, folds: int) -> float:
    """The standard error that resampled scores (resample,) tell of; infinite where there is nothing to tell it from.

    Resamples without a finite score are ignored.
    """
    there = resampled[np.isfinite(resampled)]
    if groups <= folds or len(there) < 2:  # one group a fold: each resample is the same
        return math.inf
    return float(there.std()) * math.sqrt(groups / (groups - folds))


def student(groups: int, folds: int) -> float:
    """Student's quantile for the interval of a score that rests on so many groups."""
    return float(stats.t.ppf((1 + LEVEL) / 2, max(1, groups - folds)))


def share_interval(value: float, error: float, quantile: float, groups: int) -> tuple[float, float]:
    """The interval of a score in [0, 1]: see above. All of [0, 1] where `error` is infinite."""
    if not math.isfinite(error):
        return 0.0, 1.0
    spread = value * (1 - value)
    ratio = quantile**2 * (error**2 / spread if error > 0 and spread > 0 else 1 / groups)  # t^2 / n
    centre, half = value + ratio / 2, math.sqrt(ratio * spread + ratio**2 / 4)
    low, high = (centre - half) / (1 + ratio), (centre + half) / (1 + ratio)
    return min(max(low, 0.0), value), max(min(high, 1.0), value)


def plain_interval(value: float, error: float, quantile: float) -> tuple[float, float]:
    """`value` and `quantile` times the error to both sides; no bounds where either is infinite."""
    if not math.isfinite(error) or not math.isfinite(value):
        return -math.inf, math.inf
    return value - quantile * error, value + quantile * error
