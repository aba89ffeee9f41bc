import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evar.base.errors import DataError
from evar.data.manifest import Round
from evar.probes import holdout
from evar.probes.contract import Examples, Probe, Targets
from tests.probes.recorder import Recorder

quick = settings(deadline=None, max_examples=30, database=None)


@st.composite
def grouped_rows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Training rows, a part of all rows, and the groups of all rows: at least two among the training rows."""
    members = draw(st.lists(st.integers(0, 8), min_size=2, max_size=120).filter(lambda all_: len(set(all_)) > 1))
    apart = draw(st.integers(0, 5))
    groups = np.array(["x"] * apart + [f"g{member}" for member in members])
    return np.arange(apart, apart + len(members)), groups


def labels(groups: np.ndarray) -> np.ndarray:
    """(clip,) targets, which a single-label task's tenth does not look at."""
    return np.zeros(len(groups), np.int64)


def clips(y: Targets, groups: np.ndarray) -> Examples:
    """Clips whose embeddings nobody reads."""
    return Examples(np.empty((len(y), 0), np.float32), y, groups, 1)


def folds(count: int, clips: int = 40) -> list[Round]:
    fold = np.arange(clips) % count
    return [Round(str(k), np.flatnonzero(fold != k), None, np.flatnonzero(fold == k)) for k in range(count)]


def fixed(valid: bool) -> list[Round]:
    return [Round("test", np.arange(30), np.arange(30, 40) if valid else None, np.arange(40, 50))]


@given(grouped_rows(), st.integers(0, 5))
@quick
def test_grouped_tenth_never_parts_a_group_and_leaves_one_on_each_side(
    drawn: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    train, groups = drawn
    kept, held = holdout.grouped_tenth(train, labels(groups), groups, seed)
    assert np.array_equal(np.sort(np.concatenate([kept, held])), train)
    assert not set(groups[kept]) & set(groups[held])
    assert len(kept)
    assert len(held)


@given(grouped_rows(), st.integers(0, 5))
@quick
def test_grouped_tenth_takes_what_fits_of_the_groups_in_random_order(
    drawn: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    train, groups = drawn
    sizes = dict(zip(*np.unique(groups[train], return_counts=True), strict=True))
    names, room, taken = sorted(sizes), max(1, round(len(train) / 10)), set()
    for number in np.random.default_rng(seed).permutation(len(names)):
        if sizes[names[number]] <= room and len(taken) < len(names) - 1:
            taken.add(names[number])
            room -= sizes[names[number]]
    taken = taken or {min(names, key=lambda name: sizes[name])}
    _, held = holdout.grouped_tenth(train, labels(groups), groups, seed)
    assert set(groups[held]) == taken


def test_random_tenth_is_the_beginning_of_a_permutation() -> None:
    train = np.arange(5, 105)
    kept, held = holdout.random_tenth(train, labels(np.arange(105)), 3)
    shuffled = np.random.default_rng(3).permutation(train)
    assert (sorted(shuffled[:10]), sorted(shuffled[10:])) == (held.tolist(), kept.tolist())


@given(grouped_rows(), st.integers(0, 5))
@quick
def test_grouped_tenth_is_no_larger_than_a_tenth_or_the_smallest_group(
    drawn: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    train, groups = drawn
    _, held = holdout.grouped_tenth(train, labels(groups), groups, seed)
    smallest = np.unique(groups[train], return_counts=True)[1].min()
    assert len(held) <= max(smallest, round(len(train) / 10))


def test_grouped_tenth_of_small_groups_is_a_tenth() -> None:
    groups = np.repeat([f"g{k}" for k in range(50)], 2)
    assert len(holdout.grouped_tenth(np.arange(100), labels(groups), groups, 0)[1]) == 10


def test_grouped_tenth_hangs_on_its_seed() -> None:
    groups = np.array([f"g{k}" for k in range(100)])
    y = labels(groups)
    first, again, other = (holdout.grouped_tenth(np.arange(100), y, groups, seed)[1].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_one_group_is_too_few_to_hold_out_from() -> None:
    with pytest.raises(DataError, match="of 1 group, at least 2"):
        holdout.grouped_tenth(np.arange(10), np.zeros(10, np.int64), np.array(["only"] * 10), 0)


@given(st.integers(2, 200), st.integers(0, 5))
@quick
def test_random_tenth_splits_training_clips_nine_to_one(clips: int, seed: int) -> None:
    train = np.arange(100, 100 + clips)
    kept, held = holdout.random_tenth(train, np.zeros(300, np.int64), seed)
    assert len(held) == max(1, round(clips / 10))
    assert np.array_equal(np.sort(np.concatenate([kept, held])), train)


def test_one_clip_is_too_few_for_a_random_tenth() -> None:
    with pytest.raises(DataError, match="1 training clips are too few"):
        holdout.random_tenth(np.array([5]), np.zeros(6, np.int64), 0)


@pytest.mark.parametrize(
    ("validation", "rounds", "expected"),
    [
        ("folds", fixed(valid=True), "official"),
        ("random", fixed(valid=True), "official"),
        ("folds", fixed(valid=False), "tenth"),
        ("random", fixed(valid=False), "random"),
        ("folds", folds(4), "folds"),
        ("folds", folds(2), "tenth"),
        ("random", folds(4), "random"),
        ("grouped", fixed(valid=True), "official"),
        ("grouped", fixed(valid=False), "grouped"),
        ("grouped", folds(4), "grouped"),
    ],
)
def test_validation_rows_come_from_the_official_split_where_there_is_one(
    validation: str, rounds: list[Round], expected: str
) -> None:
    assert holdout.scheme(Recorder(validation=validation), rounds) == expected


def every_way() -> list[tuple[Probe, list[Round]]]:
    each = (Recorder(), Recorder(validation="random", seeds=3), Recorder(validation="grouped", seeds=3))
    return [(probe, rounds) for probe in each for rounds in (fixed(True), fixed(False), folds(2), folds(4))]


@pytest.mark.parametrize(("probe", "rounds"), every_way())
def test_test_rows_take_no_part_in_their_own_round(probe: Probe, rounds: list[Round]) -> None:
    groups = np.array([f"g{row // 2}" for row in range(50)])
    for trial in holdout.trials(probe, clips(labels(groups), groups), rounds, range(42, 42 + probe.seeds)):
        for number, valid in trial.judged:
            seen = {*trial.train, *trial.stop_on, *valid}
            assert not seen & set(rounds[number].test)
            assert not set(trial.train) & set(valid)


@pytest.mark.parametrize("count", [3, 4, 10])
def test_one_fit_without_a_pair_of_folds_serves_both_orders(count: int) -> None:
    rounds = folds(count)
    trials = holdout.trials(Recorder(), clips(np.zeros(40, np.int64), np.array(["g"] * 40)), rounds, [42])
    assert len(trials) == count * (count - 1) // 2
    served = {(number, valid.tobytes()) for trial in trials for number, valid in trial.judged}
    assert served == {(i, rounds[j].test.tobytes()) for i in range(count) for j in range(count) if i != j}
    for trial in trials:
        (i, fold_j), (j, fold_i) = trial.judged
        assert np.array_equal(fold_j, rounds[j].test)
        assert np.array_equal(fold_i, rounds[i].test)
        assert np.array_equal(trial.train, np.setdiff1d(np.arange(40), np.concatenate([fold_i, fold_j])))


def test_grouped_tenths_are_whole_groups_drawn_anew_for_each_seed() -> None:
    groups = np.array([f"g{row // 2}" for row in range(50)])
    probe = Recorder(validation="grouped", seeds=3)
    trials = holdout.trials(probe, clips(labels(groups), groups), fixed(False), [42, 43, 44])
    assert [trial.seed for trial in trials] == [42, 43, 44]
    assert len({trial.stop_on.tobytes() for trial in trials}) == 3
    for trial in trials:
        assert np.array_equal(trial.judged[0][1], trial.stop_on)
        assert not set(groups[trial.train]) & set(groups[trial.stop_on])


def test_rounds_that_are_no_folds_are_refused() -> None:
    rounds = [Round(str(k), np.arange(k, 10), None, np.array([20 + k])) for k in range(3)]
    with pytest.raises(ValueError, match="are no folds"):
        holdout.trials(Recorder(), clips(np.zeros(30, np.int64), np.array(["g"] * 30)), rounds, [42])


def test_random_tenths_are_drawn_anew_for_each_seed() -> None:
    y, groups, probe = np.zeros(50, np.int64), np.array(["g"] * 50), Recorder(validation="random", seeds=3)
    trials = holdout.trials(probe, clips(y, groups), fixed(False), [42, 43, 44])
    assert [trial.seed for trial in trials] == [42, 43, 44]
    assert len({trial.stop_on.tobytes() for trial in trials}) == 3


@pytest.mark.parametrize(("validation", "seeds"), [("folds", 1), ("random", 3), ("grouped", 3)])
def test_every_tenth_of_a_multi_label_task_is_stratified(validation: str, seeds: int) -> None:
    rounds = [Round("test", np.arange(400), None, np.arange(400, 500))]
    y = np.random.default_rng(0).random((500, 4)) < [0.5, 0.2, 0.1, 0.05]
    groups = np.arange(500).astype(np.str_)
    trials = holdout.trials(Recorder(validation=validation, seeds=seeds), clips(y, groups), rounds, range(seeds))
    assert len(trials) == seeds
    for trial in trials:
        ((_, valid),) = trial.judged
        assert np.abs(y[valid].sum(axis=0) - y[:400].sum(axis=0) / 10).max() <= 1
