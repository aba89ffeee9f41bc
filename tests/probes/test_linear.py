import numpy as np
from sklearn.preprocessing import StandardScaler

from evar.probes import linear
from evar.probes.linear import Standardiser


def test_standardiser_agrees_with_scikit_learn() -> None:
    x = (5 + np.random.default_rng(0).normal(size=(linear.BLOCK_ROWS + 7, 9)) * np.logspace(-3, 3, 9)).astype(
        np.float32
    )
    expected = StandardScaler().fit_transform(x.astype(np.float64))
    np.testing.assert_allclose(Standardiser.of(x)(x), expected, rtol=1e-5, atol=1e-5)


def test_constant_column_becomes_zeros_on_every_row() -> None:
    x = np.full((7, 2), 0.1, dtype=np.float32)
    x[:, 1] = range(7)
    elsewhere = np.full((3, 2), 1e30, dtype=np.float32)
    assert (Standardiser.of(x)(elsewhere)[:, 0] == 0).all()


def test_standardising_a_far_offset_keeps_the_small_differences() -> None:
    x = (1e4 + np.arange(8)[:, None] / 64).astype(np.float32)
    np.testing.assert_allclose(Standardiser.of(x)(x).std(), 1.0, rtol=1e-6)
