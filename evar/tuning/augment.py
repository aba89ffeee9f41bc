"""What chance does to a training clip's log-mel, or to an image: mixup, a random resized crop, masks, in this order.

All is drawn beforehand, clip by clip, and then applied to a whole batch on its device. Inputs are normalised, so that
0, which fills what is masked or lies outside, is the mean of the training that the encoder comes from. An image's crops
lie within it, see `nn/images.py`; its rows are the mels, its columns the frames.
Sources: Zhang et al., arXiv:1710.09412, equation 1 (mixup); Niizumi et al., arXiv:2103.06695, section III-C (random
resized crop); Park et al., arXiv:1904.08779, section 2 (masks).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from evar.nn.images import draw_box
from evar.tuning.patchout import draw_kept
from evar.tuning.recipe import FineTuningRecipe

Span = tuple[int, int]
"""First, and how many."""


@dataclass(frozen=True)
class Draw:
    """What chance does to one clip. share: of the clip itself in its mixture; box: mels, frames of the crop, which may
    lie partly outside; flip: whether it is mirrored; mels, frames: masked; kept: the patches that the encoder sees.
    """

    share: float
    box: tuple[Span, Span]
    flip: bool
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
    if recipe.smallest_crop is not None:
        top, rows, left, columns = draw_box(generator, high, recipe.smallest_crop)
        box = ((top, rows), (left, columns))
    flip = bool(recipe.flip and generator.integers(2))
    mels, frames = _masked(generator, high, recipe.freq_mask), _masked(generator, wide, recipe.time_mask)
    return Draw(share, box, flip, mels, frames, draw_kept(generator, *patches, recipe.patchout))


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
    frames; flips: (clip,) bool; kept: (clip, kept) int64.
    """

    shares: Tensor
    boxes: Tensor
    flips: Tensor
    masks: Tensor
    kept: Tensor

    @classmethod
    def of(cls, draws: Sequence[Draw]) -> Self:
        """Of one draw a clip."""
        return cls(
            torch.tensor([each.share for each in draws]),
            torch.tensor([[*each.box[0], *each.box[1]] for each in draws]),
            torch.tensor([each.flip for each in draws]),
            torch.tensor([[*each.mels, *each.frames] for each in draws]),
            torch.from_numpy(np.stack([each.kept for each in draws])),
        )

    def part(self, clips: slice, device: torch.device | None = None) -> "Draws":
        """Those of some clips, on a device."""
        tensors = (self.shares, self.boxes, self.flips, self.masks, self.kept)
        return Draws(*(tensor[clips].to(device, non_blocking=True) for tensor in tensors))


def mix(first: Tensor, second: Tensor, shares: Tensor) -> Tensor:
    """Share * first + (1 - share) * second, clip by clip: (clip, ...) each, shares (clip,)."""
    shares = shares.view(-1, *[1] * (first.ndim - 1))
    return shares * first + (1 - shares) * second


def mask(spectra: Tensor, masks: Tensor) -> Tensor:
    """0 where a band of mels or a span of frames is masked: (clip, channel, mel, frame), (clip, 4) -> the same."""
    for axis, (first, count) in ((2, masks[:, :2].unbind(1)), (3, masks[:, 2:].unbind(1))):
        numbers = torch.arange(spectra.shape[axis], device=spectra.device)[None, :]
        hidden = (numbers >= first[:, None]) & (numbers < (first + count)[:, None])
        spectra = spectra.masked_fill(hidden[:, None].unsqueeze(5 - axis), 0.0)
    return spectra
