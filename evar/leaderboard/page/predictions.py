"""What a run's predictions show: how well each class is recognised, what is taken for what, and the hardest clips.

Predictions of several seeds count alike: a share is the mean over seeds.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from evar.base.errors import few
from evar.base.percent import rounded_percent
from evar.leaderboard.runs import Kept
from evar.probes.contract import Targets
from evar.scoring.summary import class_scores, mean_score
from evar.scoring.weighted import Scores, divide

MOST_CLASSES = 60  # whose scores are shown
MOST_IN_MATRIX = 50  # classes of a matrix that can be read
MOST_CONFUSIONS = 20
MOST_CLIPS = 10


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
    matrix: list[list[int]]
    top: tuple[ConfusedPair, ...]


@dataclass(frozen=True)
class HardClip:
    """path: below the task's folder; probability: of the true class, per cent, None for several labels."""

    path: str
    true: str
    said: str
    probability: float | None


def classes_of(kept: Kept) -> Classes:
    """Recall and precision for one label a clip, average precision for several, of the MOST_CLASSES hardest classes.

    As the metrics of the leaderboard, each is a mean over folds that have the class, and over seeds. Precision alone
    pools the folds: a fold in which a class is never said has none.
    """
    predictions, count = kept.predictions, len(kept.classes)
    if predictions.targets.ndim == 1:
        scored, clips = "recall", np.bincount(predictions.targets, minlength=count)
        precision = _precision(predictions.logits.argmax(axis=2), predictions.targets, count)
    else:
        scored, clips = "average precision", (predictions.targets == 1).sum(axis=0)
        precision = np.full(count, np.nan)
    scores = class_scores(predictions, scored.replace(" ", "_"))
    rows = [
        ClassScore(name, int(clips[k]), _per_cent(scores[k]), _per_cent(precision[k]))
        for k, name in enumerate(kept.classes)
    ]
    rows.sort(key=lambda row: (row.score is None, row.score))
    return Classes(scored, tuple(rows[:MOST_CLASSES]), count)


def chance_of(kept: Kept, metric: str) -> float | None:
    """The score of one answer for all clips, the classes by their frequency; None where there is none.

    Accuracy: the share of the most frequent class; mAP: the mean share of positive clips; macro AUC: a half.
    """
    targets, count = kept.predictions.targets, len(kept.classes)
    clips = np.bincount(targets, minlength=count) if targets.ndim == 1 else (targets == 1).sum(axis=0)
    logits = np.broadcast_to(np.log(np.maximum(clips, 0.5)).astype(np.float32), (1, len(targets), count))
    return mean_score(replace(kept.predictions, logits=logits, draws=1), metric)


def confusion_of(kept: Kept) -> Confusion | None:
    """Which class is taken for which: the matrix and what happens most; None for clips with several labels."""
    targets, count = kept.predictions.targets, len(kept.classes)
    if targets.ndim == 2:
        return None
    said = kept.predictions.logits.argmax(axis=2)
    clips = np.bincount((targets * count + said).ravel(), minlength=count**2).reshape(count, count) / len(said)
    shares = clips / np.maximum(1, np.bincount(targets, minlength=count))[:, None]
    wrong = np.flatnonzero(clips * ~np.eye(count, dtype=bool))
    most = wrong[np.argsort(-clips.ravel()[wrong], kind="stable")][:MOST_CONFUSIONS]
    top = tuple(
        ConfusedPair(
            kept.classes[true],
            kept.classes[taken],
            float(rounded_percent(shares[true, taken])),
            round(float(clips[true, taken]), 1),
        )
        for true, taken in zip(*np.divmod(most, count), strict=True)
    )
    return Confusion(kept.classes, np.rint(100 * shares).astype(int).tolist() if count <= MOST_IN_MATRIX else [], top)


def hardest_clips(kept: Kept) -> tuple[HardClip, ...]:
    """The MOST_CLIPS clips that the probe is most wrong about: wrong labels and broken clips are found so.

    A clip is the harder the higher its cross-entropy, the mean over seeds: of the softmax for one label a clip, of each
    class's sigmoid for several.
    """
    predictions = kept.predictions
    single = predictions.targets.ndim == 1
    loss = _softmax_loss if single else _sigmoid_loss
    losses = [loss(each, predictions.targets) for each in predictions.logits.astype(np.float64)]
    order = np.argsort(-np.mean(losses, axis=0), kind="stable")[:MOST_CLIPS]
    return tuple(_single_label(kept, clip) if single else _multi_label(kept, clip) for clip in order)


def _precision(said: NDArray[np.int64], targets: Targets, count: int) -> Scores:
    """The share of right ones among the clips that were said to be of each class (class,), NaN where none was."""
    hits = np.bincount(targets, weights=(said == targets).mean(axis=0), minlength=count)
    times_said = np.bincount(said.ravel(), minlength=count) / len(said)
    return divide(hits.astype(np.float64), times_said)


def _softmax_loss(logits: Scores, targets: Targets) -> Scores:
    losses: Scores = -log_softmax(logits, axis=1)[np.arange(len(targets)), targets]
    return losses


def _sigmoid_loss(logits: Scores, targets: Targets) -> Scores:
    """-log of each class's probability of being as it is, summed over the classes that are known."""
    each = np.logaddexp(0, np.where(targets == 1, -logits, logits))
    losses: Scores = each.sum(axis=1, where=targets >= 0)
    return losses


def _single_label(kept: Kept, clip: int) -> HardClip:
    probabilities = softmax(kept.predictions.logits[:, clip].astype(np.float64), axis=1).mean(axis=0)
    true, said = kept.predictions.targets[clip], probabilities.argmax()
    return HardClip(kept.clips[clip], kept.classes[true], kept.classes[said], _per_cent(probabilities[true]))


def _multi_label(kept: Kept, clip: int) -> HardClip:
    """Its labels, and as many classes of the highest mean logit."""
    true = np.flatnonzero(kept.predictions.targets[clip] == 1)
    said = np.argsort(-kept.predictions.logits[:, clip].mean(axis=0), kind="stable")[: max(1, len(true))]
    named = [few((kept.classes[k] for k in each), most=5) for each in (true, said)]
    return HardClip(kept.clips[clip], named[0] or "none", named[1], None)


def _per_cent(share: float) -> float | None:
    return None if np.isnan(share) else float(rounded_percent(share))
