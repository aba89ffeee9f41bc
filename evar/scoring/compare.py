"""Is one encoder really better than another? Paired comparison of two runs' predictions on the clips that both have.

The same groups are left out of both (`jackknife.py`), so what makes a clip hard for both cancels out. The interval of
the difference d is d +- t e: e has the spread between groups of what each pulls on A less what it pulls on B, and what
the seeds, or draws of few training clips, add to either run, as in `intervals.py`; t is Student's quantile for all of
them together. So an encoder whose probe is fitted anew under other seeds is no better one.

Where every clip is its own group and each run has one seed, McNemar's exact test (1947, Psychometrika 12, pp. 153-157)
judges accuracy too: of the clips that just one of the two gets right, is either's share of them other than a half? The
runs are separable where the interval excludes 0 and the test, where there is one, gives p < 0.05; fewer than 30 groups
support no such claim.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from evar.base.errors import DataError, few
from evar.probes.predictions import Predictions
from evar.scoring.intervals import FEW_GROUPS, LEVEL, Variance, freedom, plain_interval, seed_variance, total
from evar.scoring.jackknife import effective_groups, pulls_by_fold, variance
from evar.scoring.metrics import lookup

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
    groups, folds:     groups of clips, summed over folds, and the number of folds
    effective:         how many groups of equal size they are worth
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
    effective: float
    folds: int
    mcnemar: McNemar | None

    @property
    def difference(self) -> float:
        """The score of A less that of B."""
        return self.a - self.b

    @property
    def few_groups(self) -> bool:
        """Whether there are too few groups to claim anything."""
        return self.effective < FEW_GROUPS

    @property
    def separable(self) -> bool:
        """Whether one of the two is better beyond doubt."""
        by_interval = not self.low <= 0 <= self.high and abs(self.difference) > ROUNDING
        by_test = self.mcnemar is None or self.mcnemar.p < 1 - LEVEL
        return by_interval and by_test and not self.few_groups


def compare(a: RunOutput, b: RunOutput, metric: str) -> Comparison:
    """Compare two runs by the metric of this name.

    Raises UsageError for an unknown metric, DataError where the runs are of different tables or have no clip in common.
    """
    pairs = pair(a, b)
    folds_a, folds_b = (pulls_by_fold(each, metric) for each in pairs)
    score_a, score_b = (float(np.mean([fold.scores.mean() for fold in folds.values()])) for folds in (folds_a, folds_b))
    pulls = [folds_a[name].pulls.mean(axis=0) - folds_b[name].pulls.mean(axis=0) for name in folds_a]
    folds = list(folds_a.values())
    clips = Variance(variance(pulls, [fold.shares for fold in folds]), freedom(folds))
    seeds = [*seed_variance(folds, pairs[0].draws), *seed_variance(list(folds_b.values()), pairs[1].draws)]
    low, high = plain_interval(score_a - score_b, *total(clips, seeds))
    return Comparison(
        metric=metric,
        a=score_a,
        b=score_b,
        low=max(low, -_span(metric)),
        high=min(high, _span(metric)),
        clips=len(pairs[0].rows),
        left_out=len(a.clips) + len(b.clips) - 2 * len(pairs[0].rows),
        groups=sum(fold.groups for fold in folds),
        effective=effective_groups(folds),
        folds=len(folds),
        mcnemar=mcnemar(*pairs) if metric == "accuracy" else None,
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
    from scipy import stats  # which takes half a second

    p = float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return McNemar(only_a, only_b, p)


def _take(predictions: Predictions, rows: list[int]) -> Predictions:
    return replace(
        predictions,
        logits=predictions.logits[:, rows],
        targets=predictions.targets[rows],
        rows=np.arange(len(rows)),
        groups=predictions.groups[rows],
        folds=predictions.folds[rows],
    )


def _span(metric: str) -> float:
    """The largest difference that two scores can have."""
    found = lookup(metric)
    return found.high - found.low if math.isfinite(found.high) else math.inf
