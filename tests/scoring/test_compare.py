import dataclasses

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from benchmarks import coverage
from evar.base.errors import DataError
from evar.probes.predictions import Predictions
from evar.scoring.compare import RunOutput, compare
from tests.scoring.test_intervals import multi_label, of_correctness


def output(predictions: Predictions, **changes: object) -> RunOutput:
    """A run whose clips are named by their row."""
    clips = [f"{row:04}.wav" for row in predictions.rows]
    made = RunOutput(predictions, clips, tuple("ab" if predictions.targets.ndim == 1 else "abcde"))
    return dataclasses.replace(made, **changes)


def of_share(share: float, seed: int = 0, clips: int = 400, **more: np.ndarray) -> RunOutput:
    return output(of_correctness(np.random.default_rng(seed).random(clips) < share, **more))


def taken(run: RunOutput, rows: list[int]) -> RunOutput:
    """The run without its other clips."""
    full = run.predictions
    kept = Predictions(
        full.logits[:, rows], full.targets[rows], np.arange(len(rows)), full.groups[rows], full.folds[rows]
    )
    return RunOutput(kept, [run.clips[row] for row in rows], run.classes)


def test_difference_of_paired_shares_has_the_interval_of_a_paired_mean() -> None:
    a, b = of_share(0.8), of_share(0.7, 1)
    found = compare(a, b, "accuracy")
    per_clip = np.subtract(*(run.predictions.logits[0].argmax(axis=1) == 0 for run in (a, b)), dtype=float)
    half = 1.966 * per_clip.std(ddof=1) / 400**0.5
    assert found.difference == pytest.approx(per_clip.mean())
    assert found.high - found.low == pytest.approx(2 * half, rel=0.05)
    assert (found.clips, found.left_out, found.groups, found.folds) == (400, 0, 400, 1)


def test_what_makes_a_clip_hard_for_both_cancels_out() -> None:
    hard = np.random.default_rng(2).random(400) < 0.5
    better = ~hard.copy()
    better[np.flatnonzero(hard)[:20]] = True
    found = compare(output(of_correctness(better)), output(of_correctness(~hard)), "accuracy")
    assert found.difference == pytest.approx(0.05)
    assert found.separable
    assert found.high - found.low < 0.05


def test_the_other_way_round_is_the_mirror_image() -> None:
    a, b = output(multi_label(80, 1)), output(multi_label(80, 1))
    b.predictions.logits[:] = np.random.default_rng(3).normal(size=b.predictions.logits.shape)
    one, other = compare(a, b, "mAP"), compare(b, a, "mAP")
    assert (one.a, one.b, one.low, one.high) == pytest.approx((other.b, other.a, -other.high, -other.low))


def test_a_run_is_not_separable_from_itself() -> None:
    found = compare(of_share(0.7), of_share(0.7), "accuracy")
    assert (found.low, found.difference, found.high) == (0, 0, 0)
    assert not found.separable
    assert found.mcnemar is not None
    assert found.mcnemar.p == 1


def test_clips_are_paired_by_path_in_whatever_order() -> None:
    a, b = of_share(0.8), of_share(0.7, 1)
    order = np.random.default_rng(0).permutation(400).tolist()
    assert compare(a, taken(b, order), "accuracy") == compare(a, b, "accuracy")


def test_clips_that_one_run_lacks_are_left_out_and_counted() -> None:
    a, b = of_share(0.8), of_share(0.7, 1)
    found = compare(taken(a, list(range(10, 400))), taken(b, list(range(395))), "accuracy")
    both = [taken(run, list(range(10, 395))) for run in (a, b)]
    assert (found.clips, found.left_out) == (385, 15)
    assert dataclasses.replace(found, left_out=0) == compare(*both, "accuracy")


def test_groups_are_drawn_whole_for_both() -> None:
    gap = np.repeat(np.arange(40) % 2 == 0, 10)
    alone = compare(output(of_correctness(np.ones(400))), output(of_correctness(gap)), "accuracy")
    groups = np.repeat(np.arange(40), 10)
    grouped = compare(output(of_correctness(np.ones(400), groups)), output(of_correctness(gap, groups)), "accuracy")
    assert grouped.groups == 40
    assert grouped.high - grouped.low > 2.5 * (alone.high - alone.low)
    assert grouped.mcnemar is None


def test_difference_is_the_unweighted_mean_over_folds() -> None:
    folds = np.repeat(["1", "2"], [30, 10])
    a, b = (output(of_correctness(right, folds=folds)) for right in (np.ones(40), np.arange(40) < 30))
    found = compare(a, b, "accuracy")
    assert (found.difference, found.folds) == (0.5, 2)
    assert (found.low, found.high) == (0.5, 0.5)


def test_seeds_of_a_run_are_averaged_on_the_same_draw() -> None:
    first = np.arange(40) % 2 == 0
    two = output(of_correctness(np.stack([first, ~first])))
    found = compare(two, output(of_correctness(np.zeros(40))), "accuracy")
    assert (found.low, found.difference, found.high) == (0.5, 0.5, 0.5)
    assert found.mcnemar is None


@pytest.mark.parametrize(
    "population",
    [
        coverage.Population(coverage.equal(200, 1), 0.7, seeds=3, seed_spread=0.05),
        coverage.Population(coverage.log_normal(100), 0.7, 0.3, seeds=3, seed_spread=0.02),
        coverage.Population(coverage.equal(200, 1), 0.7, draws=5, draw_spread=0.04),
    ],
)
def test_encoder_is_rarely_better_than_itself_under_other_seeds(population: coverage.Population) -> None:
    assert coverage.verdicts(np.random.default_rng(0), population, trials=200) <= 0.08


def test_seeds_that_differ_widen_the_difference() -> None:
    """A's seeds score 70, 80 and 90 %: what lies 12 points below their mean is no worse beyond doubt."""
    right = np.stack([np.arange(1000) % 100 < share for share in (70, 80, 90)])
    below = output(of_correctness(np.arange(1000) % 100 < 68))
    steady = output(of_correctness(np.arange(1000) % 100 < 80))
    assert not compare(output(of_correctness(right)), below, "accuracy").separable
    assert compare(steady, below, "accuracy").separable


def test_groups_of_unequal_size_are_counted_by_what_they_are_worth() -> None:
    groups = np.repeat(np.arange(51), np.r_[100, np.ones(50, dtype=int)])
    found = compare(
        output(of_correctness(np.ones(150), groups)), output(of_correctness(np.zeros(150), groups)), "accuracy"
    )
    assert (found.groups, found.few_groups, found.separable) == (51, True, False)


def test_rounding_of_a_mean_over_seeds_is_no_difference() -> None:
    """The mean of three times 0.1 is not 0.1 in its last bit, here in every resample."""
    right, groups = np.arange(300) % 10 == 0, np.arange(300) // 10
    three, one = (output(of_correctness(np.tile(right, (seeds, 1)), groups)) for seeds in (3, 1))
    found = compare(three, one, "accuracy")
    assert found.difference != 0
    assert not found.separable


def test_maps_are_compared_too() -> None:
    a, b = multi_label(200, 1), multi_label(200, 1)
    b.logits[:] = 0.2 * b.logits + np.random.default_rng(0).normal(size=b.logits.shape)
    found = compare(output(a), output(b), "mAP")
    assert found.a == pytest.approx(average_precision_score(a.targets, a.logits[0]), abs=1e-12)
    assert found.separable
    assert found.mcnemar is None


def test_mcnemar_is_the_binomial_test_of_the_clips_that_one_alone_gets_right() -> None:
    """The exact p of 2 against 8 is 2 (1 + 10 + 45) / 2^10."""
    a, b = np.ones(100, bool), np.ones(100, bool)
    a[:8], b[8:10] = False, False
    found = compare(output(of_correctness(a)), output(of_correctness(b)), "accuracy").mcnemar
    assert found is not None
    assert (found.only_a, found.only_b, found.p) == (2, 8, pytest.approx(112 / 1024))


def test_runs_are_separable_only_where_interval_and_mcnemar_agree() -> None:
    """Five clips that A alone gets right, none for B: the interval excludes 0, the test's p is 1/16."""
    a, b = np.ones(100, bool), np.ones(100, bool)
    b[:5] = False
    found = compare(output(of_correctness(a)), output(of_correctness(b)), "accuracy")
    assert found.low > 0
    assert found.mcnemar is not None
    assert found.mcnemar.p == 0.0625
    assert not found.separable


@pytest.mark.parametrize(("groups", "separable"), [(29, False), (30, True)])
def test_few_groups_support_no_claim(groups: int, separable: bool) -> None:
    names = np.arange(300) % groups
    a, b = (output(of_correctness(right, names)) for right in (np.ones(300), np.arange(300) % 7 > 3))
    found = compare(a, b, "accuracy")
    assert found.low > 0
    assert found.separable is separable


def test_equal_encoders_are_reported_apart_in_about_5_percent_of_cases_or_fewer() -> None:
    draws, runs = np.random.default_rng(4), 300
    claims = 0
    for _ in range(runs):
        chance = np.repeat(draws.beta(7, 3, 40), 3)
        a, b = (output(of_correctness(draws.random(120) < chance, np.arange(120) // 3)) for _ in "ab")
        claims += compare(a, b, "accuracy").separable
    assert claims / runs <= 0.08


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"classes": ("a", "c")}, r"their classes differ \(b, c\)"),
        ({"classes": ("b", "a")}, r"their classes differ \(their order\)"),
        ({"clips": [f"other {row}" for row in range(400)]}, "no clip in common"),
    ],
)
def test_runs_of_different_tables_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        compare(of_share(0.8), dataclasses.replace(of_share(0.7), **changes), "accuracy")


@pytest.mark.parametrize(("field", "said"), [("targets", "label"), ("groups", "group"), ("folds", "part")])
def test_clips_whose_labels_groups_or_parts_differ_are_refused(field: str, said: str) -> None:
    b = of_share(0.7)
    getattr(b.predictions, field)[[3, 7]] = 1
    with pytest.raises(DataError, match=rf"the {said} differs for 2 of 400 clips \(0003.wav, 0007.wav\)"):
        compare(of_share(0.8), b, "accuracy")
