"""The clips that the probe is most wrong about, to be listened to: wrong labels and broken audio are found so.

A clip is the harder the higher its cross-entropy, the mean over seeds: of the softmax for one label a clip, of each
class's sigmoid for several.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from evar.base.errors import few
from evar.base.percent import rounded_percent
from evar.leaderboard.runs import Kept
from evar.probes.contract import Floats, Targets

MOST_CLIPS = 10


@dataclass(frozen=True)
class HardClip:
    """path: below the task's folder; probability: of the true class, per cent, None for several labels."""

    path: str
    true: str
    said: str
    probability: float | None


def hardest_clips(kept: Kept) -> tuple[HardClip, ...]:
    """The MOST_CLIPS clips of the highest cross-entropy, the hardest first."""
    predictions = kept.predictions
    single = predictions.targets.ndim == 1
    loss = _softmax_loss if single else _sigmoid_loss
    losses = [loss(each, predictions.targets) for each in predictions.logits]
    order = np.argsort(-np.mean(losses, axis=0), kind="stable")[:MOST_CLIPS]
    return tuple(_single_label(kept, clip) if single else _multi_label(kept, clip) for clip in order)


def _softmax_loss(logits: Floats, targets: Targets) -> NDArray[np.float64]:
    losses: NDArray[np.float64] = -log_softmax(logits.astype(np.float64), axis=1)
    return losses[np.arange(len(targets)), targets]


def _sigmoid_loss(logits: Floats, targets: Targets) -> NDArray[np.float64]:
    """-log of each class's probability of being as it is, summed over classes."""
    signed = np.where(targets, -logits, logits).astype(np.float64)
    losses: NDArray[np.float64] = np.logaddexp(0, signed).sum(axis=1)
    return losses


def _single_label(kept: Kept, clip: int) -> HardClip:
    probabilities = softmax(kept.predictions.logits[:, clip].astype(np.float64), axis=1).mean(axis=0)
    true = int(kept.predictions.targets[clip])
    said = int(probabilities.argmax())
    probability = float(rounded_percent(probabilities[true]))
    return HardClip(kept.clips[clip], kept.classes[true], kept.classes[said], probability)


def _multi_label(kept: Kept, clip: int) -> HardClip:
    """Its labels, and as many classes of the highest mean logit."""
    true = np.flatnonzero(kept.predictions.targets[clip])
    said = np.argsort(-kept.predictions.logits[:, clip].mean(axis=0), kind="stable")[: max(1, len(true))]
    named = [few((kept.classes[k] for k in each), most=5) for each in (true, said)]
    return HardClip(kept.clips[clip], named[0] or "none", named[1], None)
