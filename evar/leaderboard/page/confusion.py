"""Which class is taken for which: a matrix for up to 50 classes, else the confusions that happen most."""

from dataclasses import dataclass

import numpy as np

from evar.base.percent import rounded_percent
from evar.leaderboard.runs import Kept

MOST_CLASSES = 50  # of a matrix that can be read
MOST_CONFUSIONS = 20


@dataclass(frozen=True)
class ConfusedPair:
    """Clips of class `true` that were said to be `said`: their share of that class, per cent; clips: mean a seed."""

    true: str
    said: str
    share: float
    clips: float


@dataclass(frozen=True)
class Confusion:
    """matrix: true class -> said class -> whole per cent of the true class's clips; empty where classes are many."""

    classes: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]
    top: tuple[ConfusedPair, ...]


def confusion_of(kept: Kept) -> Confusion:
    """The confusions of single-label predictions."""
    count = len(kept.classes)
    targets, said = kept.predictions.targets, kept.predictions.logits.argmax(axis=2)
    pairs, times = np.unique((targets * count + said).ravel(), return_counts=True)
    clips = np.bincount(targets, minlength=count)
    true, taken, mean = pairs // count, pairs % count, times / len(said)
    share = mean / clips[true]
    wrong = np.flatnonzero(true != taken)
    first = wrong[np.lexsort((pairs[wrong], -mean[wrong]))][:MOST_CONFUSIONS]
    top = tuple(
        ConfusedPair(
            kept.classes[true[k]], kept.classes[taken[k]], float(rounded_percent(share[k])), round(float(mean[k]), 1)
        )
        for k in first
    )
    if count > MOST_CLASSES:
        return Confusion(kept.classes, (), top)
    matrix = np.zeros((count, count), dtype=np.int64)
    matrix[true, taken] = np.rint(100 * share)
    return Confusion(kept.classes, tuple(map(tuple, matrix.tolist())), top)
