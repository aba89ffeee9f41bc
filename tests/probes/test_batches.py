import numpy as np
import torch

from evar.probes.batches import Order


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
