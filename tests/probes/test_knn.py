import numpy as np
import pytest

from evar.probes import knn, open_probe
from evar.probes.contract import NO_ROWS, Floats, Problem, Targets
from evar.probes.linear import Standardiser
from evar.testing.clouds import clouds, examples, labels

TRAIN = np.arange(90)


def fit(x: Floats, y: Targets, k: float, call: str = "knn") -> knn.Vote:
    found = open_probe(call).fit(examples(x, y), [Problem(TRAIN, NO_ROWS, k, 0)], lambda *_: 0.0)[0]
    assert isinstance(found, knn.Vote)
    return found


def by_hand(x: Floats, y: Targets, k: int, *, standardised: bool = True) -> np.ndarray:
    temperature, classes, z = 0.07, 3, x.astype(float)
    if standardised:
        z = ((x - x[TRAIN].mean(0, dtype=float)) / x[TRAIN].std(0, dtype=float)).astype(float)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    hot = y.astype(float) if y.ndim == 2 else np.eye(classes)[y]
    logits = []
    for similarities in z @ z[TRAIN].T:
        near = np.argsort(-similarities)[:k]
        weights = np.exp(similarities[near] / temperature)
        logits.append(weights @ hot[TRAIN][near] / weights.sum())
    return np.array(logits)


@pytest.mark.parametrize("k", [1, 5, 50])
@pytest.mark.parametrize("make", [clouds, labels], ids=["single-label", "multi-label"])
def test_logits_are_shares_of_weighted_votes(make: type, k: int) -> None:
    x, y = make(120, 12, 3)
    np.testing.assert_allclose(fit(x, y, float(k)).logits(x), by_hand(x, y, k), atol=1e-5)
    as_they_are, dino = fit(x + 1, y, float(k), "knn(standardise=False)"), by_hand(x + 1, y, k, standardised=False)
    np.testing.assert_allclose(as_they_are.logits(x + 1), dino, atol=1e-5)


def test_high_temperature_makes_all_votes_equal() -> None:
    x, y = labels(120, 12, 3)
    logits = fit(x, y, 5.0, "knn(temperature=1000.0)").logits(x)
    np.testing.assert_allclose(logits, np.round(logits * 5) / 5, atol=1e-3)


def test_published_k_and_the_most_neighbours_first() -> None:
    assert open_probe("knn").options == {"k": [1, 3, 5, 10, 20, 50], "temperature": 0.07, "standardise": True}
    assert open_probe("knn").grid == (50.0, 20.0, 10.0, 5.0, 3.0, 1.0)


def test_edge_is_the_largest_k_or_the_smallest_above_one() -> None:
    assert [k for k in open_probe("knn").grid if open_probe("knn").at_edge(k)] == [50.0]
    probe = open_probe("knn(k=[3, 5, 10])")
    assert [k for k in probe.grid if probe.at_edge(k)] == [10.0, 3.0]
    assert not open_probe("knn(k=[5])").at_edge(5.0)


def test_more_neighbours_than_training_clips_are_all_of_them() -> None:
    x, y = clouds(120, 12, 3)
    call = "knn(k=[90, 91, 1000])"
    assert np.array_equal(fit(x, y, 1000.0, call).logits(x), fit(x, y, 90.0, call).logits(x))


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = clouds(120, 12, 3)
    expected = fit(x, y, 50.0).index.nearest(x)
    monkeypatch.setattr(knn, "TRAIN_ROWS", 13)
    monkeypatch.setattr(knn, "CLIPS", 7)
    similarities, places = fit(x, y, 50.0).index.nearest(x)
    np.testing.assert_allclose(similarities, expected[0], atol=1e-6)
    assert np.array_equal(places, expected[1])


def test_clip_alone_has_the_neighbours_that_it_has_among_others() -> None:
    x, y = clouds(120, 12, 3)
    index = fit(x, y, 5.0).index
    similarities, places = index.nearest(x)
    for row in (0, 95, 119):
        alone = index.nearest(x[row : row + 1])
        assert np.array_equal(alone[0][0], similarities[row])
        assert np.array_equal(alone[1][0], places[row])


def test_fits_of_one_training_set_search_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = clouds(120, 12, 3)
    made = []
    monkeypatch.setattr(Standardiser, "of", lambda x, rows, of=Standardiser.of: made.append(len(rows)) or of(x, rows))
    searched = []
    monkeypatch.setattr(knn.Index, "_search", lambda self, x, do=knn.Index._search: searched.append(x) or do(self, x))
    probe = open_probe("knn")
    problems = [Problem(train, NO_ROWS, k, 0) for k in probe.grid for train in (TRAIN, TRAIN[10:])]
    for each in probe.fit(examples(x, y), problems, lambda *_: 0.0):
        each.logits(x[90:])
    assert sorted(made) == [80, 90]
    assert len(searched) == 2


def test_embedding_without_length_is_near_to_none() -> None:
    x = np.zeros((120, 4), dtype=np.float32)
    y = np.arange(120) % 3
    similarities, _ = fit(x, y, 5.0).index.nearest(x)
    assert (similarities == 0).all()
