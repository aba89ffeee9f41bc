import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import coverage
from evar.probes.predictions import Predictions
from evar.scoring import jackknife
from evar.scoring.intervals import score_predictions, share_interval, student
from evar.scoring.jackknife import pulls_by_fold, variance
from evar.scoring.metrics import METRICS, lookup, metric

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


def one_large_group() -> Predictions:
    """One group of 200 clips, 49 of ten, which differ in difficulty."""
    sizes, draws = np.r_[200, np.full(49, 10)], np.random.default_rng(4)
    chances = np.repeat(draws.beta(2, 1, 50), sizes)
    return of_correctness(draws.random(len(chances)) < chances, np.repeat(np.arange(50), sizes))


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
    expected = share_interval(0.75, error, student(38), 40)
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
    assert (found.low, found.high) == pytest.approx(share_interval(0.75, error, student(39), 40), abs=0.005)


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
    plain = lookup("mAP").prepare(predictions.logits[0], predictions.targets)(weights)
    assert np.quantile(plain, 0.025) > found.value
    assert found.low < found.value < found.high


def test_interval_is_wilsons_for_as_many_clips_as_the_error_tells_of() -> None:
    """For n independent clips the standard error is sqrt(v (1 - v) / n)."""
    error, (low, high) = (0.9 * 0.1 / 50) ** 0.5, proportion_interval(0.9, 50)
    assert share_interval(0.9, error, 1.959964, 50) == pytest.approx((low, high), abs=1e-6)


def test_variance_is_that_of_a_mean_of_groups() -> None:
    """Of equal groups without a bias for few: the variance of their scores, with n - 1, by their number."""
    right = np.random.default_rng(0).random(60) < 0.6
    (fold,) = pulls_by_fold(of_correctness(right, np.arange(60) % 12), "accuracy").values()
    of_group = right.reshape(5, 12).mean(axis=0)
    assert variance(fold.pulls, [fold.shares]) == pytest.approx(of_group.var(ddof=1) / 12)
    assert student(11) == pytest.approx(2.201, abs=0.001)
    assert student(10**6) == pytest.approx(1.960, abs=0.001)


def test_variance_of_unequal_groups_is_that_of_leaving_each_out() -> None:
    right, groups = np.random.default_rng(0).random(60) < 0.6, np.repeat(np.arange(6), [1, 2, 4, 8, 15, 30])
    (fold,) = pulls_by_fold(of_correctness(right, groups), "accuracy").values()
    without = np.array([right[groups != group].mean() for group in range(6)])
    assert variance(fold.pulls, [fold.shares]) == pytest.approx(5 / 6 * ((right.mean() - without) ** 2).sum())


@pytest.mark.parametrize("name", [name for name, each in METRICS.items() if each.kind == "multi-label"])
@pytest.mark.parametrize("unknown", [0, 0.5])
def test_groups_pull_on_every_metric_as_far_as_it_moves_without_them(name: str, unknown: float) -> None:
    predictions = dataclasses.replace(multi_label(60), groups=(np.arange(60) // 7).astype(str))
    if unknown:
        hidden = np.random.default_rng(1).random((60, 5)) < unknown
        partly = np.where(hidden, -1, predictions.targets).astype(np.int8)
        predictions = dataclasses.replace(predictions, targets=partly)
    (fold,) = pulls_by_fold(predictions, name).values()
    logits, targets, score = predictions.logits[0], predictions.targets, metric(name)
    each = [predictions.groups == group for group in np.unique(predictions.groups)]
    moved = np.array([score(logits, targets) - score(logits[~own], targets[~own]) for own in each])
    pulls = moved * (1 - fold.shares)
    np.testing.assert_allclose(fold.pulls[0], pulls - fold.shares * pulls.sum(), atol=1e-12)
    found = score_predictions(predictions, name, 0)
    assert found.low < found.value == score(logits, targets) < found.high


def test_chroma_accuracy_has_the_interval_of_the_share_of_right_notes() -> None:
    right = np.random.default_rng(0).random(60) < 0.6
    predictions = of_correctness(right, np.arange(60) // 4)
    octaves = dataclasses.replace(predictions, pitches=np.array([60, 61]))
    assert score_predictions(octaves, "chroma_accuracy", 0).high == score_predictions(predictions, "accuracy", 0).high
    octaves = dataclasses.replace(predictions, pitches=np.array([60, 72]))
    assert score_predictions(octaves, "chroma_accuracy", 0).value == 1


def test_group_that_others_cannot_be_scored_without_leaves_the_interval_open() -> None:
    predictions = multi_label(60)
    predictions.targets[6:] = False
    one = dataclasses.replace(predictions, groups=(np.arange(60) // 6).astype(str))
    found = score_predictions(one, "mAP", 0)
    assert (found.low, found.high) == (0, 1)


def test_fold_of_one_group_is_taken_to_vary_as_the_others_do() -> None:
    right, folds = np.random.default_rng(0).random(120) < 0.7, np.repeat(["1", "2", "3"], 40)
    groups = np.concatenate([np.zeros(40), np.arange(80)])
    pulls = list(pulls_by_fold(of_correctness(right, groups, folds), "accuracy").values())
    each = [variance(fold.pulls, [fold.shares]) for fold in pulls]
    assert each[0] == np.inf
    assert variance([fold.pulls[0] for fold in pulls], [f.shares for f in pulls]) == pytest.approx(
        np.mean(each[1:]) / 3
    )


def test_more_groups_than_parts_are_left_out_several_at_a_time() -> None:
    right = np.random.default_rng(0).random(5000) < 0.7
    found = score_predictions(of_correctness(right), "accuracy", 0)
    assert (found.groups, found.effective) == (5000, 5000)
    assert [found.low, found.high] == pytest.approx(proportion_interval(right.mean(), 5000), abs=0.001)


def test_groups_of_unequal_size_widen_the_interval_beyond_student() -> None:
    predictions = one_large_group()
    found = score_predictions(predictions, "accuracy", 0)
    (fold,) = pulls_by_fold(predictions, "accuracy").values()
    error = variance(fold.pulls, [fold.shares]) ** 0.5
    plain = share_interval(found.value, error, student(49), 50)
    assert found.high - found.low > 1.1 * (plain[1] - plain[0])


def test_seeds_that_differ_widen_the_interval() -> None:
    """Seeds that are right on 70, 80 and 90 % of the same clips, the rest alike: their mean varies by 10 / sqrt(3)."""
    right = np.stack([np.arange(2000) % 10 < share for share in (7, 8, 9)])
    found = score_predictions(of_correctness(right), "accuracy", 0)
    assert found.seeds == pytest.approx((0.7, 0.8, 0.9))
    expected = share_interval(0.8, (0.01 / 3) ** 0.5, student(2), 2000)
    assert (found.low, found.high) == pytest.approx(expected, abs=0.02)


def test_seeds_that_differ_no_more_than_their_own_clips_explain_add_nothing() -> None:
    """Each errs on its own clips, so three seeds of 400 clips are worth 1,200."""
    right = np.random.default_rng(3).random((3, 400)) < 0.7
    found = score_predictions(of_correctness(right), "accuracy", 0)
    assert 0 < np.std(found.seeds) < (0.21 / 400) ** 0.5
    assert (found.low, found.high) == pytest.approx(proportion_interval(found.value, 1200), abs=0.003)


def test_draws_of_training_clips_are_what_varies_not_their_seeds() -> None:
    """Two draws of three seeds each: the interval is that of two scores that differ, the seeds' means."""
    shares = (6, 6, 6, 9, 9, 9)
    right = np.stack([np.arange(2000) % 10 < share for share in shares])
    drawn = score_predictions(dataclasses.replace(of_correctness(right), draws=2), "accuracy", 0)
    two = score_predictions(of_correctness(right[[0, 3]]), "accuracy", 0)
    seeds = score_predictions(of_correctness(right), "accuracy", 0)
    assert (drawn.low, drawn.high) == pytest.approx((two.low, two.high))
    assert drawn.high - drawn.low > 2 * (seeds.high - seeds.low)


@pytest.mark.parametrize(("correct", "score"), [(True, 1.0), (False, 0.0)])
def test_interval_without_an_error_or_without_a_hit_is_as_wide_as_the_groups_are_few(
    correct: bool, score: float
) -> None:
    found = score_predictions(of_correctness(np.full(200, correct), np.arange(200) % 50), "accuracy", 0)
    assert found.value == score
    assert (found.low, found.high) == pytest.approx(proportion_interval(score, 50, student(49)), abs=1e-12)


def test_score_that_resamples_do_not_move_has_the_interval_of_its_groups() -> None:
    """One fold all right and one all wrong, or one clip right in each pair: no resample differs."""
    folds = score_predictions(of_correctness(np.arange(400) < 200, folds=np.arange(400) // 200), "accuracy", 0)
    pairs = score_predictions(of_correctness(np.arange(400) % 2 == 0, np.arange(400) // 2), "accuracy", 0)
    assert folds.low < folds.value < folds.high
    assert (pairs.low, pairs.high) == pytest.approx(proportion_interval(0.5, 200, student(199)), abs=1e-12)


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


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 10), st.integers(0, 3))
@quick
def test_interval_holds_the_score_and_lies_within_bounds(correct: list[bool], groups: int, seed: int) -> None:
    found = score_predictions(of_correctness(correct, np.arange(len(correct)) % groups), "accuracy", seed, 200)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_same_seed_gives_the_same_interval() -> None:
    found = [score_predictions(one_large_group(), "accuracy", seed) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_size_of_blocks_changes_no_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for size in (128, 7):
        monkeypatch.setattr(jackknife, "BLOCK", size)
        found.append(score_predictions(multi_label(61), "mAP", 0, resamples=100))
    assert found[0] == found[1]


def test_groups_of_unequal_size_are_worth_fewer() -> None:
    sizes = np.r_[100, np.ones(50, dtype=int)]
    found = score_predictions(of_correctness(np.arange(150) % 2, np.repeat(np.arange(51), sizes)), "accuracy", 0)
    assert found.groups == 51
    assert found.effective == pytest.approx(150**2 / (100**2 + 50))
    assert found.few_groups


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
        monkeypatch.setattr(jackknife, "cores", lambda count=count: count)
        found.append(score_predictions(multi_label(61), "mAP", 0, resamples=600))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "population",
    [
        coverage.Population(coverage.equal(50, 5), 0.5, 0.2),
        coverage.Population(coverage.equal(50, 5), 0.95, 0.2),
        coverage.Population(coverage.log_normal(50), 0.9, 0.3),
        coverage.Population(coverage.log_normal(50), 0.9, 0.3, large_accuracy=0.6),
        coverage.Population(coverage.one_large(50), 0.7, 0.1),
        coverage.Population(coverage.equal(200, 1), 0.7, seeds=3, seed_spread=0.03),
        coverage.Population(coverage.equal(100, 5), 0.7, 0.2, folds=5, draws=5, draw_spread=0.03),
    ],
)
def test_nominal_95_percent_cover_the_truth(population: coverage.Population) -> None:
    """More populations and metrics: benchmarks/coverage.py."""
    share = coverage.of_accuracy(np.random.default_rng(5), population, runs=500, resamples=200)
    assert 0.92 <= share <= 0.985


def test_nominal_95_percent_cover_the_expected_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "TRUTH_SETS", 500)
    population = coverage.Scored("mAP", 5, coverage.log_normal(50), 1.0, 0.5)
    share = coverage.of_metric(np.random.default_rng(6), population, runs=300, resamples=200)
    assert 0.91 <= share <= 0.985
