import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import coverage
from evar.probes.predictions import Predictions
from evar.scoring import bootstrap
from evar.scoring.intervals import score_predictions, share_interval, standard_error, student
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


def proportion_interval(share: float, clips: int, quantile: float = 1.959964) -> tuple[float, float]:
    """Wilson's interval, from its equation: the roots of (share - p)^2 = quantile^2 p (1 - p) / clips."""
    ratio = quantile**2 / clips
    low, high = sorted(np.roots([1 + ratio, -2 * share - ratio, share**2]).real)
    return low, high


def test_accuracy_interval_is_that_of_a_share() -> None:
    found = score_predictions(of_correctness(np.arange(400) < 300), "accuracy", 0)
    assert found.value == 0.75
    assert [found.low, found.high] == pytest.approx(proportion_interval(0.75, 400), abs=0.004)
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
    """A fold without a mistake adds no spread, and each keeps its half of the score."""
    correct, folds = np.arange(40) >= 15, np.repeat(["1", "2"], [30, 10])
    found = score_predictions(of_correctness(correct, folds=folds), "accuracy", 0)
    error = 0.5 * (0.25 / 30) ** 0.5 * (40 / 38) ** 0.5
    expected = share_interval(0.75, error, student(40, 2), 40)
    assert (found.low, found.high) == pytest.approx(expected, abs=0.005)


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
    """Two seeds that err on opposite clips of one half: every clip there counts as half right."""
    err = np.arange(40) < 20
    first = np.where(err, np.arange(40) % 2 == 0, True)
    found = score_predictions(of_correctness(np.stack([first, first ^ err])), "accuracy", 0)
    error = np.where(err, 0.5, 1.0).std(ddof=1) / 40**0.5
    assert (found.value, found.seeds) == (0.75, (0.75, 0.75))
    assert (found.low, found.high) == pytest.approx(share_interval(0.75, error, student(40, 1), 40), abs=0.005)


def test_map_of_seeds_is_the_mean_of_theirs() -> None:
    one, other = multi_label(100, 1), multi_label(100, 2)
    logits = np.concatenate([one.logits, other.logits])
    both = Predictions(logits, one.targets, one.rows, one.groups, one.folds)
    found = score_predictions(both, "mAP", 0, resamples=50)
    each = [metric("mAP")(seed, one.targets) for seed in logits]
    assert found.seeds == pytest.approx(each)
    assert found.value == pytest.approx(np.mean(each))


def test_map_interval_holds_the_score_where_percentiles_of_resamples_do_not() -> None:
    predictions = multi_label(100, classes=300)
    found = score_predictions(predictions, "mAP", 0)
    weights = np.random.default_rng(0).multinomial(100, [0.01] * 100, size=500).T.astype(float)
    plain = prepare("mAP", predictions.logits[0], predictions.targets)(weights)
    assert np.quantile(plain, 0.025) > found.value
    assert found.low < found.value < found.high


def test_interval_is_wilsons_for_as_many_clips_as_the_error_tells_of() -> None:
    """For n independent clips the standard error is sqrt(v (1 - v) / n)."""
    error, (low, high) = (0.9 * 0.1 / 50) ** 0.5, proportion_interval(0.9, 50)
    assert share_interval(0.9, error, 1.959964, 50) == pytest.approx((low, high), abs=1e-6)


def test_standard_error_is_that_of_a_mean_of_groups() -> None:
    """Without a bias for few groups: the variance of their mean is theirs, with n - 1, by their number."""
    of_group = np.random.default_rng(0).random(12)
    resampled = np.random.default_rng(1).multinomial(12, [1 / 12] * 12, size=20_000) @ of_group / 12
    assert standard_error(resampled, 12, 1) == pytest.approx(of_group.std(ddof=1) / 12**0.5, rel=0.02)
    assert student(12, 1) == pytest.approx(2.201, abs=0.001)
    assert student(10**6, 1) == pytest.approx(1.960, abs=0.001)


@pytest.mark.parametrize(("correct", "score"), [(True, 1.0), (False, 0.0)])
def test_interval_without_an_error_or_without_a_hit_is_as_wide_as_the_groups_are_few(
    correct: bool, score: float
) -> None:
    found = score_predictions(of_correctness(np.full(200, correct), np.arange(200) % 50), "accuracy", 0)
    assert found.value == score
    assert (found.low, found.high) == pytest.approx(proportion_interval(score, 50, student(50, 1)), abs=1e-12)


def test_score_that_resamples_do_not_move_has_the_interval_of_its_groups() -> None:
    """One fold all right and one all wrong, or one clip right in each pair: no resample differs."""
    folds = score_predictions(of_correctness(np.arange(400) < 200, folds=np.arange(400) // 200), "accuracy", 0)
    pairs = score_predictions(of_correctness(np.arange(400) % 2 == 0, np.arange(400) // 2), "accuracy", 0)
    assert folds.low < folds.value < folds.high
    assert (pairs.low, pairs.high) == pytest.approx(proportion_interval(0.5, 200, student(200, 1)), abs=1e-12)


def test_interval_of_one_group_says_nothing() -> None:
    found = score_predictions(of_correctness(np.arange(20) > 5, np.zeros(20)), "accuracy", 0)
    assert (found.low, found.high) == (0, 1)


def test_interval_of_an_unbounded_metric_is_symmetric() -> None:
    found = score_predictions(multi_label(200), "d_prime", 0)
    assert found.high > 1
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_infinite_score_has_no_bounds() -> None:
    predictions = multi_label(40)
    predictions.logits[0] = predictions.targets
    found = score_predictions(predictions, "d_prime", 0, resamples=20)
    assert (found.low, found.value, found.high) == (-np.inf, np.inf, np.inf)


def test_resamples_without_anything_to_score_are_ignored() -> None:
    scores = np.array([0.25, 0.75, np.nan, np.inf])
    assert standard_error(scores, 100, 1) == standard_error(scores[:2], 100, 1)
    assert standard_error(scores[1:], 100, 1) == np.inf


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


def test_number_of_cores_changes_no_bit_of_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for count in (1, 3):
        monkeypatch.setattr(bootstrap, "cores", lambda count=count: count)
        found.append(score_predictions(multi_label(61), "mAP", 0, resamples=600))
    assert found[0] == found[1]


@pytest.mark.parametrize("accuracy", [0.5, 0.9, 0.95])
def test_nominal_95_percent_cover_the_truth(accuracy: float) -> None:
    """50 groups of 5 clips that share their group's difficulty; more groups and metrics: benchmarks/coverage.py."""
    draws = np.random.default_rng(5)
    share = coverage.of_accuracy(draws, accuracy, groups=50, clips=5, likeness=0.2, runs=800, resamples=200)
    assert 0.92 <= share <= 0.98


def test_nominal_95_percent_cover_the_expected_map() -> None:
    draws = np.random.default_rng(6)
    share = coverage.of_map(draws, 5, groups=100, clips=2, separation=1.5, likeness=0.5, runs=400, resamples=200)
    assert 0.91 <= share <= 0.98
