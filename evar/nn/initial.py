"""Fixed two-dimensional sine-cosine positions, as MAE and M2D use them (He et al., arXiv:2111.06377, appendix A.1).

A table has one row a token: first CLS (zeros), then the patches in the order of a ViT's tokens, all columns (time) of
the lowest row (frequency), then of the next. The first half of a position's numbers tells its column, the second half
its row.
"""

import numpy as np
from numpy.typing import NDArray

WAVELENGTH = 10_000.0  # of the slowest sine over 2 pi, in patches (Vaswani et al., arXiv:1706.03762, section 3.5)


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
