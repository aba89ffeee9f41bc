"""Nearest clips on other sides: those of the whole table of products, without ever having it."""

import numpy as np
import pytest

from evar.scoring import neighbours
from evar.scoring.neighbours import NEAREST, blocks, nearest


def clips(count: int, sides: int) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(count)
    embeddings = draws.standard_normal((count, 8)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings, np.sort(draws.integers(sides, size=count))


@pytest.mark.parametrize("asking", [[0, 1, 2], [2]])
def test_nearest_are_those_of_all_products_across_sides(monkeypatch, asking):
    monkeypatch.setattr(neighbours, "QUERIES", 7)
    monkeypatch.setattr(neighbours, "OTHERS", 11)
    embeddings, sides = clips(100, 3)
    products = embeddings @ embeddings.T
    products[sides[:, None] == sides] = -np.inf
    asked = []
    for block in blocks(sides, asking):
        cosines, places = nearest(embeddings, block)
        for clip, found, where in zip(range(100)[block.queries], cosines, places, strict=True):
            assert np.sort(found) == pytest.approx(np.sort(products[clip])[-NEAREST:], abs=1e-6)
            assert products[clip, where] == pytest.approx(found, abs=1e-6)
            asked.append(clip)
    assert asked == np.flatnonzero(np.isin(sides, asking)).tolist()


def test_no_product_is_larger_than_a_block(monkeypatch):
    monkeypatch.setattr(neighbours, "QUERIES", 7)
    monkeypatch.setattr(neighbours, "OTHERS", 11)
    _, sides = clips(100, 3)
    for block in blocks(sides, [0, 1, 2]):
        assert block.queries.stop - block.queries.start <= 7
        assert all(others.stop - others.start <= 11 for others in block.others)


def test_fewer_others_than_asked_for_leave_places_empty():
    embeddings, _ = clips(5, 1)
    (block,) = blocks(np.array([0, 0, 0, 1, 1]), [1])
    cosines, places = nearest(embeddings, block)
    assert np.sort(places).tolist() == [[-1, 0, 1, 2]] * 2
    assert np.isneginf(cosines[places == -1]).all()


def test_clips_of_one_side_ask_nobody():
    assert blocks(np.zeros(10, np.int64), [0]) == []
