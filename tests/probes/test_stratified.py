import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from evar.probes.stratified import stratified_tenth

quick = settings(deadline=None, max_examples=60, database=None)


@st.composite
def tagged_rows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training rows behind some others, (clip, class) targets with rare classes, groups: at least two in training."""
    clips, classes, apart = draw(st.integers(2, 60)), draw(st.integers(1, 8)), draw(st.integers(0, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    y = rng.random((apart + clips, classes)) < rng.random(classes) ** 2
    groups = rng.integers(0, draw(st.sampled_from([2, 10, 1000])), apart + clips).astype(np.str_)
    groups[apart : apart + 2] = ["x", "y"]
    return np.arange(apart, apart + clips), y, groups


def test_unknown_labels_are_dealt_out_as_if_they_were_not_there() -> None:
    draws = np.random.default_rng(0)
    y = draws.random((60, 4)) < 0.3
    partly = np.where(y, 1, -(draws.random(y.shape) < 0.5).astype(np.int8)).astype(np.int8)
    expected, found = (stratified_tenth(np.arange(60), each, np.arange(60), 0) for each in (y, partly))
    assert [each.tolist() for each in found] == [each.tolist() for each in expected]


@given(tagged_rows(), st.integers(0, 5))
@quick
def test_class_with_two_or_more_groups_keeps_one_to_learn_from(
    drawn: tuple[np.ndarray, np.ndarray, np.ndarray], seed: int
) -> None:
    train, y, groups = drawn
    kept, _ = stratified_tenth(train, y, groups, seed)
    for column in y.T:
        if len(set(groups[train[column[train]]])) > 1:
            assert column[kept].any()


@given(tagged_rows(), st.integers(0, 5))
@quick
def test_stratified_tenth_parts_no_group_and_leaves_one_on_each_side(
    drawn: tuple[np.ndarray, np.ndarray, np.ndarray], seed: int
) -> None:
    train, y, groups = drawn
    kept, held = stratified_tenth(train, y, groups, seed)
    assert np.array_equal(np.sort(np.concatenate([kept, held])), train)
    assert not set(groups[kept]) & set(groups[held])
    assert len(kept)
    assert len(held)
    assert np.array_equal(kept, np.sort(kept))
    assert np.array_equal(held, np.sort(held))


def long_tailed(clips: int = 5000, classes: int = 60) -> np.ndarray:
    """(clip, class) bool as in AudioSet's balanced list: every class has some clips, a few have very many."""
    rng = np.random.default_rng(0)
    y = rng.random((clips, classes)) < rng.permutation(np.geomspace(0.004, 0.25, classes))
    y[rng.integers(0, clips, 100)] = False
    return y


def test_stratified_tenth_holds_out_a_tenth_of_every_class() -> None:
    y = long_tailed()
    clips = y.sum(axis=0)
    kept, held = stratified_tenth(np.arange(len(y)), y, np.arange(len(y)), 42)
    assert abs(len(held) - len(y) / 10) < 0.02 * len(y)
    assert clips.min() >= 5
    off = np.abs(y[held].sum(axis=0) - clips / 10)
    random = np.random.default_rng(42).permutation(len(y))[: len(held)]
    assert off.max() <= np.maximum(2, 0.02 * clips).max()
    assert off.mean() < 0.3 * np.abs(y[random].sum(axis=0) - clips / 10).mean()
    assert y[kept].any(axis=0).all()


def test_rows_without_a_label_are_shared_out_nine_to_one() -> None:
    y = np.zeros((100, 3), dtype=np.bool_)
    assert len(stratified_tenth(np.arange(100), y, np.arange(100), 0)[1]) == 10


def test_stratified_tenth_hangs_on_its_seed_and_on_nothing_else() -> None:
    y = long_tailed(500, 20)
    first, again, other = (stratified_tenth(np.arange(500), y, np.arange(500), s)[1].tolist() for s in (1, 1, 2))
    assert first == again != other


def test_rows_outside_train_are_never_read() -> None:
    y, train = long_tailed(500, 20), np.arange(400)
    changed = y.copy()
    changed[400:] = ~changed[400:]
    for one, other in zip(*(stratified_tenth(train, each, np.arange(500), 3) for each in (y, changed)), strict=True):
        assert np.array_equal(one, other)


def test_two_clips_of_one_class_are_one_on_each_side() -> None:
    kept, held = stratified_tenth(np.array([4, 7]), np.ones((8, 1), dtype=np.bool_), np.arange(8), 0)
    assert len(kept) == len(held) == 1
