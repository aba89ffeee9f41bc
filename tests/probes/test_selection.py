from itertools import pairwise

import numpy as np
import pytest

from evar.base.errors import DataError
from evar.data.manifest import Round
from evar.probes import open_probe, selection
from evar.probes.contract import Chosen, Floats, Probe, ScoreFunction, Targets
from evar.scoring.metrics import metric
from evar.testing.clouds import clouds, examples
from tests.probes.recorder import Recorder, Remembered, quality_of_logits
from tests.probes.test_holdout import fixed, folds

X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
Y = np.arange(50) % 2


def run(
    probe: Probe, rounds: list[Round], score: ScoreFunction = quality_of_logits, x: Floats = X, y: Targets = Y
) -> list[Chosen]:
    return selection.run(probe, examples(x, y, 2), rounds, score, 42)


def rows(chosen: Chosen) -> list[list[int]]:
    return [fit.problem.train.tolist() for fit in chosen.fits if isinstance(fit, Remembered)]


@pytest.mark.parametrize("validation", ["folds", "grouped", "random"])
@pytest.mark.parametrize("qualities", [{None: 0.0}, {0.1: 0.5, 1.0: 0.6, 10.0: 0.4}], ids=["no grid", "grid"])
@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("rounds", [fixed(True), fixed(False), folds(2), folds(4)], ids=["valid", "none", "2", "4"])
def test_announced_number_of_fits_is_made(
    validation: str, qualities: dict[float | None, float], seeds: int, rounds: list[Round]
) -> None:
    probe = Recorder(qualities, validation, seeds)
    chosen = run(probe, rounds)
    assert len(probe.problems) == selection.count(probe, rounds)
    assert [len(each.fits) for each in chosen] == [seeds] * len(rounds)


def test_seeds_count_up_from_the_run_s_for_every_round_and_setting() -> None:
    probe = Recorder({0.1: 0.5, 1.0: 0.6}, "random", seeds=3)
    run(probe, folds(4))
    assert [problem.seed for problem in probe.problems] == [42, 43, 44] * 8


def test_ten_folds_and_eight_settings_take_45_pairs_and_10_refits() -> None:
    assert selection.count(open_probe("logistic"), folds(10)) == 45 * 8 + 10


def test_setting_of_the_best_validation_score_wins() -> None:
    (chosen,) = run(Recorder({0.1: 0.5, 1.0: 0.6, 10.0: 0.4}), fixed(True))
    assert chosen.setting == 1.0
    assert not chosen.at_edge
    assert chosen.curve == pytest.approx({"0.1": 0.5, "1": 0.6, "10": 0.4})


def test_first_of_equal_settings_wins_and_an_edge_is_said() -> None:
    for qualities, winner in (({0.1: 0.5, 1.0: 0.5}, 0.1), ({0.1: 0.5, 1.0: 0.6}, 1.0)):
        (chosen,) = run(Recorder(qualities), fixed(True))
        assert chosen.setting == winner
        assert chosen.at_edge


def test_settings_are_named_as_people_read_them() -> None:
    pairs = {"lr=0.001 wd=0.1": 0.5, "lr=0.01 wd=0.1": 0.6}
    (chosen,) = run(Recorder(pairs), fixed(True))
    assert chosen.setting == "lr=0.01 wd=0.1"
    assert chosen.curve == pytest.approx(pairs)
    assert [selection.name(each) for each in (20.0, 1e-6, "k=3", None)] == ["20", "1e-06", "k=3", "None"]


def test_order_of_a_sum_decides_no_tie() -> None:
    scores_of_folds = {0.1: [0.3, 0.2, 0.1], 1.0: [0.1, 0.2, 0.3]}
    assert np.mean(scores_of_folds[1.0]) > np.mean(scores_of_folds[0.1])

    def score(logits: Floats, targets: Targets) -> float:
        fold = int(targets[0])
        return scores_of_folds[0.1 if logits[0, 0] < 0.5 else 1.0][fold - 1]

    assert run(Recorder({0.1: 0.1, 1.0: 1.0}), folds(4), score, y=np.arange(50) % 4)[0].setting == 0.1


def test_single_setting_needs_no_choice() -> None:
    probe = Recorder({0.1: 0.5})
    (chosen,) = run(probe, fixed(False))
    assert (chosen.setting, chosen.at_edge, chosen.curve) == (0.1, False, {})
    assert len(probe.problems) == 1


def test_official_valid_split_judges_and_takes_no_part_in_the_final_fit() -> None:
    rounds = fixed(True)
    probe = Recorder({0.1: 0.5, 1.0: 0.6})
    (chosen,) = run(probe, rounds)
    assert rows(chosen) == [rounds[0].train.tolist()]
    assert len(probe.problems) == 2
    assert all(np.array_equal(each.valid, rounds[0].valid) for each in probe.problems)


def test_held_out_tenth_joins_the_final_fit() -> None:
    rounds = fixed(False)
    probe = Recorder({0.1: 0.5, 1.0: 0.6})
    (chosen,) = run(probe, rounds)
    assert rows(chosen) == [rounds[0].train.tolist()]
    assert [len(each.train) < 30 for each in probe.problems] == [True, True, False]


def test_random_tenth_stays_out_of_the_final_fit() -> None:
    (chosen,) = run(Recorder(validation="random", seeds=3), fixed(False))
    assert [len(each) for each in rows(chosen)] == [27, 27, 27]
    assert [fit.problem.seed for fit in chosen.fits if isinstance(fit, Remembered)] == [42, 43, 44]


def test_folds_are_fitted_again_on_all_training_folds() -> None:
    rounds = folds(4)
    for each, chosen in zip(rounds, run(Recorder({0.1: 0.5, 1.0: 0.6}), rounds), strict=True):
        assert rows(chosen) == [each.train.tolist()]


def test_setting_for_a_test_fold_is_judged_by_the_mean_over_the_other_folds() -> None:
    """Fold k's validation score is k for one setting and constant for the other: the mean over others decides."""
    rounds = folds(4)
    target = np.arange(50) % 4

    def score(logits: Floats, targets: Targets) -> float:
        return float(targets[0]) if logits[0, 0] < 0.5 else 1.6

    chosen = run(Recorder({0.1: 0.1, 1.0: 1.0}), rounds, score, y=target)
    means = [np.mean([j for j in range(4) if j != i]) for i in range(4)]
    assert [each.curve["0.1"] for each in chosen] == pytest.approx(means)
    assert [each.setting for each in chosen] == [0.1 if mean >= 1.6 else 1.0 for mean in means]


@pytest.mark.parametrize(
    "call",
    [
        "logistic(grid=[0.01, 1.0])",
        "m2d_paper(epochs=5)",
        "mlp(hidden=[8], lr=[0.001, 0.01], epochs=3)",
        "knn(k=[1, 5, 20])",
        "centroid",
    ],
)
@pytest.mark.parametrize("valid", [True, False])
def test_test_rows_change_neither_choice_nor_fit(call: str, valid: bool) -> None:
    x, y = clouds(50, 6, 2, apart=0.3)
    rounds = fixed(valid)
    changed_x, changed_y = x.copy(), y.copy()
    changed_x[rounds[0].test] *= -50
    changed_y[rounds[0].test] = 0
    (before,), (after,) = (
        run(open_probe(call), rounds, metric("accuracy"), *data) for data in ((x, y), (changed_x, changed_y))
    )
    assert before.curve == after.curve
    for one, other in zip(before.fits, after.fits, strict=True):
        assert np.array_equal(one.logits(x), other.logits(x))


def test_same_seed_gives_the_same_choice_to_the_bit() -> None:
    x, y = clouds(50, 6, 2, apart=0.3)
    fits = [run(open_probe("m2d_paper(epochs=5)"), folds(4), metric("accuracy"), x, y)[2].fits for _ in range(2)]
    for one, other in zip(*fits, strict=True):
        assert np.array_equal(one.logits(x), other.logits(x))


def test_stronger_penalty_comes_first_in_the_grid() -> None:
    assert all(low < high for low, high in pairwise(open_probe("logistic").grid))


def test_embedding_that_is_not_finite_is_named() -> None:
    x = X.copy()
    x[[7, 33]] = np.inf
    with pytest.raises(DataError, match="row 7 is not finite"):
        run(Recorder(), fixed(True), x=x)


def test_unused_rows_need_not_be_finite() -> None:
    x = X.copy()
    x[[33, 45]] = np.nan
    run(Recorder(), [Round("test", np.arange(30), None, np.arange(34, 40))], x=x)


def test_round_without_test_clips_is_refused() -> None:
    with pytest.raises(DataError, match="round a: 30 training and 0 test clips"):
        run(Recorder(), [Round("a", np.arange(30), None, np.arange(0))])
