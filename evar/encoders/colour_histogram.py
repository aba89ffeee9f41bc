"""A histogram of colours: what an image's colours alone are worth, unlearned; beside the log-mel's role for audio.

Swain and Ballard, "Color indexing", International Journal of Computer Vision 7 (1991), section 2; here of RGB as it is.
"""

from pathlib import Path

import torch
from pydantic import PositiveInt
from torch import Tensor

from evar.encoders.contract import Encoder, Identity, ImageEncoder, refuse_weights
from evar.nn.vit import COLOURS

LEVELS = 8  # of each colour


class ColourHistogram(ImageEncoder):
    """Output "last": the square root of the share of the pixels in each of 8 x 8 x 8 boxes of red, green and blue.

    With the root the distance between two histograms is Hellinger's, in which rare colours count too.
    """

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.image_size = image_size
        self.identity = Identity(name=f"colour_histogram {image_size}", weights="no weights")

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        """Embed images: (clip, 3, image_size, image_size) float32 in [0, 1] -> {"last": (clip, 512) float32}."""
        red, green, blue = (images * LEVELS).long().clamp(0, LEVELS - 1).flatten(2).unbind(1)
        boxes = (red * LEVELS + green) * LEVELS + blue
        counts = torch.zeros(len(images), LEVELS**COLOURS, device=images.device)
        counts.scatter_add_(1, boxes, torch.ones_like(boxes, dtype=torch.float32))
        return {"last": (counts / boxes.shape[1]).sqrt()}


def open_encoder(weights: Path | None, image_size: PositiveInt = 224) -> Encoder:
    """The histogram of images of `image_size` pixels. Raises UsageError where weights are given, since it has none."""
    refuse_weights("colour_histogram", weights)
    return ColourHistogram(image_size)
