"""Which patches of a clip are visible and which are masked.

Every clip has a number a patch, its noise; the patches of the lowest numbers stay visible. So all clips of a batch have
equally many visible patches, whatever the kind of masking, and a mask can be written down. Patches are counted row by
row (frequency), each row over its columns (time). Source: He et al., arXiv:2111.06377, section 3 (random masking);
Huang et al., arXiv:2207.06405, section 3 (whole columns or rows of a spectrogram).
"""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Kind = Literal["random", "time", "frequency"]


def draw_noise(generator: np.random.Generator, kind: Kind, rows: int, columns: int) -> NDArray[np.float32]:
    """(rows * columns,) noise of one clip.

    random: every patch on its own. time: columns are masked one after the other, in random order, so all but one are
    wholly visible or wholly masked. frequency: the same with rows.
    """
    noise = generator.random((rows, columns), dtype=np.float32)
    if kind == "time":
        noise += generator.permutation(columns)[None, :]
    elif kind == "frequency":
        noise += generator.permutation(rows)[:, None]
    return noise.ravel()


def split_patches(noise: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
    """(clip, patch) noise -> numbers of the visible and of the masked patches, each (clip, patches), by rising noise.

    int(patches * (1 - ratio)) patches stay visible.
    """
    order = noise.argsort(dim=1, stable=True)
    visible = visible_patches(noise.shape[1], ratio)
    return order[:, :visible], order[:, visible:]


def visible_patches(patches: int, ratio: float) -> int:
    """How many of `patches` stay visible."""
    return int(patches * (1 - ratio))


def mask_of(masked: Tensor, patches: int) -> Tensor:
    """Numbers of masked patches (clip, masked) -> (clip, patches) float32: 1 masked, 0 visible."""
    return torch.zeros(len(masked), patches, device=masked.device).scatter_(1, masked, 1.0)
