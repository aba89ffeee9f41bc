"""A frozen ViT on image patches: M2D's, MAE's and timm's, which are one network with one set of key names.

MAE: He et al., arXiv:2111.06377. Outputs are the CLS token and the mean over the patches, both after the final norm.
"""

from dataclasses import replace

import torch
from torch import Tensor

from evar.encoders.contract import Identity, ImageEncoder
from evar.encoders.layers import Layers, cls_and_mean, image_outputs, outputs_of
from evar.nn.checkpoint import Checkpoint
from evar.nn.images import normalised


class M2DImages(ImageEncoder):
    """The encoder of a checkpoint of images. layers: see `layers.py`.

    Normalisation, patch embedding and pooling are float32 in every precision. Raises UsageError for a layer that is
    not there.
    """

    norm_stats: Tensor

    def __init__(self, checkpoint: Checkpoint, identity: Identity, layers: Layers = None) -> None:
        super().__init__()
        self.identity = replace(identity, code=f"normalised by {checkpoint.norm_stats}")
        self.image_size = checkpoint.configuration.grid.mels
        self.register_buffer("norm_stats", torch.tensor(checkpoint.norm_stats).view(2, -1))
        self.vit = checkpoint.vit()
        self.grid = checkpoint.configuration.grid
        self.layers_of = outputs_of("m2d", layers, self.vit.depth)
        self.outputs = image_outputs(self.layers_of)

    def set_precision(self, dtype: torch.dtype) -> torch.dtype:
        """Run the ViT's blocks in `dtype`; their weights are converted here, once."""
        self.vit.set_precision(dtype)
        return dtype

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        """Embed images: (clip, 3, image_size, image_size) float32 in [0, 1] -> {output: (clip, dim) float32}."""
        wanted = sorted({layer for layers in self.layers_of.values() for layer in layers})
        tokens = self.vit(normalised(images, self.norm_stats), wanted)
        return cls_and_mean(self.layers_of, dict(zip(wanted, tokens, strict=True)))
