import numpy as np
from sklearn.preprocessing import StandardScaler

from evar.probes import linear
from evar.probes.linear import Standardiser
from evar.testing.clouds import clouds


def test_standardiser_agrees_with_scikit_learn() -> None:
    x = (5 + np.random.default_rng(0).normal(size=(linear.BLOCK_ROWS + 7, 9)) * np.logspace(-3, 3, 9)).astype(
        np.float32
    )
    expected = StandardScaler().fit_transform(x.astype(np.float64))
    np.testing.assert_allclose(Standardiser.of(x)(x), expected, rtol=1e-5, atol=1e-5)


def test_standardiser_of_rows_is_to_the_bit_that_of_a_copy_of_them() -> None:
    x = np.random.default_rng(0).normal(size=(3 * linear.BLOCK_ROWS, 5)).astype(np.float32)
    rows = np.arange(7, 3 * linear.BLOCK_ROWS, 2)
    found, expected = Standardiser.of(x, rows), Standardiser.of(x[rows])
    assert np.array_equal(found.mean, expected.mean)
    assert np.array_equal(found.scale, expected.scale)


def test_units_have_length_one_and_the_mean_none() -> None:
    x, _ = clouds(50, 8, 3)
    standardise = Standardiser.of(x)
    np.testing.assert_allclose(np.linalg.norm(standardise.units(x), axis=1), 1, rtol=1e-5)
    assert (Standardiser(standardise.mean, 0 * standardise.scale).units(x) == 0).all()


def test_constant_column_becomes_zeros_on_every_row() -> None:
    x = np.full((7, 2), 0.1, dtype=np.float32)
    x[:, 1] = range(7)
    elsewhere = np.full((3, 2), 1e30, dtype=np.float32)
    assert (Standardiser.of(x)(elsewhere)[:, 0] == 0).all()


def test_standardising_a_far_offset_keeps_the_small_differences() -> None:
    x = (1e4 + np.arange(8)[:, None] / 64).astype(np.float32)
    np.testing.assert_allclose(Standardiser.of(x)(x).std(), 1.0, rtol=1e-6)
