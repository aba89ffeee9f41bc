"""Structured patch-out: whole rows and columns of a clip's patches are dropped, and the encoder sees the rest alone.

Source: Koutini et al., arXiv:2110.05069, section 2.1 (structured patchout). Half of what is dropped goes by rows, half
by columns, as near as whole ones come to the share.
"""

import numpy as np
from numpy.typing import NDArray


def kept_shape(rows: int, columns: int, share: float) -> tuple[int, int]:
    """How many rows and columns of a grid stay where `share` (0 to below 1) of its patches is dropped.

    >>> kept_shape(5, 62, 0.5)
    (4, 39)
    """
    high = min(rows, max(1, round(rows * (1 - share) ** 0.5)))
    wide = min(columns, max(1, round(rows * columns * (1 - share) / high)))
    return high, wide


def draw_kept(generator: np.random.Generator, rows: int, columns: int, share: float) -> NDArray[np.int64]:
    """(kept,) rising numbers of the patches of a clip that stay, counted row by row: all where nothing is dropped."""
    high, wide = kept_shape(rows, columns, share)
    kept_rows = np.sort(generator.permutation(rows)[:high])
    kept_columns = np.sort(generator.permutation(columns)[:wide])
    numbers: NDArray[np.int64] = (kept_rows[:, None] * columns + kept_columns[None, :]).ravel()
    return numbers
