"""Weights before training, and sine-cosine positions: the reference tables, to the bit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from evar.nn.configuration import configuration_of_name, encoder_shapes
from evar.nn.initial import initial_weights, sincos_positions


def drawn(seed: int) -> dict[str, Tensor]:
    configuration = configuration_of_name("m2d_vit_tiny-80x64p16x16")
    return initial_weights(encoder_shapes(configuration), configuration.grid, seed)


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


def test_random_weights_hinge_on_the_seed_alone() -> None:
    first, again, other = (drawn(seed) for seed in (7, 7, 8))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["blocks.0.attn.qkv.weight"], other["blocks.0.attn.qkv.weight"])


def test_random_weights_are_drawn_as_maes() -> None:
    state = drawn(seed=0)
    assert np.array_equal(state["pos_embed"][0].numpy(), sincos_positions(192, 5, 4))
    assert state["cls_token"].std() == pytest.approx(0.02, rel=0.2)
    qkv = state["blocks.3.attn.qkv.weight"]
    assert qkv.abs().max() == pytest.approx((6 / (192 + 3 * 192)) ** 0.5, rel=1e-3)
    assert state["patch_embed.proj.weight"].abs().max() == pytest.approx((6 / (256 + 192)) ** 0.5, rel=1e-3)
    assert not state["blocks.3.attn.qkv.bias"].any()
    assert (state["blocks.3.norm1.weight"] == 1).all()
    assert not state["norm.bias"].any()
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}
