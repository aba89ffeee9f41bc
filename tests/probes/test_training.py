from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from evar.probes import training
from evar.probes.contract import NO_ROWS, Floats, Problem, Targets
from evar.probes.networks import stack
from evar.probes.training import Best, Job, NetworkRecipe, Order, Trained, blocks, slots, train
from evar.scoring.metrics import metric
from evar.testing.clouds import clouds, examples, labels

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
RECIPE = NetworkRecipe((9,), 12, 2, 16, decoupled=True, rounds=True)
LINEAR = NetworkRecipe((), 12, 2, 16, decoupled=False, rounds=False)


def jobs() -> list[Job]:
    """Jobs of several training sets, batches an epoch, seeds and rates, that end after different epochs."""
    return [
        Job(Problem(np.arange(start, 70), np.arange(70, 90), None, seed), lr, 0.1)
        for seed, (start, lr) in enumerate([(0, 0.3), (0, 1e-3), (4, 1e-2), (30, 1e-2), (30, 1e-1)])
    ]


def run(recipe: NetworkRecipe, listed: Sequence[Job], x: Floats, y: Targets, layers: int = 1) -> list[Trained]:
    return train(
        replace(examples(x, y), layers=layers), listed, metric("mAP" if y.ndim == 2 else "accuracy"), recipe, CPU
    )


def assert_same(one: Trained, other: Trained, tolerance: float) -> None:
    assert one.ended == other.ended
    np.testing.assert_allclose(one.layer_weights, other.layer_weights, rtol=0, atol=tolerance)
    for left, right in zip(one.layers, other.layers, strict=True):
        for ours, theirs in zip(left, right, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("recipe", "layers"),
    [(RECIPE, 1), (LINEAR, 1), (replace(RECIPE, rounds=False), 4)],
    ids=["hidden", "linear", "hidden, of four layers"],
)
@pytest.mark.parametrize("make", [clouds, labels], ids=["single-label", "multi-label"])
def test_network_trained_in_a_stack_is_the_one_trained_alone(
    recipe: NetworkRecipe, layers: int, make: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = make(90, 40, 3)
    alone = [run(recipe, [each], x, y, layers)[0] for each in jobs()]
    for count in (2, 4, 8):
        monkeypatch.setattr(training, "slots", lambda *_, count=count: count)
        together = run(recipe, jobs(), x, y, layers)
        for one, other in zip(alone, together, strict=True):
            assert_same(one, other, tolerance=1e-4)


@pytest.mark.parametrize("recipe", [RECIPE, LINEAR], ids=["hidden", "linear"])
@pytest.mark.parametrize("make", [clouds, labels], ids=["single-label", "multi-label"])
def test_network_on_a_cpu_is_to_the_bit_the_one_trained_alone(recipe: NetworkRecipe, make: type) -> None:
    x, y = make(90, 40, 3)
    for job, together in zip(jobs(), run(recipe, jobs(), x, y), strict=True):
        assert_same(run(recipe, [job], x, y)[0], together, tolerance=0)


def test_rounded_products_train_the_same_network_but_for_rounding() -> None:
    x, y = clouds(90, 40, 3, apart=0.3)
    step = NetworkRecipe((9,), 1, 2, 70, decoupled=True, rounds=True)
    for job in jobs()[1:3]:
        (rounded,), (exact,) = (run(each, [job], x, y) for each in (step, replace(step, rounds=False)))
        assert_same(rounded, exact, tolerance=2.1 * job.lr)  # Adam's first step goes by the signs of gradients
        moved = [
            np.abs(a - b).mean()
            for one, other in zip(rounded.layers, exact.layers, strict=True)
            for a, b in zip(one, other, strict=True)
        ]
        assert max(moved) < 0.1 * job.lr


def test_networks_of_a_stack_end_each_in_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = clouds(90, 40, 3, apart=0.3)
    monkeypatch.setattr(training, "slots", lambda *_: 8)
    assert {each.ended for each in run(RECIPE, jobs(), x, y)} == {False, True}


def test_number_of_slots_does_not_follow_the_number_of_jobs() -> None:
    listed = jobs() * 20
    for count in (1, 7, 100):
        numbers = blocks(listed[:count], (40, 3), LINEAR, CUDA)
        assert sorted(number for members in numbers for number in members) == list(range(count))
        assert max(map(len, numbers)) <= slots(16, (40, 3), CUDA)


def test_blocks_hold_jobs_of_one_batch_width() -> None:
    few = Job(Problem(np.arange(10), NO_ROWS, None, 0), 0.1, 0.0)
    listed = [few, *jobs(), few]
    assert blocks(listed, (40, 3), LINEAR, CUDA) == [[0, 6], [1, 2, 3, 4, 5]]
    assert blocks(listed, (40, 3), LINEAR, CPU) == [[0], [6], [1], [2], [3], [4], [5]]


def test_larger_networks_have_fewer_slots() -> None:
    counts = [slots(200, (3840, *hidden, classes), CUDA) for hidden, classes in (((), 10), ((512,), 10), ((), 1251))]
    assert counts == [64, 8, 3]
    assert slots(10**6, (3840, 4096, 1251), CUDA) == 1


def test_every_fit_is_counted_whatever_the_block(monkeypatch: pytest.MonkeyPatch, advances: list[int]) -> None:
    monkeypatch.setattr(training, "slots", lambda *_: 4)
    run(LINEAR, jobs(), *clouds(90, 5, 3))
    assert sum(advances) == 5


def test_age_counts_epochs_since_the_latest_of_the_best() -> None:
    parameters = stack([[torch.zeros(1, 1)]], CPU)
    best, ages = Best(parameters, 1, 9), []
    for score in (0.3, 0.2, 0.3, 0.1, 0.1, 0.4):
        best.see(parameters, [score])
        ages.append(best.ages[0])
    assert ages == [0, 1, 0, 1, 2, 0]


def test_each_slot_keeps_its_own_best_weights() -> None:
    parameters = stack([[torch.zeros(1, 1)], [torch.zeros(1, 1)]], CPU)
    best = Best(parameters, 2, 2)
    for epoch, scores in enumerate([(0.5, 0.1), (0.4, 0.2), (0.3, 0.3)], start=1):
        with torch.no_grad():
            parameters[0].fill_(epoch)
        best.see(parameters, scores)
    assert best.kept[0].flatten().tolist() == [1, 3]
    assert best.going == [1]


def test_score_that_is_no_number_is_no_best_one() -> None:
    parameters = stack([[torch.zeros(1, 1)]], CPU)
    best = Best(parameters, 1, 2)
    for score in (0.5, float("nan"), float("nan")):
        best.see(parameters, [score])
    assert (best.scores, best.going) == ([0.5], [])


def order(counts: list[int], width: int, seed: int = 0) -> Order:
    places = [100 * (number + 1) + torch.arange(count) for number, count in enumerate(counts)]
    return Order(places, [torch.Generator().manual_seed(seed) for _ in counts], width)


def test_an_epoch_reads_every_clip_once() -> None:
    both = order([10, 5], 4)
    places, read = both.epoch(), both.weights > 0
    assert places.shape == (3, 2, 4)
    for number, count in enumerate((10, 5)):
        own = places[:, number][read[:, number]].tolist()
        assert sorted(own) == [100 * (number + 1) + clip for clip in range(count)]


def test_clips_of_a_batch_weigh_one_together_and_what_fills_it_up_nothing() -> None:
    both = order([10, 5], 4)
    np.testing.assert_allclose(both.weights.sum(dim=2).T, [[1, 1, 1], [1, 1, 0]], rtol=1e-6)
    assert both.live.T.tolist() == [[True, True, True], [True, True, False]]
    assert both.weights[2, 0].tolist() == [0.5, 0.5, 0, 0]


def test_order_is_the_generator_s_and_new_each_epoch() -> None:
    one = order([6], 6)
    first, second = one.epoch().flatten(), one.epoch().flatten()
    generator = torch.Generator().manual_seed(0)
    for epoch in (first, second):
        assert epoch.tolist() == (100 + torch.randperm(6, generator=generator)).tolist()
    assert not torch.equal(first, second)


def test_order_ignores_the_other_networks() -> None:
    alone, together = order([6], 4).epoch(), order([6, 11], 4).epoch()
    assert torch.equal(alone[:, 0], together[: len(alone), 0])
