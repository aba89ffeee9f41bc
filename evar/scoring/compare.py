"""Is one encoder really better than another? Paired comparison of two runs' predictions on the clips that both have.

The same groups are drawn for both in every resample, so what makes a clip hard for both cancels out. The protocol is
that of `intervals.py`: groups drawn within folds, the mean over folds, seeds averaged on the same draw; the interval of
the difference d is d +- t e, with e the spread of the resampled differences.

Where every clip is its own group and each run has one seed, McNemar's exact test (1947, Psychometrika 12, pp. 153-157)
judges accuracy too: of the clips that just one of the two gets right, is either's share of them other than a half? The
runs are separable where the interval excludes 0 and the test, where there is one, gives p < 0.05; fewer than 30 groups
support no such claim.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from evar.base.errors import DataError, few
from evar.probes.predictions import Predictions
from evar.scoring.bootstrap import RESAMPLES, resampled_scores
from evar.scoring.intervals import FEW_GROUPS, LEVEL, fold_names, plain_interval, standard_error, student
from evar.scoring.metrics import lookup
from evar.scoring.weighted import Prepared, each_once

ROUNDING = 1e-9  # a smaller difference is none: means of other numbers of seeds differ in the last bit


@dataclass(frozen=True)
class RunOutput:
    """A run's predictions, the path of each of its clips, and the names of the classes."""

    predictions: Predictions
    clips: list[str]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class McNemar:
    """only_a, only_b: clips that just this run gets right; p: of so uneven a split or a more uneven one by chance."""

    only_a: int
    only_b: int
    p: float


@dataclass(frozen=True)
class Comparison:
    """Scores of runs A and B on the clips in common, and the 95 % interval of the difference a - b.

    clips:             clips in common; left_out: clips that only one of the runs has
    groups, folds:     groups that were drawn, summed over folds, and the number of folds
    mcnemar:           None where the test does not apply
    """

    metric: str
    a: float
    b: float
    low: float
    high: float
    clips: int
    left_out: int
    groups: int
    folds: int
    mcnemar: McNemar | None

    @property
    def difference(self) -> float:
        """The score of A less that of B."""
        return self.a - self.b

    @property
    def few_groups(self) -> bool:
        """Whether there are too few groups to claim anything."""
        return self.groups < FEW_GROUPS

    @property
    def separable(self) -> bool:
        """Whether one of the two is better beyond doubt."""
        by_interval = not self.low <= 0 <= self.high and abs(self.difference) > ROUNDING
        by_test = self.mcnemar is None or self.mcnemar.p < 1 - LEVEL
        return by_interval and by_test and not self.few_groups


def compare(a: RunOutput, b: RunOutput, metric: str, seed: int, resamples: int = RESAMPLES) -> Comparison:
    """Compare two runs by the metric of this name; the draws come from `seed`.

    Raises UsageError for an unknown metric, DataError where the runs are of different tables or have no clip in common.
    """
    first, second = pair(a, b)
    folds, draws = fold_names(first), np.random.default_rng(seed)
    split = len(first.logits)
    scores, resampled, groups = np.zeros(2), np.zeros(resamples), 0
    for fold in folds:
        clips = np.flatnonzero(first.folds == fold)
        prepared = [*_prepare(first, clips, metric), *_prepare(second, clips, metric)]
        each = np.concatenate([score(each_once(len(clips))) for score in prepared])
        drawn = resampled_scores(prepared, first.groups[clips], resamples, draws)
        scores += np.array([each[:split].mean(), each[split:].mean()]) / len(folds)
        resampled += (drawn[:split].mean(axis=0) - drawn[split:].mean(axis=0)) / len(folds)
        groups += len(np.unique(first.groups[clips]))
    error = standard_error(resampled, groups, len(folds))
    low, high = plain_interval(float(scores[0] - scores[1]), error, student(groups, len(folds)))
    return Comparison(
        metric=metric,
        a=float(scores[0]),
        b=float(scores[1]),
        low=max(low, -_span(metric)),
        high=min(high, _span(metric)),
        clips=len(first.rows),
        left_out=len(a.clips) + len(b.clips) - 2 * len(first.rows),
        groups=groups,
        folds=len(folds),
        mcnemar=mcnemar(first, second) if metric == "accuracy" else None,
    )


def pair(a: RunOutput, b: RunOutput) -> tuple[Predictions, Predictions]:
    """Both runs' predictions of the clips in common, in one order.

    Raises DataError where there is none, or where the runs disagree about classes, labels, groups or folds.
    """
    if a.classes != b.classes:
        differ = sorted(set(a.classes) ^ set(b.classes)) or ["their order"]
        raise DataError(f"the runs are of different tables: their classes differ ({few(differ)})")
    place_a, place_b = ({path: number for number, path in enumerate(each.clips)} for each in (a, b))
    common = sorted(place_a.keys() & place_b.keys())
    if not common:
        raise DataError("the runs are of different tables: they have no clip in common")
    first = _take(a.predictions, [place_a[path] for path in common])
    second = _take(b.predictions, [place_b[path] for path in common])
    for what in ("targets", "groups", "folds"):
        unequal = getattr(first, what) != getattr(second, what)
        if len(clips := np.flatnonzero(unequal.reshape(len(common), -1).any(axis=1))):
            name = {"targets": "label", "groups": "group", "folds": "part"}[what]
            raise DataError(
                f"the runs are of different tables: the {name} differs for {len(clips):,} of {len(common):,} clips "
                f"({few(common[number] for number in clips)})"
            )
    return first, second


def mcnemar(a: Predictions, b: Predictions) -> McNemar | None:
    """McNemar's exact test of two runs on the same clips; None where clips share groups or a run has several seeds."""
    if a.targets.ndim != 1 or len(a.logits) > 1 or len(b.logits) > 1 or len(np.unique(a.groups)) < len(a.groups):
        return None
    right_a, right_b = (each.logits[0].argmax(axis=1) == each.targets for each in (a, b))
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    p = float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return McNemar(only_a, only_b, p)


def _prepare(predictions: Predictions, clips: NDArray[np.intp], metric: str) -> list[Prepared]:
    """The metric for these clips, one for each seed."""
    targets = predictions.targets[clips]
    return [lookup(metric).prepare(logits[clips], targets) for logits in predictions.logits]


def _take(predictions: Predictions, rows: list[int]) -> Predictions:
    return Predictions(
        predictions.logits[:, rows],
        predictions.targets[rows],
        np.arange(len(rows)),
        predictions.groups[rows],
        predictions.folds[rows],
    )


def _span(metric: str) -> float:
    """The largest difference that two scores can have."""
    found = lookup(metric)
    return found.high - found.low if math.isfinite(found.high) else math.inf
