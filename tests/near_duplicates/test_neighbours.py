"""The nearest clips on other sides: found without comparing all with all, whatever the clips are."""

import numpy as np
import pytest

from evar.near_duplicates.neighbours import LEAF, NEAREST, _leaves, nearest


def directions(count: int, seed: int = 0) -> np.ndarray:
    embeddings = np.random.default_rng(seed).standard_normal((count, 64)).astype(np.float32)
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def near(embeddings: np.ndarray, cosine: float, seed: int = 1) -> np.ndarray:
    """Others of nearly this cosine with `embeddings`."""
    return cosine * embeddings + np.sqrt(1 - cosine**2) * directions(len(embeddings), seed)


def test_copies_among_many_are_found_with_their_cosines():
    clips = directions(5000)
    copies = near(clips[:200], 0.9)
    embeddings = np.concatenate([clips, copies / np.linalg.norm(copies, axis=1, keepdims=True)])
    sides = np.arange(len(embeddings)) % 10
    sides[5000:] = (sides[:200] + 1) % 10
    pairs, cosines = nearest(embeddings, sides, range(10), 2)
    found = dict(zip(map(tuple, pairs.tolist()), cosines.tolist(), strict=True))
    for place in range(200):
        assert found[place, 5000 + place] == pytest.approx(embeddings[place] @ embeddings[5000 + place], abs=2e-6)


def test_of_few_clips_the_nearest_are_those_of_all_pairs():
    embeddings, sides = directions(LEAF), np.arange(LEAF) % 3
    cosines = np.where(sides[:, None] == sides, -2, embeddings @ embeddings.T)
    expected = {
        (min(place, other), max(place, other))
        for place in np.flatnonzero(sides == 1).tolist()
        for other in np.argsort(-cosines[place])[:NEAREST].tolist()
    }
    pairs, _ = nearest(embeddings, sides, [1], 1)
    assert [tuple(pair) for pair in pairs.tolist()] == sorted(expected)


def test_pairs_are_of_two_sides_and_one_of_them_asks():
    sides = np.random.default_rng(2).integers(0, 4, 1000)
    pairs, _ = nearest(directions(1000), sides, [2], 2)
    assert len(pairs) == NEAREST * np.count_nonzero(sides == 2)
    assert (np.count_nonzero(sides[pairs] == 2, axis=1) == 1).all()


@pytest.mark.parametrize("count", [1, LEAF, LEAF + 1, 1000])
@pytest.mark.parametrize("alike", [True, False])
def test_no_leaf_grows_with_the_clips_however_alike_they_are(count, alike):
    clips = np.repeat(directions(1), count, axis=0) if alike else directions(count)
    leaves = _leaves(clips.T, np.random.default_rng(0))
    assert leaves.shape[1] <= LEAF
    assert leaves.size < 1.1 * count + LEAF
    assert set(leaves.ravel().tolist()) == set(range(count))


def test_of_many_clips_all_alike_each_has_neighbours():
    clips = np.repeat(directions(1), 2000, axis=0)
    sides = np.arange(2000) % 2
    pairs, cosines = nearest(clips, sides, [1], 2)
    assert set(pairs.ravel().tolist()) >= set(range(1, 2000, 2))
    assert len(pairs) <= NEAREST * 1000
    assert cosines == pytest.approx(1, abs=1e-5)
