"""What chance does to a training clip's log-mel: mixup, a random resized crop, masks, in this order.

All is drawn beforehand, clip by clip, and then applied to a whole batch on its device. Log-mels are normalised, so that
0, which fills what is masked or lies outside, is the mean of the training that the encoder comes from.
Sources: Zhang et al., arXiv:1710.09412, equation 1 (mixup); Niizumi et al., arXiv:2103.06695, section III-C (random
resized crop); Park et al., arXiv:1904.08779, section 2 (masks).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from evar.tuning.patchout import draw_kept
from evar.tuning.recipe import FineTuningRecipe

Span = tuple[int, int]
"""First, and how many."""


@dataclass(frozen=True)
class Draw:
    """What chance does to one clip. share: of the clip itself in its mixture; box: mels, frames of the crop, which may
    lie partly outside; mels, frames: masked; kept: numbers of the patches that the encoder sees.
    """

    share: float
    box: tuple[Span, Span]
    mels: Span
    frames: Span
    kept: np.typing.NDArray[np.int64]


def draw(
    generator: np.random.Generator, recipe: FineTuningRecipe, size: tuple[int, int], patches: tuple[int, int]
) -> Draw:
    """One clip's. size: mels and frames of its log-mel; patches: rows and columns of them."""
    share = float(generator.beta(recipe.mixup, recipe.mixup)) if recipe.mixup else 1.0
    high, wide = size
    box = ((0, high), (0, wide))
    if recipe.crop:
        scale = min(generator.uniform(recipe.crop_smallest, recipe.crop_largest), 1.0)
        along_mels = _cut(generator, high, recipe.crop_room_mels, scale)
        scale = generator.uniform(recipe.crop_smallest, recipe.crop_largest)
        box = (along_mels, _cut(generator, wide, recipe.crop_room_frames, scale))
    mels, frames = _masked(generator, high, recipe.freq_mask), _masked(generator, wide, recipe.time_mask)
    return Draw(share, box, mels, frames, draw_kept(generator, *patches, recipe.patchout))


def _cut(generator: np.random.Generator, size: int, room: float, scale: float) -> Span:
    """A crop of `scale` sizes anywhere in `room` sizes, in whose middle the input lies."""
    around = int(room * size)
    length = min(around, max(1, int(scale * size)))
    return int(generator.integers(around - length + 1)) - (around - size) // 2, length


def _masked(generator: np.random.Generator, size: int, most: int) -> Span:
    """0 to `most` neighbours, any number as likely, anywhere in `size`."""
    length = int(generator.integers(min(most, size) + 1))
    return int(generator.integers(size - length + 1)), length


@dataclass(frozen=True)
class Draws:
    """Those of a batch. shares: (clip,) float32; boxes, masks: (clip, 4) int64, first and number of mels, then of
    frames; kept: (clip, kept) int64.
    """

    shares: Tensor
    boxes: Tensor
    masks: Tensor
    kept: Tensor

    @classmethod
    def of(cls, draws: Sequence[Draw]) -> Self:
        """Of one draw a clip."""
        return cls(
            torch.tensor([each.share for each in draws]),
            torch.tensor([[*each.box[0], *each.box[1]] for each in draws]),
            torch.tensor([[*each.mels, *each.frames] for each in draws]),
            torch.from_numpy(np.stack([each.kept for each in draws])),
        )

    def part(self, clips: slice, device: torch.device | None = None) -> "Draws":
        """Those of some clips, on a device."""
        tensors = (self.shares, self.boxes, self.masks, self.kept)
        return Draws(*(tensor[clips].to(device, non_blocking=True) for tensor in tensors))


def mix(first: Tensor, second: Tensor, shares: Tensor) -> Tensor:
    """Share * first + (1 - share) * second, clip by clip: (clip, ...) each, shares (clip,)."""
    shares = shares.view(-1, *[1] * (first.ndim - 1))
    return shares * first + (1 - shares) * second


def crop(spectra: Tensor, boxes: Tensor) -> Tensor:
    """Each clip's box, resized to the input's size by bicubic interpolation: (clip, mel, frame), (clip, 4) -> the same.

    One sampling for the whole batch; what lies outside the input is 0.
    """
    size = torch.tensor(spectra.shape[1:], device=spectra.device, dtype=torch.float32)
    first, count = boxes[:, 0::2].float(), boxes[:, 1::2].float()
    scale, middle = (count / size).flip(1), ((2 * first + count) / size - 1).flip(1)  # along frames, along mels
    theta = torch.cat([torch.diag_embed(scale), middle[:, :, None]], dim=2)
    places = F.affine_grid(theta, [len(spectra), 1, *spectra.shape[1:]], align_corners=False)
    cropped = F.grid_sample(spectra[:, None], places, mode="bicubic", padding_mode="zeros", align_corners=False)
    return cropped[:, 0]


def mask(spectra: Tensor, masks: Tensor) -> Tensor:
    """0 where a band of mels or a span of frames is masked: (clip, mel, frame), (clip, 4) -> the same."""
    for axis, (first, count) in ((1, masks[:, :2].unbind(1)), (2, masks[:, 2:].unbind(1))):
        numbers = torch.arange(spectra.shape[axis], device=spectra.device)[None, :]
        hidden = (numbers >= first[:, None]) & (numbers < (first + count)[:, None])
        spectra = spectra.masked_fill(hidden.unsqueeze(3 - axis), 0.0)
    return spectra
