import numpy as np

from evar.base.threads import pieces
from evar.probes.cosine import units
from evar.probes.linear import Standardiser
from tests.probes.clouds import clouds


def test_units_have_length_one_and_the_mean_none() -> None:
    x, _ = clouds(50, 8, 3)
    standardise = Standardiser.of(x)
    np.testing.assert_allclose(np.linalg.norm(units(x, standardise), axis=1), 1, rtol=1e-5)
    flat = Standardiser(standardise.mean, 0 * standardise.scale)
    assert (units(x, flat) == 0).all()


def test_spans_cover_every_row_once() -> None:
    assert [list(range(each.start, each.stop)) for each in pieces(7, 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(pieces(0, 3)) == []
