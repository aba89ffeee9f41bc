"""M2D's numbers before any training: drawn weights, and the fixed two-dimensional sine-cosine positions.

Source of both: He et al., arXiv:2111.06377, appendix A.1, and its official settings. A table of positions has one row a
token: first CLS (zeros), then the patches in the order of a ViT's tokens, all columns (time) of the lowest row
(frequency), then of the next. The first half of a position's numbers states its column, the second half its row.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evar.nn.vit import Grid

POSITIONS = ("pos_embed", "decoder_pos_embed")  # fixed tables, never trained
TOKEN_STD = 0.02  # of CLS and mask tokens
WAVELENGTH = 10_000.0  # of the slowest sine over 2 pi, in patches (Vaswani et al., arXiv:1706.03762, section 3.5)


def initial_weights(shapes: Mapping[str, tuple[int, ...]], grid: Grid, seed: int) -> dict[str, Tensor]:
    """Tensors of these keys and shapes, drawn in the order of the keys from one generator made from `seed`.

    Linear layers (the patch embedding too) xavier-uniform, biases 0, norms 1 and 0, CLS and mask tokens normal with
    deviation 0.02; `POSITIONS` are the tables for `grid`.
    """
    generator = np.random.default_rng(seed)
    return {key: torch.from_numpy(_initial(key, shape, grid, generator)) for key, shape in shapes.items()}


def _initial(key: str, shape: tuple[int, ...], grid: Grid, generator: np.random.Generator) -> NDArray[np.float32]:
    if key in POSITIONS:
        return sincos_positions(shape[2], grid.rows, grid.columns)[None]
    if key.endswith("_token"):
        return TOKEN_STD * generator.standard_normal(shape, dtype=np.float32)
    if len(shape) == 1:
        return np.full(shape, "norm" in key and key.endswith("weight"), dtype=np.float32)
    outputs, inputs = shape[0], int(np.prod(shape[1:]))
    limit = np.float32(np.sqrt(6 / (inputs + outputs)))  # Glorot & Bengio 2010, equation 16
    return limit * (2 * generator.random(shape, dtype=np.float32) - 1)


def sincos_positions(width: int, rows: int, columns: int) -> NDArray[np.float32]:
    """The table (1 + rows * columns, width) for a grid of patches; `width` must be a multiple of 4."""
    if width % 4:
        raise ValueError(f"two axes of sines and cosines need a width that is a multiple of 4, not {width}")
    row, column = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    patches = np.concatenate([_axis(column.ravel(), width // 2), _axis(row.ravel(), width // 2)], axis=1)
    return np.concatenate([np.zeros((1, width)), patches]).astype(np.float32)


def _axis(places: NDArray[np.int64], width: int) -> NDArray[np.float64]:
    """sin(place / WAVELENGTH^(2i / width)) for all i < width / 2, then the cosines: (place, width)."""
    rates = WAVELENGTH ** (-np.arange(width // 2) / (width / 2))
    angles = np.outer(places, rates)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
