"""Metrics of classification, as numbers in [0, 1]; more is better.

- accuracy: single-label targets (clip,) int64; the share of clips whose highest logit, the first of equals, is the
  target's.
- mAP: multi-label targets (clip, class) bool; the unweighted mean over classes of average precision. Classes without
  a positive clip among those scored have none: they are left out of the mean, and `without_positives` counts them.

A metric is prepared once for its logits (clip, class) and targets, and then gives one score for each column of a table
of weights (clip, resample), in which a clip counts as often as its weight says: a bootstrap is one call.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evar.errors import DataError, unknown
from evar.probes.contract import Floats, ScoreFunction, Targets

Weights = NDArray[np.floating[Any]]
Scores = NDArray[np.float64]
Prepared = Callable[[Weights], Scores]
"""Weights (clip, resample) -> scores (resample,), NaN where a resample leaves nothing to score."""

Span = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]


def accuracy(logits: Floats, targets: Targets) -> Prepared:
    """Accuracy. Raises ValueError where shapes disagree or targets are multi-label."""
    _check(logits, targets, labels=1)
    correct = logits.argmax(axis=1) == targets

    def scores(weights: Weights) -> Scores:
        return _divide(weights[correct].sum(axis=0, dtype=np.float64), weights.sum(axis=0, dtype=np.float64))

    return scores


def mean_average_precision(logits: Floats, targets: Targets) -> Prepared:
    """Mean average precision. Raises ValueError for wrong shapes, DataError where no class has a positive clip."""
    _check(logits, targets, labels=2)
    classes = np.flatnonzero(targets.any(axis=0))
    if not len(classes):
        raise DataError("mAP needs a positive clip of at least one class, there is none among the clips to score")
    rankings = [_rank(logits[:, k], targets[:, k].astype(np.bool_)) for k in classes]

    def scores(weights: Weights) -> Scores:
        total, present = np.zeros(weights.shape[1]), np.zeros(weights.shape[1])
        for ranking in rankings:
            precision = _average_precision(weights, *ranking)
            total += np.nan_to_num(precision)
            present += ~np.isnan(precision)
        return _divide(total, present)

    return scores


METRICS: dict[str, Callable[[Floats, Targets], Prepared]] = {
    "accuracy": accuracy,
    "mAP": mean_average_precision,
}
"""By the name that a task's `metric` gives."""


def prepare(name: str, logits: Floats, targets: Targets) -> Prepared:
    """The metric `name` for these clips. Raises UsageError where there is no such metric."""
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    return METRICS[name](logits, targets)


def metric(name: str) -> ScoreFunction:
    """The metric `name` as (logits, targets) -> score, each clip counted once. Raises UsageError for no such metric."""
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    return lambda logits, targets: float(METRICS[name](logits, targets)(np.ones((len(logits), 1)))[0])


def without_positives(targets: Targets) -> int:
    """How many classes of multi-label targets (clip, class) have no positive clip; 0 for single-label targets."""
    return 0 if targets.ndim == 1 else int((~targets.any(axis=0)).sum())


def _rank(scores: Floats, positive: NDArray[np.bool_]) -> Span:
    """A class's clips from the highest score down, cut where its precision is read.

    scores (clip,), positive (clip,). Clips of equal score enter together, so precision is read at the end of each run
    of equals that holds a positive. Gives: the ranked clips up to the last such end; the start of each stretch between
    ends; the positive clips, ranked; the start of each run's positives among these.
    """
    order = np.argsort(-scores, kind="stable")
    run = np.cumsum(np.diff(scores[order], prepend=scores[order[:1]]) != 0)  # number of the run of equals
    hits = np.flatnonzero(positive[order])
    read, first_hits = np.unique(run[hits], return_index=True)
    ends = np.searchsorted(run, read, side="right")
    starts = np.concatenate([[0], ends[:-1]])
    return order[: ends[-1]], starts, order[hits], first_hits


def _average_precision(
    weights: Weights,
    ranked: NDArray[np.intp],
    starts: NDArray[np.intp],
    positives: NDArray[np.intp],
    first_positives: NDArray[np.intp],
) -> Scores:
    """AP = sum over thresholds of (recall - recall before) * precision, as scikit-learn defines it: (resample,).

    NaN where a resample holds no positive.
    """
    seen = np.add.reduceat(weights[ranked], starts, axis=0, dtype=np.float64).cumsum(axis=0)
    gained = np.add.reduceat(weights[positives], first_positives, axis=0, dtype=np.float64)
    found = gained.cumsum(axis=0)
    precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
    return _divide((gained * precision).sum(axis=0), found[-1])


def _divide(over: Scores, under: Scores) -> Scores:
    quotient: Scores = np.divide(over, under, out=np.full(under.shape, np.nan), where=under > 0)
    return quotient


def _check(logits: Floats, targets: Targets, labels: int) -> None:
    """Raise ValueError unless logits are (clip, class) and targets are of `labels` dimensions and fit them."""
    if logits.ndim != 2 or not len(logits):
        raise ValueError(f"logits must be (clip, class) with at least one clip, not {logits.shape}")
    if targets.shape != logits.shape[:labels]:
        raise ValueError(f"targets must be {logits.shape[:labels]} for this metric, not {targets.shape}")
