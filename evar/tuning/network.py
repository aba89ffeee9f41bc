"""An M2D with a new head for a task's classes, and the losses.

The head is a BatchNorm without an affine map, then a linear layer. A clip's features are the mean over its frames, each
the joined patches of a column; where patch-out leaves no whole columns, the mean over single patches. An image's are
that too, or its CLS token.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evar.data.audio import FULL_SCALE
from evar.encoders.m2d import M2D
from evar.encoders.m2d_images import M2DImages
from evar.nn import images
from evar.nn.configuration import Configuration
from evar.nn.pooling import chunk_frames, chunks, frames_of
from evar.nn.vit import select
from evar.tuning.recipe import FineTuningRecipe

HEAD = "head."


Tunable = M2D | M2DImages


class FineTuned(nn.Module):
    """The encoder of `encoder`, which is trained on from here, and a head drawn from `seed`.

    frames: of the clips, which go through in one piece: where the encoder's own input is shorter, its positions are
    resampled in time, where it is longer, cut; nothing of images. columns: of patches that a clip has
    size: mels and frames of the input, or rows and columns of an image
    """

    norm_stats: Tensor

    def __init__(self, encoder: Tunable, classes: int, frames: int, recipe: FineTuningRecipe, seed: int) -> None:
        super().__init__()
        self.vit, self.flat, self.cls = encoder.vit, recipe.flat, recipe.features == "cls"
        self.grid = self.vit.grid
        if isinstance(encoder, M2D):
            self.log_mel = encoder.log_mel
            self.register_buffer("norm_stats", torch.tensor([encoder.mean, encoder.std]))
            self.grid = replace(self.grid, frames=max(frames, self.grid.frames))
            self.vit.lengthen(self.grid)
            ((_, self.columns),) = chunk_frames(frames, self.grid)
            self.size = (self.grid.mels, frames)
        else:
            self.flat = True
            self.register_buffer("norm_stats", encoder.norm_stats.clone())
            self.columns, self.size = self.grid.columns, (self.grid.mels, self.grid.frames)
        self.vit.requires_grad_(not recipe.freeze)
        self.vit.pos_embed.requires_grad_(False)
        if recipe.freeze_patches:
            self.vit.patch_embed.requires_grad_(False)
        width = self.vit.width if self.flat else self.vit.width * self.grid.rows
        normalised = nn.BatchNorm1d(width, affine=False, eps=recipe.head_eps)
        self.head = nn.Sequential(normalised, nn.Linear(width, classes))
        linear = self.head[1]
        assert isinstance(linear, nn.Linear)
        nn.init.normal_(linear.weight, std=recipe.head_std, generator=torch.Generator().manual_seed(seed))
        nn.init.zeros_(linear.bias)

    def inputs(self, clips: Tensor) -> Tensor:
        """(clip, sample) int16 of a store -> what the ViT is given, float32: `spectra`, or normalised images."""
        if self.grid.is_image:
            return images.normalised(images.pixels(clips, self.grid.mels), self.norm_stats)
        return self.spectra(clips.float() / FULL_SCALE)

    def spectra(self, waveforms: Tensor) -> Tensor:
        """(clip, sample) float32 -> (clip, mel, frame) normalised log-mel, float32."""
        return images.normalised(self.log_mel(waveforms), self.norm_stats)

    def features(self, inputs: Tensor, kept: Tensor | None = None) -> Tensor:
        """What `inputs` gives -> (clip, dim) float32; kept: (clip, kept) patches to see, or all."""
        if not self.grid.is_image:
            (inputs,) = chunks(inputs, self.grid)
        patches = self.vit.patches(inputs)
        if kept is not None and kept.shape[1] < patches.shape[1]:
            patches = select(patches, kept)
        tokens = self.vit.tokens(patches)[0]
        if self.cls:
            return tokens[:, 0]
        return tokens[:, 1:].mean(dim=1) if self.flat else frames_of(tokens, self.grid.rows).mean(dim=1)

    def logits(self, features: Tensor) -> Tensor:
        """(clip, dim) -> (clip, class)."""
        logits: Tensor = self.head(features)
        return logits

    def weights(self) -> dict[str, Tensor]:
        """All tensors under the public keys, the head's behind "head."."""
        head = {f"{HEAD}{key}": tensor for key, tensor in self.head.state_dict().items()}
        return {**self.vit.state_dict(), **head, "norm_stats": self.norm_stats}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take what `weights` gave."""
        own = {key: tensor for key, tensor in weights.items() if key != "norm_stats" and not key.startswith(HEAD)}
        self.vit.load_state_dict(own)
        self.head.load_state_dict({key.removeprefix(HEAD): weights[key] for key in weights if key.startswith(HEAD)})


def configuration_of(model: FineTuned, encoder: Tunable) -> Configuration:
    """The shape of the fine-tuned encoder; its name states the input that it was trained on."""
    own = encoder.identity.name.replace(str(encoder.grid), str(model.grid))
    return Configuration(own, 0 if model.grid.is_image else encoder.rate, model.grid, model.vit.width, model.vit.depth)


def loss_of(logits: Tensor, targets: Tensor, known: Tensor | None, *, several: bool, class_mean: bool = True) -> Tensor:
    """The batch's loss, a float32 scalar.

    targets: (clip, class) shares; known: (clip, class) 1 where the label is known, None where all are
    several: whether a clip may have several labels: then binary cross entropy, the mean over what is known; else
    - targets * log softmax, the mean over clips, and where `class_mean` over classes
    """
    if not several:
        each = -(targets * F.log_softmax(logits.float(), dim=1))
        return each.mean() if class_mean else each.sum(dim=1).mean()
    each = F.binary_cross_entropy_with_logits(logits.float(), targets, reduction="none")
    return each.mean() if known is None else (each * known).sum() / known.sum().clamp(min=1)
