import numpy as np
import pytest
import torch

from evar.probes.adam import Adam

LR, DECAY = [1e-2, 3e-1, 1e-3], [0.0, 0.5, 2.0]


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("decoupled", [True, False])
def test_every_slot_steps_as_torch_does(decoupled: bool, slots: int) -> None:
    draws = torch.Generator().manual_seed(0)
    start = torch.randn(slots, 4, 5, generator=draws)
    gradients = torch.randn(7, slots, 4, 5, generator=draws)
    stack = start.clone()
    ours = Adam([stack], LR[:slots], DECAY[:slots], decoupled=decoupled)
    for gradient, factors in zip(gradients, ours.plan(np.ones((7, slots), dtype=np.bool_)), strict=True):
        ours.gradients[0].copy_(gradient)
        ours.step(factors)
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    for number in range(slots):
        alone = start[number].clone().requires_grad_()
        theirs = kind([alone], lr=LR[number], weight_decay=DECAY[number])
        for gradient in gradients:
            alone.grad = gradient[number].clone()
            theirs.step()
        torch.testing.assert_close(stack[number], alone.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("decoupled", [True, False])
def test_slot_that_takes_no_part_stays_as_it_was(decoupled: bool) -> None:
    gradients = torch.randn(4, 2, 3, 1, generator=torch.Generator().manual_seed(0))

    def run(live: list[list[bool]], order: list[int]) -> torch.Tensor:
        stack = torch.ones(2, 3, 1)
        adam = Adam([stack], [0.1, 0.2], [0.5, 0.5], decoupled=decoupled)
        for number, factors in zip(order, adam.plan(np.array(live)), strict=True):
            adam.gradients[0].copy_(gradients[number])
            adam.step(factors)
        return stack

    paused = run([[True, True], [True, False], [True, True]], [0, 1, 2])
    straight = run([[True, True], [True, True]], [0, 2])
    assert torch.equal(paused[1], straight[1])
    assert not torch.equal(paused[0], straight[0])


def test_steps_are_counted_over_plans() -> None:
    gradient = torch.ones(1, 2, 1)

    def run(plans: list[int]) -> torch.Tensor:
        stack = torch.zeros(1, 2, 1)
        adam = Adam([stack], [0.1], [0.0], decoupled=True)
        for steps in plans:
            for factors in adam.plan(np.ones((steps, 1), dtype=np.bool_)):
                adam.gradients[0].copy_(gradient)
                adam.step(factors)
        return stack

    assert torch.equal(run([5]), run([2, 3]))
