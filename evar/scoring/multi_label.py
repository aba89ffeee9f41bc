"""Metrics of multi-label tasks: targets (clip, class); each class ranks the clips by its logit.

- average precision (AP) of a class: the sum over thresholds of (recall - recall before) * precision, as scikit-learn
  defines it. mAP is the mean over classes. Of a single-label task, targets (clip,), each class ranks the clips by its
  probability, the softmax of the clip's logits, as the HEAR kit does (heareval 2021.1.3, `MeanAveragePrecision`).
- AUC of a class: the share of pairs of a positive and a negative clip in which the positive one is higher, a pair of
  equals counting half: the area under the ROC curve. macro AUC is the mean over classes.
- d': sqrt(2) times the inverse normal distribution of macro AUC, as AudioSet's papers have it (Hershey et al. 2017,
  "CNN architectures for large-scale audio classification"). It lies between minus infinity and infinity.
- lwlrap, the label-weighted label-ranking average precision (Fonseca et al. 2019, "Audio tagging with noisy labels and
  minimal supervision"), ranks the classes of each clip instead: a positive label's precision is the share of positives
  among the labels of its clip with an equal or higher logit. lwlrap is its mean over all positive labels of all clips.

Equal logits share a threshold, so their order does not matter and sorting need not be stable. A class without a
positive clip among those scored has no AP, one without a positive or without a negative no AUC; they are left out of
the means. An entry of the targets that is unknown is as if it were not there: its clip takes no part in the ranking of
its class, nor its class in that of its clip.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, ndtri

from evar.base.errors import DataError
from evar.base.threads import pieces
from evar.probes.contract import Floats, Targets, known
from evar.scoring.weighted import (
    Bags,
    ByClass,
    Scores,
    WeightedMetric,
    Weights,
    class_numbers,
    divide,
    mean_over_classes,
    positives,
)

LABELS = 4096  # positive labels that are ranked among the others of their clips at a time


def average_precision_by_class(logits: Floats, targets: Targets) -> ByClass:
    """AP of each class. Raises ValueError for wrong shapes, DataError where no class has a positive clip."""
    scored = np.any(positives(logits, targets), axis=0)
    return _by_class(_average_precision, "mAP needs a positive clip", scored, logits, targets)


def auc_by_class(logits: Floats, targets: Targets) -> ByClass:
    """AUC of each class. Raises ValueError for wrong shapes, DataError where no class has a positive and a negative."""
    scored = np.any(positives(logits, targets), axis=0) & np.any(targets == 0, axis=0)
    return _by_class(_area, "AUC needs a positive and a negative clip", scored, logits, targets)


def mean_average_precision(logits: Floats, targets: Targets) -> WeightedMetric:
    """Mean average precision, of single-label targets (clip,) too. Raises as `average_precision_by_class` does."""
    if targets.ndim == 1:
        numbers = class_numbers(logits, targets)
        targets = numbers[:, None] == np.arange(logits.shape[1])
        logits = log_softmax(logits.astype(np.float64), axis=1)
    return mean_over_classes(average_precision_by_class(logits, targets))


def macro_auc(logits: Floats, targets: Targets) -> WeightedMetric:
    """Macro AUC. Raises as `auc_by_class` does."""
    return mean_over_classes(auc_by_class(logits, targets))


def d_prime(logits: Floats, targets: Targets) -> WeightedMetric:
    """The d' of macro AUC, infinite where that is 1. Raises as `auc_by_class` does."""
    area = macro_auc(logits, targets)

    def scores(weights: Weights) -> Scores:
        found: Scores = np.sqrt(2) * ndtri(area(weights))
        return found

    return scores


def lwlrap(logits: Floats, targets: Targets) -> WeightedMetric:
    """Label-weighted label-ranking average precision. Raises ValueError for wrong shapes, DataError without positives.

    A clip weighs as often as it has positive labels; one without any says nothing.
    """
    positive, there = positives(logits, targets), known(targets)
    clips, labels = np.nonzero(positive)
    if not len(clips):
        raise DataError("lwlrap needs a positive label, there is none among the clips to score")
    precision = np.empty(len(clips))
    for some in pieces(len(clips), LABELS):
        rows = logits[clips[some]]
        above = rows >= logits[clips[some], labels[some], None]
        above &= True if there is None else there[clips[some]]
        precision[some] = (above & positive[clips[some]]).sum(axis=1) / above.sum(axis=1)
    of_clip = np.bincount(clips, precision, len(logits))[:, None], positive.sum(axis=1)[:, None]

    def scores(weights: Weights) -> Scores:
        over, under = ((weights * each).sum(axis=0, dtype=np.float64) for each in of_clip)
        return divide(over, under)

    return scores


def _by_class(
    rank: Callable[[Floats, NDArray[np.bool_]], WeightedMetric],
    needs: str,
    scored: NDArray[np.bool_],
    logits: Floats,
    targets: Targets,
) -> ByClass:
    """Rank the clips, those of which it is known, for each class that is `scored` (class,)."""
    if not scored.any():
        raise DataError(f"{needs} of at least one class, there is none among the clips to score")
    there, positive = known(targets), targets == 1
    clips = {int(k): slice(None) if there is None else np.flatnonzero(there[:, k]) for k in np.flatnonzero(scored)}
    prepared = {k: rank(logits[own, k], positive[own, k]) for k, own in clips.items()}

    def scores(weights: Weights) -> Scores:
        found = np.full((len(scored), weights.shape[1]), np.nan)
        for number, each in prepared.items():
            found[number] = each(weights[clips[number]])
        return found

    return scores


def _average_precision(scores: Floats, positive: NDArray[np.bool_]) -> WeightedMetric:
    """AP of one class: scores (clip,), positive (clip,).

    Precision is read at the end of each run of equal scores that holds a positive: between two ends lies a stretch.
    """
    order = np.argsort(-scores)
    run = np.cumsum(np.diff(scores[order], prepend=scores[order[:1]]) != 0)  # number of the run of equals
    hits = np.flatnonzero(positive[order])
    read, first_hits = np.unique(run[hits], return_index=True)
    ends = np.searchsorted(run, read, side="right")
    stretches = Bags.of(order[: ends[-1]], np.concatenate([[0], ends[:-1]]))
    gains = Bags.of(order[hits], first_hits)

    def of_weights(weights: Weights) -> Scores:
        seen = stretches.running_sums(weights)
        gained, found = gains.sums(weights), gains.running_sums(weights)
        precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
        return divide((gained * precision).sum(axis=0), found[-1])

    return of_weights


def _area(scores: Floats, positive: NDArray[np.bool_]) -> WeightedMetric:
    """AUC of one class: scores (clip,), positive (clip,).

    Each run of equal positives has a bag of the negatives between it and the run above, and one of its own equals.
    """
    hits, misses = np.flatnonzero(positive), np.flatnonzero(~positive)
    hits = hits[np.argsort(-scores[hits])]
    misses = misses[np.argsort(-scores[misses])]
    runs, first_hits = np.unique(-scores[hits], return_index=True)
    above = np.searchsorted(-scores[misses], runs, side="left")
    above_or_equal = np.searchsorted(-scores[misses], runs, side="right")
    ends = np.stack([above, above_or_equal], axis=1).ravel()
    negatives, gains = Bags.of(misses, np.concatenate([[0], ends])), Bags.of(hits, first_hits)

    def of_weights(weights: Weights) -> Scores:
        passed = negatives.running_sums(weights)
        gained, total = gains.sums(weights), passed[-1]
        beaten = total - (passed[0:-1:2] + passed[1::2]) / 2
        return divide((gained * beaten).sum(axis=0), gained.sum(axis=0) * total)

    return of_weights
