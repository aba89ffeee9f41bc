"""The vision transformer that M2D runs on patches of a log-mel, or of an image; parameter names are the public ones.

Conventions: `width` is a token's length, the MLP is 4 widths wide, GELU is exact, LayerNorm's eps is 1e-6, norms stand
before attention and MLP. Tokens are (clip, token, width): CLS first, then the patches row by row, each row (frequency)
over all its columns (time). An image is a spectrogram of three channels, (clip, channel, row, column) of pixels.

The parts that pre-training needs apart are apart: `patches` gives all positioned patch tokens, `tokens` takes any
selection of them. Source: Dosovitskiy et al., arXiv:2010.11929; Niizumi et al. (M2D), arXiv:2210.14648.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MLP_RATIO = 4
NORM_EPS = 1e-6
HEAD_WIDTH = 64
HEADS = {1280: 16}  # of widths whose heads are not 64 wide: ViT-Huge (Dosovitskiy et al., table 1)
COLOURS = 3  # channels of an image: red, green, blue


def heads_of(width: int) -> int:
    """Attention heads of an encoder of this width."""
    return HEADS.get(width, width // HEAD_WIDTH)


@dataclass(frozen=True)
class Grid:
    """How a spectrogram is cut into patches; `mels` and `frames` are the model's full input, all in bins.

    channels: 1, or of an image `COLOURS`, whose mels and frames are its rows and columns of pixels
    """

    mels: int
    frames: int
    patch_mels: int
    patch_frames: int
    channels: int = 1

    @classmethod
    def of_image(cls, size: int, patch: int) -> Self:
        """Of a square image and square patches, in pixels."""
        return cls(size, size, patch, patch, COLOURS)

    @property
    def is_image(self) -> bool:
        """Whether it cuts images."""
        return self.channels > 1

    @property
    def rows(self) -> int:
        """Patches along frequency."""
        return self.mels // self.patch_mels

    @property
    def columns(self) -> int:
        """Whole patches along time in a full input."""
        return self.frames // self.patch_frames

    def __str__(self) -> str:
        """As in the models' names: 80x608p16x16, or of an image 224x224p16."""
        if self.is_image:
            return f"{self.mels}x{self.frames}p{self.patch_mels}"
        return f"{self.mels}x{self.frames}p{self.patch_mels}x{self.patch_frames}"


class Attention(nn.Module):
    """Multi-head self-attention: by the fused kernel, but in low precision on a CPU by plain products.

    There the fused kernel multiplies without the CPU's matrix instructions: for 126 to 191 tokens it takes 1.4 to 1.8
    times as long as two batched products with a softmax between them, and 2 to 4 times with its gradient.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        clips, count, width = tokens.shape
        heads = self.qkv(tokens).view(clips, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if heads.device.type == "cpu" and heads.dtype != torch.float32:  # autocast changes heads alone
            query, key, value = heads.flatten(1, 2).unbind(0)  # one copy, where matmul would make one of each
            shares = torch.bmm(query * query.shape[-1] ** -0.5, key.transpose(1, 2)).softmax(dim=-1)
            mixed = torch.bmm(shares, value).view(clips, self.heads, count, -1)
        else:
            mixed = F.scaled_dot_product_attention(*heads.unbind(0))
        projected: Tensor = self.proj(mixed.transpose(1, 2).reshape(clips, count, width))
        return projected


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, MLP_RATIO * width)
        self.fc2 = nn.Linear(MLP_RATIO * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        projected: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return projected


class VitBlock(nn.Module):
    """One transformer layer: attention, then MLP, each on normalised tokens and added to them."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = Mlp(width)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens))
        attended: Tensor = tokens + self.mlp(self.norm2(tokens))
        return attended


class PatchEmbedding(nn.Module):
    """One linear map of every patch; its weight has a convolution's shape, (width, channel, row, column)."""

    def __init__(self, grid: Grid, width: int) -> None:
        super().__init__()
        patch = (grid.patch_mels, grid.patch_frames)
        self.proj = nn.Conv2d(grid.channels, width, patch, patch)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(clip, mel, frame) of whole patches -> (clip, row, column, width).

        A product over cut-out patches: equal to the convolution, and its result depends on no choice of cuDNN's.
        """
        return F.linear(self.cut(spectrogram), self.proj.weight.flatten(1), self.proj.bias)

    def cut(self, spectrogram: Tensor) -> Tensor:
        """(clip, mel, frame) of whole patches -> (clip, row, column, number of a patch), a patch mel by mel.

        An image, (clip, channel, row, column), channel by channel.
        """
        mels, frames = spectrogram.shape[-2:]
        height, width = self.proj.kernel_size
        apart = spectrogram.view(len(spectrogram), -1, mels // height, height, frames // width, width)
        return apart.permute(0, 2, 4, 1, 3, 5).flatten(3)


class ViT(nn.Module):
    """A ViT for spectrograms, or images, of a `grid`."""

    def __init__(self, grid: Grid, width: int, depth: int) -> None:
        super().__init__()
        self.grid, self.width, self.depth = grid, width, depth
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + grid.rows * grid.columns, width), requires_grad=False)
        self.patch_embed = PatchEmbedding(grid, width)
        self.blocks = nn.ModuleList(VitBlock(width, heads_of(width)) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.block_dtype = torch.float32

    def lengthen(self, grid: Grid) -> None:
        """Take inputs of `grid`, which differs in its frames alone: more columns than the position table has resample
        it in time (bicubic, no antialiasing, corners not aligned); fewer cut it, as every shorter input does.
        """
        if grid.columns > self.grid.columns:
            table = self.pos_embed[:, 1:].view(self.grid.rows, self.grid.columns, self.width).permute(2, 0, 1)
            size = (grid.rows, grid.columns)
            resampled = F.interpolate(table[None], size=size, mode="bicubic", align_corners=False, antialias=False)
            patches = resampled[0].permute(1, 2, 0).reshape(1, -1, self.width)
            self.pos_embed = nn.Parameter(torch.cat([self.pos_embed[:, :1], patches], dim=1), requires_grad=False)
            self.grid = grid

    def set_precision(self, dtype: torch.dtype) -> Self:
        """Convert the blocks' weights, once; patch embedding, positions and the last norm stay float32.

        Raises ValueError where they were rounded to another precision before: what that took off is gone.
        """
        if self.block_dtype not in (torch.float32, dtype):
            raise ValueError(f"the weights were rounded to {self.block_dtype}: open the encoder anew for {dtype}")
        self.blocks.to(dtype)
        self.block_dtype = dtype
        return self

    def patches(self, spectrogram: Tensor) -> Tensor:
        """(clip, mel, frame) of 1 to `grid.columns` whole columns -> positioned tokens (clip, row * column, width).

        The position table is cut to the input's columns, from the first on.
        """
        embedded = self.patch_embed(spectrogram)
        table = self.pos_embed[:, 1:].view(1, self.grid.rows, self.grid.columns, self.width)
        positioned: Tensor = (embedded + table[:, :, : embedded.shape[2]]).flatten(1, 2)
        return positioned

    def with_cls(self, patches: Tensor) -> Tensor:
        """(clip, patch, width) -> (clip, 1 + patch, width): positioned patch tokens behind the positioned CLS."""
        start = (self.cls_token + self.pos_embed[:, :1]).expand(len(patches), -1, -1)
        return torch.cat([start, patches], dim=1)

    def tokens(self, patches: Tensor, layers: Sequence[int] | None = None) -> list[Tensor]:
        """Run any patch tokens (clip, patch, width), with CLS before them: float32 tokens of each of `layers`.

        layers:  block numbers from 0, in any order; the last block's output is the one after the final norm, all
                 others are as the block gives them. None means the last alone.
        """
        wanted = [self.depth - 1] if layers is None else list(layers)
        tokens = self.with_cls(patches).to(self.block_dtype)
        taken: dict[int, Tensor] = {}
        for number in range(max(wanted) + 1):
            tokens = self.blocks[number](tokens)
            if number in wanted:
                taken[number] = self.norm(tokens.float()) if number == self.depth - 1 else tokens.float()
        return [taken[number] for number in wanted]

    def forward(self, spectrogram: Tensor, layers: Sequence[int] | None = None) -> list[Tensor]:
        """(clip, mel, frame) of whole patches -> tokens (clip, 1 + row * column, width) of each of `layers`."""
        return self.tokens(self.patches(spectrogram), layers)


def select(tokens: Tensor, numbers: Tensor) -> Tensor:
    """The tokens (clip, token, width) of these `numbers` (clip, chosen), in their order: (clip, chosen, width).

    By indexing, whose gradient is added up in a fixed order on every device.
    """
    return tokens[torch.arange(len(tokens), device=tokens.device)[:, None], numbers]
