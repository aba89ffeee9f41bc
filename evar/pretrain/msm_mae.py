"""MSM-MAE: reconstruct the masked patches of the spectrogram itself, what M2D is compared with.

The encoder sees the visible patches, the decoder gives the numbers of the masked ones, and the loss is their mean
squared error. Source: Niizumi et al., arXiv:2204.12260, section 3.
"""

from torch import Tensor
from torch.nn import functional as F

from evar.nn.vit import Grid, select
from evar.pretrain.masked_model import MaskedModel, PredictorShape


class MsmMae(MaskedModel):
    """Encoder and decoder; see the module."""

    def __init__(self, grid: Grid, width: int, depth: int, predictor: PredictorShape) -> None:
        super().__init__(grid, width, depth, predictor, outputs=grid.patch_mels * grid.patch_frames * grid.channels)

    def loss(self, spectrogram: Tensor, visible: Tensor, masked: Tensor) -> Tensor:
        """Mean squared error over the numbers of the masked patches; see `MaskedModel.loss`."""
        predicted = self.predict(self.patches(spectrogram), visible, masked)
        wanted = select(self.patch_embed.cut(spectrogram).flatten(1, 2), masked)
        return F.mse_loss(predicted.float(), wanted)
