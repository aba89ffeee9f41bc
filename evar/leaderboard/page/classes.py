"""How well each class is recognised: recall and precision for one label a clip, average precision for several.

As the metrics of the leaderboard, each is a mean over folds that hold the class, and over seeds. Precision alone pools
the folds: a fold in which a class is never said has none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evar.base.percent import rounded_percent
from evar.leaderboard.runs import Kept
from evar.scoring.metrics import metric

MOST_CLASSES = 60


@dataclass(frozen=True)
class ClassScore:
    """A class's test clips and shares, per cent; None where there is none."""

    name: str
    clips: int
    score: float | None
    precision: float | None


@dataclass(frozen=True)
class Classes:
    """Scores of the classes, hardest first. scored: "recall" or "average precision"; count: of all classes."""

    scored: str
    rows: tuple[ClassScore, ...]
    count: int


def classes_of(kept: Kept) -> Classes:
    """The scores of the MOST_CLASSES hardest classes."""
    single = kept.predictions.targets.ndim == 1
    rows = _single_label(kept) if single else _multi_label(kept)
    rows = sorted(rows, key=lambda row: (row.score is None, row.score))
    return Classes("recall" if single else "average precision", tuple(rows[:MOST_CLASSES]), len(rows))


def _single_label(kept: Kept) -> list[ClassScore]:
    predictions, count = kept.predictions, len(kept.classes)
    targets, said = predictions.targets, predictions.logits.argmax(axis=2)
    right = (said == targets).mean(axis=0)
    by_fold = []
    for fold in np.unique(predictions.folds):
        clips = predictions.folds == fold
        there = np.bincount(targets[clips], minlength=count)
        hits = np.bincount(targets[clips], weights=right[clips], minlength=count)
        by_fold.append(np.divide(hits, there, out=np.full(count, np.nan), where=there > 0))
    recall = _mean_where_there(by_fold)
    hits = np.bincount(targets, weights=right, minlength=count)
    times_said = np.bincount(said.ravel(), minlength=count) / len(said)
    precision = np.divide(hits, times_said, out=np.full(count, np.nan), where=times_said > 0)
    clips_of = np.bincount(targets, minlength=count)
    return [
        ClassScore(name, int(clips_of[k]), _share(recall[k]), _share(precision[k]))
        for k, name in enumerate(kept.classes)
    ]


def _multi_label(kept: Kept) -> list[ClassScore]:
    predictions, average_precision = kept.predictions, metric("mAP")
    by_fold = []
    for fold in np.unique(predictions.folds):
        clips = np.flatnonzero(predictions.folds == fold)
        targets = predictions.targets[clips]
        scores = np.full(len(kept.classes), np.nan)
        for k in np.flatnonzero(targets.any(axis=0)):
            seeds = [average_precision(each[clips, k : k + 1], targets[:, k : k + 1]) for each in predictions.logits]
            scores[k] = np.mean(seeds)
        by_fold.append(scores)
    mean = _mean_where_there(by_fold)
    clips_of = predictions.targets.sum(axis=0)
    return [ClassScore(name, int(clips_of[k]), _share(mean[k]), None) for k, name in enumerate(kept.classes)]


def _mean_where_there(by_fold: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The mean over folds, NaN left out."""
    table = np.array(by_fold)
    there = (~np.isnan(table)).sum(axis=0)
    mean = np.full(table.shape[1], np.nan)
    np.divide(np.nansum(table, axis=0), there, out=mean, where=there > 0)
    return mean


def _share(value: float) -> float | None:
    return None if np.isnan(value) else float(rounded_percent(value))
