"""Metrics of single-label tasks: targets (clip,) int64, of which a clip's prediction is the class of its highest logit.

- accuracy: the share of clips whose prediction, the first of equals, is the target.
- top5: the share of clips whose target is among the five highest logits; of equals the first classes count as higher.
- chroma accuracy: the share of clips whose prediction is the target or the same note in another octave, where classes
  are pitches: MIDI numbers that are equal modulo 12. HEAR reports it for NSynth beside accuracy.
- recall of a class: the share of its clips that are predicted as it. balanced accuracy is the mean over classes.
- F1 of a class: 2 hits / (its clips + clips predicted as it). macro F1 is the mean over classes.

A class without a clip among those scored has neither recall nor F1 and is left out of the means, also where a clip is
predicted as it (that costs the target's recall). With `labels` = the classes that targets hold, scikit-learn's
`f1_score(average="macro")` is the same.
"""

import numpy as np
from numpy.typing import NDArray

from evar.probes.contract import Floats, Targets
from evar.scoring.weighted import (
    Bags,
    ByClass,
    Scores,
    WeightedMetric,
    Weights,
    class_numbers,
    divide,
    mean_over_classes,
)

TOP = 5
OCTAVE = 12  # semitones


def accuracy(logits: Floats, targets: Targets) -> WeightedMetric:
    """Accuracy. Raises ValueError where shapes disagree or targets are multi-label."""
    return _share_of(logits.argmax(axis=1) == class_numbers(logits, targets))


def top5(logits: Floats, targets: Targets) -> WeightedMetric:
    """Top-5 accuracy, 1 where there are no more than five classes. Raises ValueError as `accuracy` does."""
    target = class_numbers(logits, targets)[:, None]
    own = np.take_along_axis(logits, target, axis=1)
    earlier = np.arange(logits.shape[1]) < target
    return _share_of(((logits > own) | ((logits == own) & earlier)).sum(axis=1) < TOP)


def chroma_accuracy(logits: Floats, targets: Targets, pitches: NDArray[np.int64]) -> WeightedMetric:
    """Chroma accuracy for classes of these MIDI numbers (class,). Raises ValueError as `accuracy` does."""
    notes = pitches % OCTAVE
    return _share_of(notes[logits.argmax(axis=1)] == notes[class_numbers(logits, targets)])


def recall_by_class(logits: Floats, targets: Targets) -> ByClass:
    """Recall of each class. Raises ValueError as `accuracy` does."""
    numbers = class_numbers(logits, targets)
    correct, of_class = logits.argmax(axis=1) == numbers, Bags.by_label(numbers, logits.shape[1])

    def scores(weights: Weights) -> Scores:
        return divide(of_class.sums(weights * correct[:, None]), of_class.sums(weights))

    return scores


def f1_by_class(logits: Floats, targets: Targets) -> ByClass:
    """F1 of each class. Raises ValueError as `accuracy` does."""
    numbers, predicted, classes = class_numbers(logits, targets), logits.argmax(axis=1), logits.shape[1]
    of_class, as_class = Bags.by_label(numbers, classes), Bags.by_label(predicted, classes)
    correct = predicted == numbers

    def scores(weights: Weights) -> Scores:
        clips = of_class.sums(weights)
        f1 = divide(2 * of_class.sums(weights * correct[:, None]), clips + as_class.sums(weights))
        return np.where(clips > 0, f1, np.nan)

    return scores


def balanced_accuracy(logits: Floats, targets: Targets) -> WeightedMetric:
    """Balanced accuracy. Raises ValueError as `accuracy` does."""
    return mean_over_classes(recall_by_class(logits, targets))


def macro_f1(logits: Floats, targets: Targets) -> WeightedMetric:
    """Macro F1. Raises ValueError as `accuracy` does."""
    return mean_over_classes(f1_by_class(logits, targets))


def _share_of(correct: NDArray[np.bool_]) -> WeightedMetric:
    def scores(weights: Weights) -> Scores:
        return divide(weights[correct].sum(axis=0, dtype=np.float64), weights.sum(axis=0, dtype=np.float64))

    return scores
