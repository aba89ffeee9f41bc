"""Masked Modeling Duo: predict, from the visible patches, a momentum encoder's representation of the masked ones.

The target network has the encoder's shape, but sees the masked patches and CLS alone; it shares patch embedding, CLS
and positions with the encoder, gets no gradient, and follows the encoder's blocks and final norm as an exponential
moving average from an initialisation of its own.
Source: Niizumi et al., arXiv:2210.14648, section 3.1, equations 1 to 4.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evar.nn.vit import NORM_EPS, Grid, VitBlock, heads_of, select
from evar.pretrain.masked_model import MaskedModel, PredictorShape

TARGET_EPS = 1e-6  # added to the variance of a target vector


class M2DObjective(MaskedModel):
    """Encoder, predictor and target network; see the module."""

    def __init__(self, grid: Grid, width: int, depth: int, predictor: PredictorShape) -> None:
        super().__init__(grid, width, depth, predictor, outputs=width)
        self.target_blocks = nn.ModuleList(VitBlock(width, heads_of(width)) for _ in range(depth))
        self.target_norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.target_blocks.requires_grad_(False)
        self.target_norm.requires_grad_(False)

    def loss(self, spectrogram: Tensor, visible: Tensor, masked: Tensor) -> Tensor:
        """2 - 2 cos of predictions and standardised targets, the mean over masked patches; see `MaskedModel.loss`."""
        patches = self.patches(spectrogram)
        predicted = self.predict(patches, visible, masked)
        return distance(predicted.float(), standardised(self.targets(patches, masked).float()))

    @torch.no_grad()
    def targets(self, patches: Tensor, masked: Tensor) -> Tensor:
        """The target network's representation of the masked patches, which are all that it sees."""
        tokens = self.with_cls(select(patches, masked))
        for block in self.target_blocks:
            tokens = block(tokens)
        normed: Tensor = self.target_norm(tokens[:, 1:])
        return normed

    @torch.no_grad()
    def after_step(self, decay: float) -> None:
        """Update: target <- decay * target + (1 - decay) * encoder, for all blocks and the final norm."""
        online: list[Tensor] = [*self.blocks.parameters(), *self.norm.parameters()]
        target: list[Tensor] = [*self.target_blocks.parameters(), *self.target_norm.parameters()]
        torch._foreach_lerp_(target, online, 1 - decay)


def standardised(vectors: Tensor) -> Tensor:
    """Each vector (..., feature) less its mean, over its deviation (unbiased variance + TARGET_EPS)."""
    mean, variance = vectors.mean(dim=-1, keepdim=True), vectors.var(dim=-1, keepdim=True)
    return (vectors - mean) / (variance + TARGET_EPS).sqrt()


def distance(predicted: Tensor, targets: Tensor) -> Tensor:
    """|p / |p| - t / |t||^2 = 2 - 2 cos(p, t), the mean over all vectors (..., feature)."""
    return (2 - 2 * F.cosine_similarity(predicted, targets, dim=-1)).mean()
