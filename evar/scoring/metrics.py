"""The metrics by name; more is better. What each is stands in `single_label.py` and `multi_label.py`.

    single-label   accuracy  balanced_accuracy  macro_f1  top5  chroma_accuracy  mAP  a class's: recall, f1
    multi-label    mAP  macro_auc  d_prime  lwlrap                                    a class's: average_precision, auc

All lie in [0, 1] but d_prime, which has no bounds. chroma_accuracy is for tasks whose classes are pitches; mAP of
single-label tasks is for those alone whose metric it is. Classes without a positive clip among those scored are left
out of every mean over classes; `without_positives` counts them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evar.base.errors import DataError, unknown
from evar.probes.contract import Floats, ScoreFunction, Targets
from evar.scoring import multi_label, single_label
from evar.scoring.weighted import ByClass, Scores, WeightedMetric, each_once

Kind = Literal["single-label", "multi-label"]
Pitches = NDArray[np.int64] | None
"""(class,) MIDI numbers, None where classes are no pitches."""


@dataclass(frozen=True)
class Metric:
    """A metric: the kind of task beside whose metric it is reported, how it is prepared for (logits, targets), bounds.

    of_pitches: whether it is for classes that are pitches alone; `lookup` prepares it for them
    """

    kind: Kind
    prepare: Callable[..., WeightedMetric]
    low: float = 0.0
    high: float = 1.0
    of_pitches: bool = False


METRICS: dict[str, Metric] = {
    "accuracy": Metric("single-label", single_label.accuracy),
    "balanced_accuracy": Metric("single-label", single_label.balanced_accuracy),
    "macro_f1": Metric("single-label", single_label.macro_f1),
    "top5": Metric("single-label", single_label.top5),
    "chroma_accuracy": Metric("single-label", single_label.chroma_accuracy, of_pitches=True),
    "mAP": Metric("multi-label", multi_label.mean_average_precision),
    "macro_auc": Metric("multi-label", multi_label.macro_auc),
    "d_prime": Metric("multi-label", multi_label.d_prime, low=-np.inf, high=np.inf),
    "lwlrap": Metric("multi-label", multi_label.lwlrap),
}
"""By the name that a task's `metric` gives."""

OF_CLASSES: dict[str, Callable[[Floats, Targets], ByClass]] = {
    "recall": single_label.recall_by_class,
    "f1": single_label.f1_by_class,
    "average_precision": multi_label.average_precision_by_class,
    "auc": multi_label.auc_by_class,
}
"""Scores of each class, by name."""


def lookup(name: str, pitches: Pitches = None) -> Metric:
    """The metric of this name.

    Raises UsageError, with near names, where there is none, DataError where the classes would have to be pitches.
    """
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    found = METRICS[name]
    if not found.of_pitches:
        return found
    if pitches is None:
        raise DataError(f"{name} is for classes that are pitches: the task's file says so by `pitches: true`")
    return replace(found, prepare=partial(found.prepare, pitches=pitches))


def metric(name: str, pitches: Pitches = None) -> ScoreFunction:
    """The metric `name` as (logits, targets) -> score, each clip counted once. Raises as `lookup` does."""
    prepare_it = lookup(name, pitches).prepare
    return lambda logits, targets: float(prepare_it(logits, targets)(each_once(len(logits)))[0])


def of_classes(name: str, logits: Floats, targets: Targets) -> Scores:
    """A score of each class (class,), NaN for a class that has none. Raises UsageError for no such score."""
    if name not in OF_CLASSES:
        raise unknown("score of classes", name, OF_CLASSES)
    by_class: Scores = OF_CLASSES[name](logits, targets)(each_once(len(logits)))[:, 0]
    return by_class


def kind_of(targets: Targets) -> Kind:
    """The kind of task that targets are of."""
    return "single-label" if targets.ndim == 1 else "multi-label"


def fitting(kind: Kind, classes: int, pitches: Pitches = None) -> list[str]:
    """Names of the metrics that say something about a task of this kind, number of classes and their pitches."""
    silent = {"top5"} if classes <= single_label.TOP else set()
    if pitches is None:
        silent |= {name for name, each in METRICS.items() if each.of_pitches}
    return [name for name, each in METRICS.items() if each.kind == kind and name not in silent]


def without_positives(targets: Targets, classes: int) -> int:
    """How many of the classes have no positive clip: targets (clip,) class numbers, or (clip, class)."""
    there = np.unique(targets) if targets.ndim == 1 else np.flatnonzero((targets == 1).any(axis=0))
    return classes - len(there)
