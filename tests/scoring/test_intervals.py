import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evar.probes.predictions import Predictions
from evar.scoring import bootstrap
from evar.scoring.intervals import interval, score_predictions
from evar.scoring.metrics import metric, prepare

quick = settings(deadline=None, max_examples=20, database=None)


def of_correctness(
    correct: np.ndarray, groups: np.ndarray | None = None, folds: np.ndarray | None = None
) -> Predictions:
    """Two-class predictions that are right where `correct` (clip,) or (seed, clip) says so; each clip its own group."""
    correct = np.atleast_2d(np.asarray(correct, dtype=bool))
    clips = correct.shape[1]
    groups = np.arange(clips).astype(str) if groups is None else np.asarray(groups, dtype=str)
    folds = np.full(clips, "test") if folds is None else np.asarray(folds, dtype=str)
    logits = np.stack([correct, ~correct], axis=2).astype(np.float32)
    return Predictions(logits, np.zeros(clips, dtype=np.int64), np.arange(clips), groups, folds)


def multi_label(clips: int, seed: int = 0, classes: int = 5) -> Predictions:
    draws = np.random.default_rng(seed)
    targets = draws.random((clips, classes)) < 0.15
    logits = (targets + draws.normal(size=(1, clips, classes))).astype(np.float32)
    rows = np.arange(clips)
    return Predictions(logits, targets, rows, rows.astype(str), np.full(clips, "test"))


def test_accuracy_interval_is_that_of_a_share() -> None:
    found = score_predictions(of_correctness(np.arange(400) < 300), "accuracy", 0)
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert found.value == 0.75
    assert [found.low, found.high] == pytest.approx([0.75 - half, 0.75 + half], abs=0.006)
    assert (found.n, found.groups, found.parts, found.seeds) == (400, 400, {"test": 0.75}, (0.75,))


def test_clips_of_one_group_widen_the_interval() -> None:
    correct = np.repeat(np.arange(40) % 4 > 0, 10)
    alone = score_predictions(of_correctness(correct), "accuracy", 0)
    grouped = score_predictions(of_correctness(correct, groups=np.repeat(np.arange(40), 10)), "accuracy", 0)
    assert grouped.value == alone.value
    assert grouped.high - grouped.low > 2.5 * (alone.high - alone.low)


def test_score_of_folds_is_their_unweighted_mean() -> None:
    correct, folds = np.arange(40) < 30, np.repeat(["1", "2"], [30, 10])
    found = score_predictions(of_correctness(correct, folds=folds), "accuracy", 0)
    assert found.value == 0.5
    assert found.parts == {"1": 1.0, "2": 0.0}


def test_groups_are_drawn_within_folds() -> None:
    correct, folds = np.arange(40) < 30, np.repeat(["1", "2"], [30, 10])
    found = score_predictions(of_correctness(correct, folds=folds), "accuracy", 0)
    assert (found.low, found.high) == (0.5, 0.5)


def test_group_that_straddles_folds_is_drawn_in_each_on_its_own() -> None:
    correct, folds = np.arange(60) % 4 < 2, np.tile(["1", "2"], 30)
    straddling, within = 10 + np.arange(60) // 2, 10 + np.arange(60)
    found = score_predictions(of_correctness(correct, straddling, folds), "accuracy", 0)
    apart = score_predictions(of_correctness(correct, within, folds), "accuracy", 0)
    assert found.groups == 60
    assert (found.low, found.high) == (apart.low, apart.high)


def test_folds_are_listed_in_natural_order() -> None:
    folds = np.repeat(["fold10", "fold1", "fold2"], 3)
    assert list(score_predictions(of_correctness(np.ones(9), folds=folds), "accuracy", 0).parts) == [
        "fold1",
        "fold2",
        "fold10",
    ]


def test_seeds_are_averaged_per_clip_before_resampling() -> None:
    """Two seeds that err on opposite clips leave no spread at all."""
    first = np.arange(40) % 2 == 0
    found = score_predictions(of_correctness(np.stack([first, ~first])), "accuracy", 0)
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)
    assert found.seeds == (0.5, 0.5)


def test_map_of_seeds_is_the_mean_of_theirs() -> None:
    one, other = multi_label(100, 1), multi_label(100, 2)
    logits = np.concatenate([one.logits, other.logits])
    both = Predictions(logits, one.targets, one.rows, one.groups, one.folds)
    found = score_predictions(both, "mAP", 0, resamples=50)
    each = [metric("mAP")(seed, one.targets) for seed in logits]
    assert found.seeds == pytest.approx(each)
    assert found.value == pytest.approx(np.mean(each))


def test_map_interval_is_centred_on_the_score_where_the_plain_range_is_not() -> None:
    predictions = multi_label(100, classes=20)
    found = score_predictions(predictions, "mAP", 0)
    weights = np.random.default_rng(0).multinomial(100, [0.01] * 100, size=500).T.astype(float)
    plain = prepare("mAP", predictions.logits[0], predictions.targets)(weights)
    assert plain.mean() > found.value + 0.01
    assert found.value - found.low == pytest.approx(found.high - found.value, rel=0.3)


def test_perfect_score_stays_within_bounds() -> None:
    found = score_predictions(of_correctness(np.ones(50)), "accuracy", 0)
    assert (found.low, found.value, found.high) == (1.0, 1.0, 1.0)


def test_interval_is_clipped_to_shares() -> None:
    assert interval(0.99, np.linspace(0.9, 1.0, 100))[1] == 1.0
    assert interval(0.01, np.linspace(0.0, 0.1, 100))[0] == 0.0


def test_interval_ignores_resamples_without_anything_to_score() -> None:
    assert interval(0.5, np.array([np.nan, 0.5, 0.5])) == (0.5, 0.5)
    assert interval(0.5, np.array([np.nan])) == (0.0, 1.0)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 10), st.integers(0, 3))
@quick
def test_interval_holds_the_score_and_lies_within_bounds(correct: list[bool], groups: int, seed: int) -> None:
    found = score_predictions(of_correctness(correct, np.arange(len(correct)) % groups), "accuracy", seed, 200)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_same_seed_gives_the_same_interval() -> None:
    found = [score_predictions(of_correctness(np.arange(60) % 3 > 0), "accuracy", seed) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_size_of_blocks_changes_no_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for size in (128, 7):
        monkeypatch.setattr(bootstrap, "BLOCK", size)
        found.append(score_predictions(multi_label(61), "mAP", 0, resamples=100))
    assert found[0] == found[1]


@pytest.mark.parametrize(("groups", "few"), [(29, True), (30, False)])
def test_fewer_than_30_groups_are_flagged(groups: int, few: bool) -> None:
    assert score_predictions(of_correctness(np.ones(60), np.arange(60) % groups), "accuracy", 0).few_groups is few


def test_classes_left_out_of_map_are_counted() -> None:
    predictions = multi_label(60)
    predictions.targets[:, [1, 3]] = False
    assert score_predictions(predictions, "mAP", 0, resamples=20).left_out == 2


def test_nominal_95_percent_cover_the_truth() -> None:
    """60 groups of 5 clips that share their group's difficulty; expected accuracy 0.7."""
    draws, covered, runs = np.random.default_rng(5), 0, 300
    for run in range(runs):
        correct = draws.random(300) < np.repeat(draws.beta(7, 3, 60), 5)
        found = score_predictions(of_correctness(correct, np.repeat(np.arange(60), 5)), "accuracy", run, 400)
        covered += found.low <= 0.7 <= found.high
    assert 0.915 <= covered / runs <= 0.98
