"""Images on the device, from a store's bytes to what an encoder is given; and the crops that training draws of them.

Conventions: images are (clip, 3, row, column), RGB, float32 in [0, 1]; a box is first row, rows, first column, columns
in pixels. A store holds an image as its bytes, (row, column, colour), in pairs as 16-bit numbers.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from evar.nn.vit import COLOURS

NORM_STATS = (0.485, 0.456, 0.406, 0.229, 0.224, 0.225)
"""Means and deviations of red, green and blue of ImageNet, which MAE, timm's MAE and DINOv2 were trained with."""

ASPECTS = (3 / 4, 4 / 3)  # width over height of a random crop, as torchvision's RandomResizedCrop draws it
TRIES = 10  # draws until a crop fits, as there

Box = tuple[int, int, int, int]


def pixels(samples: Tensor, size: int) -> Tensor:
    """(clip, sample) int16 of a store, see `data/sample_file.py` -> (clip, 3, size, size) float32 in [0, 1]."""
    stored = samples.contiguous().view(torch.uint8).view(len(samples), size, size, COLOURS)
    return stored.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format) / 255


def normalised(inputs: Tensor, norm_stats: Tensor) -> Tensor:
    """(input - mean) / deviation. norm_stats: (2,) of log-mels (clip, mel, frame), (2, 3) of images."""
    mean, deviation = norm_stats.view(2, -1, 1, 1)
    found: Tensor = (inputs - mean) / deviation
    return found


def draw_box(generator: np.random.Generator, size: int, smallest: float) -> Box:
    """A random crop of a square image: `smallest` to 1 of its area, 3:4 to 4:3 of any size, anywhere.

    Source: Szegedy et al., arXiv:1409.4842, section 6; the bounds are torchvision's and MAE's (arXiv:2111.06377, A.1).
    """
    for _ in range(TRIES):
        area = generator.uniform(smallest, 1.0) * size * size
        aspect = math.exp(generator.uniform(math.log(ASPECTS[0]), math.log(ASPECTS[1])))
        high, wide = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < high <= size and 0 < wide <= size:
            return int(generator.integers(size - high + 1)), high, int(generator.integers(size - wide + 1)), wide
    return 0, size, 0, size


def resized(inputs: Tensor, boxes: Tensor, *, edges: str, flips: Tensor | None = None) -> Tensor:
    """Each clip's box, resized to the input's size by bicubic interpolation, which enlarges and so needs no smoothing.

    inputs: (clip, channel, row, column); boxes: (clip, 4); flips: (clip,) bool, whether it is mirrored left to right
    edges: what lies outside the input: "zeros", or "border" for its nearest pixels

    One sampling for the whole batch.
    """
    size = torch.tensor(inputs.shape[2:], device=inputs.device, dtype=torch.float32)
    first, count = boxes[:, 0::2].float(), boxes[:, 1::2].float()
    scale, middle = (count / size).flip(1), ((2 * first + count) / size - 1).flip(1)  # along columns, along rows
    if flips is not None:
        scale = torch.stack([torch.where(flips, -scale[:, 0], scale[:, 0]), scale[:, 1]], dim=1)
    theta = torch.cat([torch.diag_embed(scale), middle[:, :, None]], dim=2)
    places = F.affine_grid(theta, list(inputs.shape), align_corners=False)
    return F.grid_sample(inputs, places, mode="bicubic", padding_mode=edges, align_corners=False)
