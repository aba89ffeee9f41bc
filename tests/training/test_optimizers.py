"""LARS against its paper's formula; the recipe's optimisers; the schedule."""

import pytest
import torch

from evar.training.optimizers import Lars
from evar.training.schedule import warm_cosine
from evar.tuning.recipe import make_recipe
from evar.tuning.trainer import make_optimizer


def test_lars_follows_its_papers_formula():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, 4, generator=generator).requires_grad_()
    expected, momentum = weight.detach().clone(), torch.zeros(3, 4)
    optimizer = Lars([weight], lr=2.0, momentum=0.9, weight_decay=0.01, trust=0.001)
    for _ in range(3):
        gradient = torch.randn(3, 4, generator=generator)
        weight.grad = gradient.clone()
        optimizer.step()
        local = 0.001 * expected.norm() / (gradient.norm() + 0.01 * expected.norm())
        momentum = 0.9 * momentum + 2.0 * local * (gradient + 0.01 * expected)
        expected = expected - momentum
        torch.testing.assert_close(weight.detach(), expected)


def test_lars_moves_a_weight_by_its_size_whatever_the_gradients():
    for scale in (1e-3, 1e3):
        weight = torch.ones(2, 2, requires_grad=True)
        weight.grad = scale * torch.ones(2, 2)
        Lars([weight], lr=1.0, momentum=0.0, trust=0.1).step()
        torch.testing.assert_close(weight.detach(), torch.full((2, 2), 0.9))


def test_lars_takes_biases_and_zeros_as_sgd_does():
    for start in (torch.ones(3), torch.zeros(2, 3)):
        ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
        ours.grad, theirs.grad = torch.full_like(start, 0.3), torch.full_like(start, 0.3)
        Lars([ours], lr=0.5, momentum=0.9).step()
        torch.optim.SGD([theirs], lr=0.5, momentum=0.9).step()
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ("task", "kind", "said"),
    [
        ("spcv2", torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.0}),
        ("vc1", torch.optim.AdamW, {"betas": (0.9, 0.95), "weight_decay": 1e-4, "amsgrad": True}),
        ("as2m", Lars, {"momentum": 0.9, "weight_decay": 0.0, "trust": 0.001}),
    ],
)
def test_recipe_has_its_optimiser_with_its_settings(task, kind, said):
    optimizer = make_optimizer(torch.nn.Linear(2, 3), make_recipe(task, None, {}))
    weights, biases = optimizer.param_groups
    assert type(optimizer) is kind
    assert {name: weights[name] for name in said} == said
    assert (weights["params"][0].ndim, biases["params"][0].ndim, biases["weight_decay"]) == (2, 1, 0.0)


def test_rate_rises_to_its_peak_and_falls_as_torchs_cosine():
    rates = [warm_cosine(step, 110, 10, 0.5, 1e-7) for step in range(111)]
    assert rates[:11] == pytest.approx([0.05 * step for step in range(11)])
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.5)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100, eta_min=1e-7)
    for rate in rates[10:]:
        assert rate == pytest.approx(schedule.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        schedule.step()
