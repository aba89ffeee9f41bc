"""Sine-cosine positions: the reference tables, to the bit."""

from pathlib import Path

import numpy as np
import pytest

from evar.nn.positions import sincos_positions


@pytest.mark.parametrize("name", ["pos_embed", "decoder_pos_embed"])
def test_reference_tables_are_reproduced_exactly(shared: Path, name: str) -> None:
    table = np.load(shared / "reference" / "pretrain_step_tiny.npz")[name][0]
    assert np.array_equal(sincos_positions(table.shape[1], rows=5, columns=13), table)


def test_first_half_tells_the_column_second_half_the_row() -> None:
    table = sincos_positions(16, rows=2, columns=3)
    assert not table[0].any()  # CLS
    grid = table[1:].reshape(2, 3, 16)
    assert np.array_equal(grid[0, :, :8], grid[1, :, :8])
    assert np.array_equal(grid[:, 0, 8:], grid[:, 2, 8:])
    assert np.allclose(grid[1, 2, :4], np.sin(2 / 10_000.0 ** (np.arange(4) / 4)))


def test_widths_that_two_axes_cannot_share_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        sincos_positions(6, 2, 2)
