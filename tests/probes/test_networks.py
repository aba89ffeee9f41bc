import numpy as np
import torch

from evar.probes.linear import Standardiser
from evar.probes.networks import NetworkFit, forward, initial, losses, slot, stack
from evar.testing.clouds import clouds

CPU = torch.device("cpu")


def test_every_slot_is_a_network_of_its_own() -> None:
    networks = [initial((6, 5, 4, 3), torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    x = torch.randn(2, 8, 6, generator=torch.Generator().manual_seed(2))
    found = forward(stack(networks, CPU), x)
    for number, (w1, b1, w2, b2, w3, b3) in enumerate(networks):
        hidden = torch.relu(torch.relu(x[number] @ w1.T + b1.T) @ w2.T + b2.T)
        torch.testing.assert_close(found[number].detach(), hidden @ w3.T + b3.T)


def test_slot_shares_the_stack_s_memory() -> None:
    parameters = stack([initial((2, 3), torch.Generator().manual_seed(seed)) for seed in (0, 1)], CPU)
    with torch.no_grad():
        parameters[0][1] = 7
    assert (slot(parameters, 1)[0] == 7).all()


def test_initial_weights_are_within_the_root_of_the_units_before() -> None:
    for weights, bias in zip(*[iter(initial((100, 25, 4), torch.Generator().manual_seed(0)))] * 2, strict=True):
        bound = weights.shape[1] ** -0.5
        for each in (weights, bias):
            assert -bound <= each.min() < each.max() <= bound
        assert weights.abs().max() > 0.9 * bound


def test_initial_values_are_drawn_layer_by_layer_weights_before_biases() -> None:
    drawn, generator = initial((7, 5, 3), torch.Generator().manual_seed(4)), torch.Generator().manual_seed(4)
    for each, shape, before in zip(drawn, [(5, 7), (5,), (3, 5), (3,)], [7, 7, 5, 5], strict=True):
        expected = torch.empty(shape).uniform_(-(before**-0.5), before**-0.5, generator=generator)
        assert torch.equal(each.view(shape), expected)


def test_loss_is_divided_by_the_number_of_classes() -> None:
    logits = torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([[0, 1, 2, 3, 0, 1]])
    one_hot = torch.nn.functional.one_hot(y, 4)
    torch.testing.assert_close(losses(logits, y), -(one_hot * logits.log_softmax(2)).mean(dim=2))


def test_multi_label_loss_is_the_mean_binary_cross_entropy() -> None:
    logits = torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(0))
    y = logits > 0.3
    chance = torch.where(y, logits.sigmoid(), 1 - logits.sigmoid())
    torch.testing.assert_close(losses(logits, y), -chance.log().mean(dim=2))


def test_unknown_entry_has_no_loss_and_no_gradient() -> None:
    logits = torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = torch.randint(-1, 2, (1, 6, 4), generator=torch.Generator().manual_seed(1)).to(torch.int8)
    known = y >= 0
    chance = torch.where(y == 1, logits.sigmoid(), 1 - logits.sigmoid())
    torch.testing.assert_close(losses(logits, y), -(chance.log() * known).mean(dim=2))
    (gradient,) = torch.autograd.grad(losses(logits, y).sum(), logits)
    assert torch.equal(gradient != 0, known)


def test_fitted_network_says_what_the_stack_said() -> None:
    x, _ = clouds(20, 6, 3)
    standardise = Standardiser.of(x)
    network = initial((6, 5, 3), torch.Generator().manual_seed(0))
    w1, b1, w2, b2 = (each.numpy() for each in network)
    expected = forward(stack([network], CPU), torch.from_numpy(standardise(x))[None])[0].detach().numpy()
    np.testing.assert_allclose(
        NetworkFit(standardise, ((w1, b1[:, 0]), (w2, b2[:, 0])), True).logits(x), expected, atol=1e-5
    )
