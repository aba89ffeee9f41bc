"""M2D: a frozen ViT on log-mel patches, the encoder of Masked Modeling Duo (Niizumi et al., arXiv:2210.14648).

Where the checkpoint is of images, MAE's and timm's too, it is a ViT on their patches, see `m2d_images.py`.

A clip's log-mel is normalised, cut into chunks of the model's input length, encoded chunk by chunk; the tokens of one
patch column are joined to a frame (rows * width numbers), and the clip's embedding is the mean over all frames.
Layers are counted from 0; the last one is taken after the final norm, all others as the block gives them.
"""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from evar.base.errors import UsageError
from evar.encoders.contract import Encoder, Identity
from evar.encoders.layers import Layers, outputs_of
from evar.encoders.m2d_images import M2DImages
from evar.nn.checkpoint import Checkpoint, load_checkpoint, random_checkpoint
from evar.nn.configuration import MOST_FRAMES, configuration_of_name
from evar.nn.frontend import LogMel
from evar.nn.pooling import chunks, frames_of, mean_over_frames
from evar.nn.releases import bundled_checkpoint


class M2D(Encoder):
    """An M2D encoder with the weights of a checkpoint.

    layers:  None: output "last"; a number: output "layer07"; several: one output "3+7+11", concatenated; "each": one
             output a layer, in one pass
    flat:    single tokens (width numbers) instead of frames of a whole patch column (rows * width numbers)
    frames:  the input length, in frames, instead of the model's own: a shorter one cuts the position table, a longer
             one resamples it in time, so that longer clips go through in one chunk

    The front end, normalisation, patch embedding and pooling are float32 in every precision.
    Raises UsageError for a layer that is not there, fewer frames than a patch has, and more than MOST_FRAMES.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        identity: Identity,
        layers: Layers = None,
        flat: bool = False,
        frames: int | None = None,
    ) -> None:
        super().__init__()
        shown = f"{' flat' if flat else ''}{f' frames={frames}' if frames is not None else ''}"
        self.identity = replace(identity, name=identity.name + shown)
        self.sample_rate = checkpoint.configuration.sample_rate
        self.mean, self.std = checkpoint.norm_stats
        self.log_mel = LogMel(self.sample_rate)
        self.vit = checkpoint.vit()
        self.grid = checkpoint.configuration.grid
        self.flat = flat
        if frames is not None:
            if not self.grid.patch_frames <= frames <= MOST_FRAMES:
                raise UsageError(
                    f"encoder m2d: frames must be at least {self.grid.patch_frames}, one patch, and at most "
                    f"{MOST_FRAMES}, not {frames}"
                )
            self.grid = replace(self.grid, frames=frames)
            self.vit.lengthen(self.grid)
        self.layers_of = outputs_of("m2d", layers, self.vit.depth)
        self.outputs = tuple(self.layers_of)

    def set_precision(self, dtype: torch.dtype) -> torch.dtype:
        """Run the ViT's blocks in `dtype`; their weights are converted here, once."""
        self.vit.set_precision(dtype)
        return dtype

    def encode(self, waveforms: Tensor) -> dict[str, Tensor]:
        """Embed clips of one length: (clip, sample) float32 -> {output: (clip, dim) float32}."""
        return {output: mean_over_frames(chunked) for output, chunked in self.chunk_frames(waveforms).items()}

    def chunk_frames(self, waveforms: Tensor) -> dict[str, list[Tensor]]:
        """Frame embeddings {output: (clip, frame, dim) of each consecutive chunk} of (clip, sample) waveforms."""
        normalised = (self.log_mel(waveforms) - self.mean) / self.std
        wanted = sorted({layer for layers in self.layers_of.values() for layer in layers})
        found: dict[str, list[Tensor]] = {output: [] for output in self.outputs}
        for chunk in chunks(normalised, self.grid):
            tokens = dict(zip(wanted, self.vit(chunk, wanted), strict=True))
            for output, layers in self.layers_of.items():
                frames = [frames_of(tokens[layer], self.grid.rows, flat=self.flat) for layer in layers]
                found[output].append(frames[0] if len(frames) == 1 else torch.cat(frames, dim=2))
        return found


def open_encoder(
    weights: Path | None,
    layers: Layers = None,
    flat: bool = False,
    frames: int | None = None,
    model: str | None = None,
) -> Encoder:
    """The M2D of a checkpoint file or folder; where none is given, the bundled one.

    model: what the checkpoint's name would state, where it does not, e.g. "m2d_vit_base-80x608p16x16". Other options:
    see `M2D`. Raises CheckpointError, see `load_checkpoint`.
    """
    checkpoint = load_checkpoint(bundled_checkpoint() if weights is None else weights, model)
    file = checkpoint.file.name if checkpoint.file is not None else ""
    identity = Identity(name=checkpoint.configuration.name, weights=file, digest=checkpoint.digest)
    return _opened(checkpoint, identity, layers, flat, frames)


def _opened(checkpoint: Checkpoint, identity: Identity, layers: Layers, flat: bool, frames: int | None) -> Encoder:
    if not checkpoint.configuration.grid.is_image:
        return M2D(checkpoint, identity, layers, flat, frames)
    if flat or frames is not None:
        raise UsageError(f"encoder m2d: flat and frames are of audio, {identity.name} is of images: leave them out")
    return M2DImages(checkpoint, identity, layers)


def open_random(model: str, seed: int, layers: Layers = None, flat: bool = False, frames: int | None = None) -> Encoder:
    """The M2D that the name `model` states, with random weights drawn from `seed`. Raises CheckpointError."""
    identity = Identity(name=f"{model} (random weights)", weights=f"random weights, seed {seed}", random=True)
    return _opened(random_checkpoint(configuration_of_name(model), seed), identity, layers, flat, frames)
