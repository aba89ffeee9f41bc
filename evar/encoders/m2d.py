"""M2D: a frozen ViT on log-mel patches, the encoder of Masked Modeling Duo (Niizumi et al., arXiv:2210.14648).

A clip's log-mel is normalised, cut into chunks of the model's input length, encoded chunk by chunk; the tokens of one
patch column are joined to a frame (rows * width numbers), and the clip's embedding is the mean over all frames.
"""

from pathlib import Path

import torch
from torch import Tensor

from evar.encoders.contract import Encoder, Identity
from evar.nn.checkpoint import Checkpoint, load_checkpoint, random_checkpoint
from evar.nn.configuration import configuration_of_name
from evar.nn.frontend import LogMel
from evar.nn.pooling import chunks, frames_of, mean_over_frames

WITHOUT_WEIGHTS = "m2d_vit_base-80x608p16x16"
SEED_WITHOUT_WEIGHTS = 0


class M2D(Encoder):
    """An M2D encoder with the weights of a checkpoint; output "last": the last layer, rows * width numbers.

    The front end, normalisation, patch embedding and pooling are float32 in every precision.
    """

    def __init__(self, checkpoint: Checkpoint, identity: Identity) -> None:
        super().__init__()
        self.identity = identity
        self.sample_rate = checkpoint.configuration.sample_rate
        self.grid = checkpoint.configuration.grid
        self.mean, self.std = checkpoint.norm_stats
        self.log_mel = LogMel(self.sample_rate)
        self.vit = checkpoint.vit()

    def set_precision(self, dtype: torch.dtype) -> torch.dtype:
        """Run the ViT's blocks in `dtype`; their weights are converted here, once."""
        self.vit.set_precision(dtype)
        return dtype

    def encode(self, waveforms: Tensor) -> dict[str, Tensor]:
        """Embed clips of one length: (clip, sample) float32 -> {"last": (clip, rows * width) float32}."""
        return {"last": mean_over_frames(self.chunk_frames(waveforms))}

    def chunk_frames(self, waveforms: Tensor) -> list[Tensor]:
        """Frame embeddings (clip, frame, rows * width) of each consecutive chunk of (clip, sample) waveforms."""
        normalised = (self.log_mel(waveforms) - self.mean) / self.std
        return [frames_of(self.vit(chunk)[-1], self.grid.rows) for chunk in chunks(normalised, self.grid)]


def open_encoder(weights: Path | None) -> Encoder:
    """The M2D of a checkpoint file or folder; without weights a ViT-Base of random ones, which its identity says.

    Raises CheckpointError, see `load_checkpoint`.
    """
    if weights is None:
        return open_random(WITHOUT_WEIGHTS, SEED_WITHOUT_WEIGHTS)
    checkpoint = load_checkpoint(weights)
    file = checkpoint.file.name if checkpoint.file is not None else ""
    return M2D(checkpoint, Identity(name=checkpoint.configuration.name, weights=file, digest=checkpoint.digest))


def open_random(model: str, seed: int) -> M2D:
    """The M2D that the name `model` states, with random weights drawn from `seed`. Raises CheckpointError."""
    identity = Identity(name=f"{model} (random weights)", weights=f"random weights, seed {seed}", random=True)
    return M2D(random_checkpoint(configuration_of_name(model), seed), identity)
