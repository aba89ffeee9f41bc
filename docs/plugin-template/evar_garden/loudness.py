"""Loudness: the logarithm of the power of each tenth of a clip. A baseline that knows nothing but level."""

from pathlib import Path

import torch
from pydantic import PositiveInt
from torch import Tensor
from torch.nn import functional

from evar.encoders.contract import Encoder, Identity, refuse_weights


class Loudness(Encoder):
    """Output "last": (clip, parts)."""

    sample_rate = 16_000  # Hz
    identity = Identity(name="loudness", weights="no weights")

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.parts = parts

    def encode(self, waveforms: Tensor) -> dict[str, Tensor]:
        """Embed clips of one length: (clip, sample) float32 -> {"last": (clip, parts) float32}."""
        filled = functional.pad(waveforms, (0, max(0, self.parts - waveforms.shape[1])))
        powers = [part.square().mean(dim=1) for part in filled.tensor_split(self.parts, dim=1)]
        return {"last": torch.stack(powers, dim=1).clamp(min=1e-10).log()}


def open_encoder(weights: Path | None, parts: PositiveInt = 10) -> Encoder:
    """parts: how many a clip is cut into. Raises UsageError where weights are given, since it has none."""
    refuse_weights("loudness", weights)
    return Loudness(parts)
