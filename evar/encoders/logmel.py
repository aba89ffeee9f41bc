"""Log-mel statistics: mean and deviation of every mel over time. What a clip's spectrum alone is worth, unlearned."""

from pathlib import Path

import torch
from torch import Tensor

from evar.encoders.contract import Encoder, Identity, refuse_weights
from evar.nn.frontend import LogMel

SAMPLE_RATE = 16_000  # Hz


class LogMelStatistics(Encoder):
    """Output "last": mean over frames, then (biased) standard deviation over frames, of each of the 80 mels."""

    sample_rate = SAMPLE_RATE
    identity = Identity(name="logmel", weights="no weights")

    def __init__(self) -> None:
        super().__init__()
        self.log_mel = LogMel(SAMPLE_RATE)

    def encode(self, waveforms: Tensor) -> dict[str, Tensor]:
        """Embed clips of one length: (clip, sample) float32 -> {"last": (clip, 160) float32}."""
        log_mel = self.log_mel(waveforms)
        return {"last": torch.cat([log_mel.mean(2), log_mel.std(2, correction=0)], dim=1)}


def open_encoder(weights: Path | None) -> Encoder:
    """The statistics; raises UsageError where weights are given, since it has none."""
    refuse_weights("logmel", weights)
    return LogMelStatistics()
