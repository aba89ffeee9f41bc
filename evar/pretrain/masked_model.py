"""What every masked objective has: an encoder that sees visible patches, and a predictor of the masked ones.

Parameter names are the public checkpoints' keys: the encoder's own (`evar/nn/vit.py`), `decoder_*` and `mask_token` for
the predictor, `norm_stats`. A subclass adds its loss. Patches are numbered as in `masking.py`.
Source: Niizumi et al. (M2D), arXiv:2210.14648, section 3; He et al., arXiv:2111.06377, section 3.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evar.nn.initial import initial_weights
from evar.nn.vit import NORM_EPS, Grid, ViT, VitBlock, select


@dataclass(frozen=True)
class PredictorShape:
    """A predictor's size: width of its tokens, number of blocks, and heads of each."""

    width: int
    depth: int
    heads: int


class MaskedModel(ViT, ABC):
    """A ViT for `grid` with a predictor behind it that gives `outputs` numbers a masked patch.

    norm_stats: (2,) mean and deviation that the log-mel was normalised with, (2, 3) of images by their colours; kept
    here so that checkpoints hold them.
    """

    norm_stats: Tensor

    def __init__(self, grid: Grid, width: int, depth: int, predictor: PredictorShape, outputs: int) -> None:
        super().__init__(grid, width, depth)
        stats = torch.tensor([0.0, 1.0])
        self.register_buffer("norm_stats", stats[:, None].repeat(1, grid.channels) if grid.is_image else stats)
        self.mask_token = nn.Parameter(torch.empty(1, 1, predictor.width))
        positions = torch.empty(1, 1 + grid.rows * grid.columns, predictor.width)
        self.decoder_pos_embed = nn.Parameter(positions, requires_grad=False)
        self.decoder_embed = nn.Linear(width, predictor.width)
        self.decoder_blocks = nn.ModuleList(VitBlock(predictor.width, predictor.heads) for _ in range(predictor.depth))
        self.decoder_norm = nn.LayerNorm(predictor.width, eps=NORM_EPS)
        self.decoder_pred = nn.Linear(predictor.width, outputs)

    def draw_weights(self, seed: int) -> None:
        """Weights before any training, see `initial_weights`."""
        shapes = {key: tuple(tensor.shape) for key, tensor in self.named_parameters()}
        self.load_state_dict(initial_weights(shapes, self.grid, seed), strict=False)

    @abstractmethod
    def loss(self, spectrogram: Tensor, visible: Tensor, masked: Tensor) -> Tensor:
        """The loss of a batch, a float32 scalar: the mean over its clips and masked patches.

        spectrogram: (clip, mel, frame) normalised log-mel of the full input length, or images, see `vit.py`
        visible, masked: (clip, patches) numbers of patches, see `split_patches`
        """

    def after_step(self, decay: float) -> None:
        """What follows the optimiser's step: the target network's update, where there is one."""

    def predict(self, patches: Tensor, visible: Tensor, masked: Tensor) -> Tensor:
        """Predictions for the masked patches: (clip, masked, outputs), in the order of `masked`.

        patches: (clip, patch, width) all positioned patch tokens, of which the encoder is given the visible ones.

        Attention has no order, so the tokens stay in the order CLS, visible, masked and are never sorted back: their
        positions say where they belong.
        """
        encoded = self.decoder_embed(self.tokens(select(patches, visible))[0])
        tables = self.decoder_pos_embed.expand(len(patches), -1, -1)
        hidden = self.mask_token + select(tables[:, 1:], masked)
        seen = encoded + torch.cat([tables[:, :1], select(tables[:, 1:], visible)], dim=1)
        tokens = torch.cat([seen, hidden], dim=1)
        for block in self.decoder_blocks:
            tokens = block(tokens)
        predicted: Tensor = self.decoder_pred(self.decoder_norm(tokens[:, -masked.shape[1] :]))
        return predicted
