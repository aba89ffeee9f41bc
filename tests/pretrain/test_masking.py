"""Masks: disjoint, complete, of the right size, and structured where asked."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evar.nn.vit import select
from evar.pretrain.masking import draw_noise, mask_of, split_patches, visible_patches

KINDS = ("random", "time", "frequency")


def noise_of(kind, rows=5, columns=13, seed=0, clips=4):
    draws = np.random.default_rng(seed)
    return torch.from_numpy(np.stack([draw_noise(draws, kind, rows, columns) for _ in range(clips)]))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(1, 6),
    st.integers(1, 40),
    st.floats(0.05, 0.95),
    st.integers(0, 2**32),
)
def test_visible_and_masked_are_disjoint_and_complete(kind, rows, columns, ratio, seed):
    visible, masked = split_patches(noise_of(kind, rows, columns, seed), ratio)
    both = torch.cat([visible, masked], dim=1).sort(dim=1).values
    assert torch.equal(both, torch.arange(rows * columns).expand(4, -1))
    assert visible.shape[1] == visible_patches(rows * columns, ratio) == int(rows * columns * (1 - ratio))
    assert torch.equal(mask_of(masked, rows * columns).sum(dim=1), torch.full((4,), float(masked.shape[1])))


def test_lowest_noise_stays_visible():
    visible, masked = split_patches(torch.tensor([[0.3, 0.1, 0.9, 0.2]]), 0.5)
    assert (visible.tolist(), masked.tolist()) == ([[1, 3]], [[0, 2]])
    assert mask_of(masked, 4).tolist() == [[1, 0, 1, 0]]


@pytest.mark.parametrize(("kind", "axis"), [("time", 1), ("frequency", 2)])
def test_structured_masks_hide_whole_columns_or_rows_but_one(kind, axis):
    _, masked = split_patches(noise_of(kind), 0.7)
    share = mask_of(masked, 65).view(4, 5, 13).mean(dim=axis)
    partly = ((share > 0) & (share < 1)).sum(dim=1)
    assert (partly <= 1).all()
    assert (share == 1).any()


def test_random_masks_hide_every_patch_equally_often():
    _, masked = split_patches(noise_of("random", clips=4000), 0.6)
    often = mask_of(masked, 65).mean(dim=0)
    assert (often - 39 / 65).abs().max() < 5 * (0.24 / 4000) ** 0.5


def test_select_takes_each_clips_own_tokens_in_order():
    tokens = torch.arange(2 * 3 * 2.0).view(2, 3, 2)
    assert select(tokens, torch.tensor([[2, 0], [1, 1]])).tolist() == [[[4, 5], [0, 1]], [[8, 9], [8, 9]]]
