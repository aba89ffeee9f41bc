"""All scores of a run's predictions but the main one's interval: the other metrics, and every class's scores.

As the main score, each is the unweighted mean over folds and seeds.
"""

import math
from collections.abc import Iterator

import numpy as np

from evar.base.errors import DataError
from evar.probes.contract import Floats, Targets
from evar.probes.predictions import Predictions
from evar.scoring.metrics import fitting, kind_of, metric, of_classes
from evar.scoring.weighted import Scores, divide


def other_metrics(predictions: Predictions, main: str) -> dict[str, float | None]:
    """Name -> score of each metric that fits the predictions' kind of task, other than the `main` one.

    None where a fold leaves nothing to score or the score is infinite (d' of a perfect ranking).
    """
    names = fitting(kind_of(predictions.targets), predictions.logits.shape[2], predictions.pitches)
    return {name: mean_score(predictions, name) for name in names if name != main}


def class_scores(predictions: Predictions, name: str) -> Scores:
    """The score `name` (recall, f1, average_precision, auc) of each class (class,): over the folds that have the class.

    NaN for a class that no fold can score. Raises UsageError for no such name.
    """
    each = [of_classes(name, logits, targets) for logits, targets in _parts(predictions)]
    there = ~np.isnan(each)
    return divide(np.sum(each, axis=0, where=there), there.sum(axis=0, dtype=np.float64))


def mean_score(predictions: Predictions, name: str) -> float | None:
    try:
        score = metric(name, predictions.pitches)
        mean = float(np.mean([score(logits, targets) for logits, targets in _parts(predictions)]))
    except DataError:
        return None
    return mean if math.isfinite(mean) else None


def _parts(predictions: Predictions) -> Iterator[tuple[Floats, Targets]]:
    """Logits and targets of each fold and seed."""
    for fold in np.unique(predictions.folds):
        clips = predictions.folds == fold
        for logits in predictions.logits:
            yield logits[clips], predictions.targets[clips]
