"""Few shots: which clips are drawn, and which of them judge a setting."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evar.data.manifest import Round
from evar.probes import selection, shots
from evar.probes.contract import Chosen, Examples
from evar.probes.shots import FewShots
from tests.probes.recorder import Recorder, Remembered, quality_of_logits
from tests.probes.test_holdout import fixed, folds

quick = settings(deadline=None, max_examples=30, database=None)
Y = np.arange(50) % 3
GROUPS = np.array([f"g{row}" for row in range(50)])
X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
CLIPS = Examples(X, Y, GROUPS, 3)
GRID = {0.1: 0.5, 1.0: 0.6, 10.0: 0.4, 100.0: 0.3}


def drawn(rounds: list[Round], number: int, draw: int = 0, seed: int = 42) -> list[FewShots]:
    return shots.draw(CLIPS, rounds, number, draw, seed)


def run(probe: Recorder, rounds: list[FewShots]) -> list[Chosen]:
    chosen = selection.run(probe, CLIPS, rounds, quality_of_logits, 42)
    assert len(probe.problems) == selection.count(probe, rounds)
    return chosen


def final_rows(chosen: Chosen) -> list[list[int]]:
    return [fit.problem.train.tolist() for fit in chosen.fits if isinstance(fit, Remembered)]


@pytest.mark.parametrize("rounds", [fixed(True), fixed(False), folds(4)], ids=["valid", "none", "folds"])
@pytest.mark.parametrize("number", [1, 4])
def test_draw_takes_n_training_clips_of_each_class(rounds: list[Round], number: int) -> None:
    for few, whole in zip(drawn(rounds, number), rounds, strict=True):
        assert np.bincount(Y[few.train]).tolist() == [number] * 3
        assert set(few.train) <= set(whole.train)
        assert (np.diff(few.train) > 0).all()
        assert np.array_equal(few.test, whole.test)
        assert few.valid is whole.valid


def test_fewer_shots_of_a_draw_are_among_its_more_shots() -> None:
    for rounds in (fixed(True), folds(5)):
        for some, more in zip(drawn(rounds, 2), drawn(rounds, 5), strict=True):
            assert set(some.train) < set(more.train)


def test_draws_differ_and_hang_on_the_seed_and_their_number_alone() -> None:
    def rows(draw: int, seed: int) -> tuple[int, ...]:
        (few,) = drawn(fixed(True), 3, draw, seed)
        return tuple(few.train.tolist())

    assert rows(0, 42) == rows(0, 42)
    assert len({rows(draw, seed) for draw in range(3) for seed in (42, 43)}) == 6
    assert [few.name for few in drawn(folds(3), 1, draw=1)] == ["0 draw 2", "1 draw 2", "2 draw 2"]


def test_class_with_fewer_clips_gives_all_and_is_counted() -> None:
    y = np.where(np.arange(50) < 2, 2, np.arange(50) % 2)
    clips = replace(CLIPS, y=y)
    (few,) = shots.draw(clips, fixed(True), 4, 0, 42)
    assert np.bincount(y[few.train]).tolist() == [4, 4, 2]
    assert shots.short_classes(clips, fixed(True), 4) == (2,)
    assert shots.short_classes(replace(clips, classes=4), fixed(True), 2) == (3,)  # one without any
    assert shots.short_classes(clips, folds(4), 2) == (2,)  # in some folds one is left


def test_official_valid_split_judges_few_shots_and_takes_no_part() -> None:
    probe, (few,) = Recorder(GRID), drawn(fixed(True), 2)
    (chosen,) = run(probe, [few])
    assert (chosen.setting, few.parts) == (1.0, ())
    assert final_rows(chosen) == [few.train.tolist()]
    assert all(np.array_equal(problem.valid, np.arange(30, 40)) for problem in probe.problems)


@st.composite
def grouped(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Classes and groups of clips, and how many parts are wished for."""
    clips = draw(st.integers(1, 40))
    y = draw(st.lists(st.integers(0, 4), min_size=clips, max_size=clips))
    groups = draw(st.lists(st.integers(0, 12), min_size=clips, max_size=clips))
    return np.array(y), np.array([f"g{group}" for group in groups]), draw(st.integers(1, 5))


@given(grouped())
@quick
def test_parts_keep_groups_whole_and_spread_every_class(drawn: tuple[np.ndarray, np.ndarray, int]) -> None:
    y, groups, most = drawn
    train = np.arange(len(y))
    parts = shots.parted(train, y, groups, most)
    if parts:
        assert np.array_equal(np.sort(np.concatenate(parts)), train)
        assert all(not set(groups[one]) & set(groups[two]) for one in parts for two in parts if one is not two)
    single = shots.parted(train, y, train.astype(str), most)  # each clip its own group: nothing hinders the spread
    counts = np.array([np.bincount(y[part], minlength=5) for part in single])
    if single:
        assert (counts.max(axis=0) - counts.min(axis=0) <= 1).all()
    assert bool(single) == (most > 1 and np.bincount(y).max() > 1)


@pytest.mark.parametrize(("number", "parts"), [(2, 2), (4, 4), (9, 5)])
def test_parts_of_few_shots_are_held_out_in_turn_and_join_the_final_fit(number: int, parts: int) -> None:
    probe, (few,) = Recorder(GRID), drawn(fixed(False), number)
    (chosen,) = run(probe, [few])
    assert len(few.parts) == parts
    tried = [problem for problem in probe.problems if problem.setting == 0.1]
    assert [np.setdiff1d(few.train, problem.train).tolist() for problem in tried] == [p.tolist() for p in few.parts]
    assert all(not len(problem.valid) for problem in probe.problems)
    assert (chosen.setting, chosen.curve["1"]) == (1.0, pytest.approx(0.6))
    assert final_rows(chosen) == [few.train.tolist()]


@pytest.mark.parametrize("qualities", [None, GRID], ids=["no grid", "grid"])
def test_one_part_a_seed_stops_a_fit_early_and_stays_out_of_it(qualities: dict[float | None, float] | None) -> None:
    probe, (few,) = Recorder(qualities, "random", seeds=3), drawn(fixed(False), 2)
    (chosen,) = run(probe, [few])
    assert [fit.problem.valid.tolist() for fit in chosen.fits if isinstance(fit, Remembered)] == [
        few.parts[seed % 2].tolist() for seed in (42, 43, 44)
    ]
    assert final_rows(chosen) == [np.setdiff1d(few.train, few.parts[seed % 2]).tolist() for seed in (42, 43, 44)]
    assert chosen.setting == (1.0 if qualities else None)


@pytest.mark.parametrize("validation", ["folds", "random"])
@pytest.mark.parametrize("rounds", [fixed(False), folds(4)], ids=["split", "folds"])
def test_one_shot_takes_the_middle_setting_and_judges_nothing(validation: str, rounds: list[Round]) -> None:
    probe = Recorder(GRID, validation, seeds=2)
    for chosen, few in zip(run(probe, drawn(rounds, 1)), drawn(rounds, 1), strict=True):
        assert (chosen.setting, chosen.curve, chosen.at_edge) == (1.0, {}, False)
        assert final_rows(chosen) == [few.train.tolist()] * 2
    assert len(probe.problems) == 2 * len(rounds)


def test_shots_that_cannot_be_parted_are_chosen_for_apart() -> None:
    one, two = drawn(fixed(False), 1)[0], drawn(fixed(False), 2)[0]
    chosen = run(Recorder({0.1: 0.5, 1.0: 0.4, 10.0: 0.6}), [one, two, one])
    assert [each.setting for each in chosen] == [1.0, 10.0, 1.0]
    assert [bool(each.curve) for each in chosen] == [False, True, False]
