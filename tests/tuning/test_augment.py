"""Mixup, crops, masks and patch-out, each against its formula."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from evar.nn.images import resized
from evar.tuning import augment
from evar.tuning.augment import Draws, draw
from evar.tuning.patchout import draw_kept, kept_shape
from evar.tuning.recipe import FineTuningRecipe

SIZE, PATCHES = (80, 101), (5, 7)
EVERYTHING = FineTuningRecipe(mixup=0.3, crop=True, freq_mask=30, time_mask=48, patchout=0.5)


def draws(recipe, count=2000):
    return [draw(np.random.default_rng(seed), recipe, SIZE, PATCHES) for seed in range(count)]


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def test_mixture_is_share_and_rest_of_clips_and_of_targets():
    first, second, shares = noise(3, 80, 10), 2 * noise(3, 80, 10), torch.tensor([1.0, 0.25, 0.0])
    mixed = augment.mix(first, second, shares)
    assert torch.equal(mixed[0], first[0])
    assert torch.equal(mixed[2], second[2])
    torch.testing.assert_close(mixed[1], 0.25 * first[1] + 0.75 * second[1])
    assert augment.mix(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), shares[1:2]).tolist() == [[0.25, 0.75]]


def test_shares_are_of_the_beta_distribution():
    shares = np.array([each.share for each in draws(EVERYTHING)])
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(1 / (4 * (2 * 0.3 + 1)), rel=0.05)  # of Beta(a, a)
    assert {each.share for each in draws(FineTuningRecipe(), 5)} == {1.0}


def test_crop_of_the_whole_input_is_the_input():
    spectra = noise(2, *SIZE)
    boxes = torch.tensor([[0, 80, 0, 101]] * 2)
    torch.testing.assert_close(resized(spectra[:, None], boxes, edges="zeros")[:, 0], spectra, atol=1e-4, rtol=0)


def test_crop_is_torchs_bicubic_resize_of_the_cut():
    """But for the two samples at an edge, where torch repeats the last one and the crop knows its neighbours."""
    spectra = noise(2, *SIZE)
    cropped = resized(spectra[:, None], torch.tensor([[10, 50, 20, 61], [3, 77, 1, 99]]), edges="zeros")[:, 0]
    for clip, (top, high, left, wide) in enumerate([(10, 50, 20, 61), (3, 77, 1, 99)]):
        cut = spectra[clip : clip + 1, None, top : top + high, left : left + wide]
        expected = F.interpolate(cut, size=SIZE, mode="bicubic", align_corners=False)[0, 0]
        torch.testing.assert_close(cropped[clip, 5:-5, 5:-5], expected[5:-5, 5:-5], atol=1e-3, rtol=0)


def test_crop_beyond_the_input_is_filled_with_zeros():
    cropped = resized(torch.ones(1, 1, *SIZE), torch.tensor([[0, 80, 50, 101]]), edges="zeros")[:, 0]
    torch.testing.assert_close(cropped[0, :, :48], torch.ones(80, 48))
    assert (cropped[0, :, 54:] == 0).all()


def test_boxes_are_as_large_and_lie_as_the_paper_says():
    boxes = np.array([[*each.box[0], *each.box[1]] for each in draws(EVERYTHING)])
    top, high, left, wide = boxes.T
    assert (high.min(), high.max()) == (48, 80)
    assert (wide.min(), wide.max()) == (60, 151)
    assert (top >= 0).all()
    assert (top + high <= 80).all()
    assert left.min() == -25  # half of what the virtual area is longer by
    assert (left + wide).max() == 151 - 25
    assert (high == 80).mean() == pytest.approx(5 / 9, abs=0.04)  # scales from 1 to 1.5 of 0.6 to 1.5 are cut at 1


def test_masks_are_zeros_in_their_bands_and_nothing_else():
    spectra = noise(2, *SIZE)
    masked = augment.mask(spectra[:, None], torch.tensor([[10, 5, 0, 0], [0, 0, 90, 11]]))[:, 0]
    assert (masked[0, 10:15] == 0).all()
    assert torch.equal(masked[0, :10], spectra[0, :10])
    assert torch.equal(masked[0, 15:], spectra[0, 15:])
    assert (masked[1, :, 90:] == 0).all()
    assert torch.equal(masked[1, :, :90], spectra[1, :, :90])


def test_masks_have_any_length_up_to_theirs_and_lie_within():
    found = draws(EVERYTHING)
    assert np.bincount([each.mels[1] for each in found], minlength=31).min() > 30
    assert np.bincount([each.frames[1] for each in found]).size == 49
    assert all(sum(each.mels) <= 80 and sum(each.frames) <= 101 for each in found)


@pytest.mark.parametrize(
    ("grid", "kept"), [((5, 62), (4, 39)), ((5, 6), (4, 4)), ((1, 50), (1, 25)), ((5, 1), (4, 1)), ((1, 1), (1, 1))]
)
def test_about_half_of_the_patches_stay_in_whole_rows_and_columns(grid, kept):
    assert kept_shape(*grid, 0.5) == kept
    numbers = draw_kept(np.random.default_rng(0), *grid, 0.5)
    rows, columns = np.unique(numbers // grid[1]), np.unique(numbers % grid[1])
    assert (len(rows), len(columns)) == kept
    assert numbers.tolist() == [row * grid[1] + column for row in rows for column in columns]


def test_every_row_and_column_is_dropped_at_times_and_none_without_patchout():
    dropped = [set(range(35)) - set(each.kept.tolist()) for each in draws(EVERYTHING, 200)]
    assert set.union(*dropped) == set(range(35))
    assert draw(np.random.default_rng(0), FineTuningRecipe(), SIZE, PATCHES).kept.tolist() == list(range(35))


def test_draws_of_a_batch_are_those_of_its_clips():
    each = draws(EVERYTHING, 4)
    part = Draws.of(each).part(slice(2, 4))
    assert part.boxes.tolist() == [[*one.box[0], *one.box[1]] for one in each[2:]]
    assert part.kept.tolist() == [one.kept.tolist() for one in each[2:]]
