"""A score with its 95 % interval, which holds what other test clips, seeds and draws of training clips would give.

The score is the unweighted mean over folds and over seeds. Its standard error e has two sources:

- the test clips: groups of them are left out in turn (`jackknife.py`);
- the seeds of the probe, or the draws of few training clips: s^2 / S for S of them whose scores have the variance s^2.
  As much of s^2 as the test clips explain (seeds err on other clips) is counted once: their part of it, estimated from
  the same groups, is subtracted.

The quantile t is Student's for the degrees of freedom of the two together (Satterthwaite 1946, Biometrics Bulletin 2,
pp. 110-114): of the groups as many as their effective number less the folds, of the seeds S - 1.

Groups of unequal size or few errors make that t too small. So the groups are drawn with replacement 2,000 times, each
time with its own standard error, and where |score - drawn score| in units of that exceeds t in more than 5 % of the
draws, the error is stretched to fit (bootstrap-t: Hall 1988, Annals of Statistics 16, pp. 927-953). A drawn score is
the score with the pulls of the drawn groups, which for accuracy is the score of the drawn clips.

For a score v in [0, 1] the interval holds every p with

    |v - p| <= t e sqrt(p (1 - p) / (v (1 - v)))

that is, a share's standard error depends on the share, and the truth's counts: Wilson's interval (1927, Journal of the
American Statistical Association 22, pp. 209-212) for n = v (1 - v) / e^2 independent clips, however many there are.
Where groups do not move the score, as at v = 0 or 1, n is their effective number. A metric without bounds gets
v +- t e.

What an interval covers is the score that other test sets of this size would have on average: mAP of few positives lies
above that of many. `python -m benchmarks.coverage` measures how often it does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from evar.base.threads import pieces
from evar.probes.predictions import Predictions
from evar.scoring.jackknife import FoldPulls, effective_groups, jackknifed, pulls_by_fold, variance
from evar.scoring.metrics import lookup, without_positives
from evar.scoring.weighted import Scores

LEVEL = 0.95
FEW_GROUPS = 30
RESAMPLES = 2000
BLOCK = 200  # resamples that are drawn at a time: 2,000 groups in them are 3 MB


@dataclass(frozen=True)
class Score:
    """A metric's value on the test clips, within the metric's bounds, with its 95 % interval.

    n:           test clips
    groups:      of test clips, summed over folds
    effective:   how many groups of equal size they are worth
    parts:       fold -> its score, the mean over seeds
    seeds:       one score a seed, the unweighted mean over folds
    left_out:    classes that means over classes leave out, without positive clips (the most of any fold)
    """

    metric: str
    value: float
    low: float
    high: float
    n: int
    groups: int
    effective: float
    parts: dict[str, float]
    seeds: tuple[float, ...]
    left_out: int = 0

    @property
    def few_groups(self) -> bool:
        """Whether the interval rests on too few groups to claim that two scores differ."""
        return self.effective < FEW_GROUPS


@dataclass(frozen=True)
class Variance:
    """An estimated variance and its degrees of freedom."""

    value: float
    freedom: float


def score_predictions(predictions: Predictions, metric: str, seed: int, resamples: int = RESAMPLES) -> Score:
    """Score predictions by the metric of this name, with an interval; groups are drawn from `seed`.

    Raises UsageError for an unknown metric, DataError where a fold leaves nothing to score.
    """
    measure, by_fold = lookup(metric, predictions.pitches), pulls_by_fold(predictions, metric)
    folds, scores = list(by_fold.values()), np.stack([fold.scores for fold in by_fold.values()])
    value, effective = float(scores.mean()), effective_groups(folds)
    bounded = bool(np.isfinite([measure.low, measure.high]).all())
    clips = Variance(variance([f.pulls.mean(axis=0) for f in folds], [f.shares for f in folds]), freedom(folds))
    stretch = 1.0
    if 0 < clips.value < math.inf:
        ratios = studentised(folds, np.random.default_rng(seed), resamples, value if bounded else None, effective)
        stretch = max(1.0, float(np.quantile(ratios, LEVEL)) / student(clips.freedom))
    error, quantile = total(Variance(clips.value * stretch**2, clips.freedom), seed_variance(folds, predictions.draws))
    low, high = share_interval(value, error, quantile, effective) if bounded else plain_interval(value, error, quantile)
    return Score(
        metric=metric,
        value=value,
        low=low,
        high=high,
        n=len(predictions.rows),
        groups=sum(fold.groups for fold in folds),
        effective=effective,
        parts=dict(zip(by_fold, scores.mean(axis=1).tolist(), strict=True)),
        seeds=tuple(scores.mean(axis=0).tolist()),
        left_out=max(
            without_positives(predictions.targets[predictions.folds == name], predictions.logits.shape[2])
            for name in by_fold
        ),
    )


def seed_variance(folds: Sequence[FoldPulls], draws: int) -> list[Variance]:
    """What seeds, or several draws of training clips, add to the variance of their mean; nothing where there is one."""
    by_draw = [fold.mean(draws) for fold in folds]
    scores = np.mean([fold.scores for fold in by_draw], axis=0)
    if (count := len(scores)) == 1:
        return []
    apart = [fold.pulls - fold.pulls.mean(axis=0) for fold in by_draw]
    explained = sum(variance([pulls[number] for pulls in apart], [f.shares for f in folds]) for number in range(count))
    spread = float(scores.var(ddof=1))
    added = max(0.0, spread - explained / (count - 1)) / count if math.isfinite(explained) else spread / count
    return [Variance(added, (count - 1) * (added * count / spread) ** 2)] if added else []


def total(clips: Variance, others: Sequence[Variance]) -> tuple[float, float]:
    """The standard error of independent variances together, and Student's quantile for it."""
    parts = [clips, *others]
    value = sum(part.value for part in parts)
    if not 0 < value < math.inf:
        return math.sqrt(value), student(clips.freedom)
    return math.sqrt(value), student(1 / sum((part.value / value) ** 2 / part.freedom for part in parts))


def freedom(folds: Sequence[FoldPulls]) -> float:
    """Degrees of freedom of a variance between the groups of these folds."""
    return max(1.0, effective_groups(folds) - len(folds))


def student(freedom: float) -> float:
    """Student's quantile for so many degrees of freedom, at least one."""
    return float(stdtrit(max(1.0, freedom), (1 + LEVEL) / 2))


def studentised(
    folds: Sequence[FoldPulls], draws: np.random.Generator, resamples: int, share: float | None, effective: float
) -> Scores:
    """|drawn score - score| in units of the drawn one's standard error (resample,); groups are drawn within folds.

    share: the score, where it lies in [0, 1] and its error depends on it as Wilson's does. A draw without an error of
    its own is judged by that of the score.
    """
    several = [fold for fold in folds if len(fold.shares) > 1]
    moved, error, own = np.zeros(resamples), np.zeros(resamples), 0.0
    for fold in several:
        size = len(fold.shares)
        distance = fold.pulls.mean(axis=0) / fold.shares
        for block in pieces(resamples, BLOCK):
            drawn = draws.integers(size, size=(block.stop - block.start, size))
            shares = fold.shares[drawn]
            shares /= shares.sum(axis=1, keepdims=True)
            off = (shares * distance[drawn]).sum(axis=1)
            moved[block] += off / len(several)
            error[block] += jackknifed(shares * (distance[drawn] - off[:, None]), shares) / len(several) ** 2
        own += float(jackknifed(fold.pulls.mean(axis=0), fold.shares)) / len(several) ** 2
    error = np.where(error > own * 1e-9, error, own)
    if share is not None:
        edge = 1 / (2 * effective)
        there, drawn_share = np.clip(share, edge, 1 - edge), np.clip(share + moved, edge, 1 - edge)
        error *= there * (1 - there) / (drawn_share * (1 - drawn_share))
    ratios: Scores = np.abs(moved) / np.sqrt(error)
    return ratios


def share_interval(value: float, error: float, quantile: float, groups: float) -> tuple[float, float]:
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
