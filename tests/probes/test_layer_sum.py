"""A learned weighted sum over layers: its gradient, what it finds, and that the probe on it is the probe itself."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from evar.base.errors import UsageError
from evar.probes import open_probe
from evar.probes.contract import UNKNOWN, Examples, Floats, Problem
from evar.probes.layer_sum import LayerStack, LayerSumFit, layer_sum, layer_sum_gradient
from evar.probes.networks import forward, gradients, losses
from evar.probes.training import OnDevice
from evar.scoring.metrics import metric
from evar.testing.clouds import clouds, examples

TRAIN, VALID, TEST = np.arange(120), np.arange(120, 160), np.arange(160, 240)
WEIGHTED = (
    "logistic(layers='weighted')",
    "mlp(layers='weighted', hidden=[16], lr=[0.01], weight_decay=[0.0], epochs=60)",
)


def three_layers() -> tuple[list[Floats], Examples]:
    """Three layers of six numbers, of which the second alone knows the classes, and all of them side by side."""
    x, y = clouds(240, 6, 3, apart=2.0)
    noise = np.random.default_rng(1).normal(size=(2, *x.shape)).astype(np.float32)
    layers = [100 * noise[0], x, noise[1]]
    return layers, replace(examples(np.hstack(layers), y), layers=3)


def fit(call: str, clips: Examples, judged_by: str = "accuracy") -> LayerSumFit:
    probe = open_probe(call)
    (fitted,) = probe.fit(clips, [Problem(TRAIN, VALID, probe.grid[-1], 0)], metric(judged_by))
    assert isinstance(fitted, LayerSumFit)
    return fitted


@pytest.mark.parametrize("call", WEIGHTED, ids=["logistic", "mlp"])
def test_the_layer_that_knows_the_classes_gets_the_weight(call: str) -> None:
    _, clips = three_layers()
    fitted = fit(call, clips)
    weights = fitted.layer_sum.weights
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    assert weights[1] > 0.5 > weights[[0, 2]].max()
    assert metric("accuracy")(fitted.logits(clips.x[TEST]), clips.y[TEST]) > 0.9


@pytest.mark.parametrize("call", WEIGHTED, ids=["logistic", "mlp"])
def test_layers_are_read_where_they_lie_with_the_same_bits(call: str, tmp_path: Path) -> None:
    layers, clips = three_layers()
    for number, each in enumerate(layers):
        np.save(tmp_path / f"{number}.npy", each)
    mapped = LayerStack([np.load(tmp_path / f"{number}.npy", mmap_mode="r") for number in range(3)])
    stacked = replace(clips, x=cast(Floats, mapped))
    copied, out = OnDevice(stacked, [Problem(TRAIN, VALID, None, 0)], torch.device("cpu")), torch.empty(40, 18)
    copied.read(copied.places(VALID), out)
    assert np.array_equal(out.numpy(), clips.x[VALID])
    assert np.array_equal(fit(call, stacked).logits(mapped[TEST]), fit(call, clips).logits(clips.x[TEST]))


def test_logistic_on_the_sum_is_the_certified_one() -> None:
    _, clips = three_layers()
    fitted = fit("logistic(layers='weighted', grid=[0.1])", clips)
    summed = fitted.layer_sum(clips.x)
    (plain,) = open_probe("logistic").fit(examples(summed, clips.y), [Problem(TRAIN, VALID, 0.1, 0)], lambda *_: 0.0)
    assert fitted.converged
    np.testing.assert_allclose(fitted.logits(clips.x), plain.logits(summed), atol=1e-5)


@pytest.mark.parametrize("call", WEIGHTED, ids=["logistic", "mlp"])
def test_labels_that_are_known_in_part_are_learned_on_one_sum_for_all(call: str) -> None:
    _, clips = three_layers()
    y = (clips.y[:, None] == np.arange(3)).astype(np.int8)
    y[::2, 0] = UNKNOWN
    fitted = fit(call, replace(clips, y=y), "mAP")
    assert fitted.layer_sum.weights[1] > 0.5
    assert metric("mAP")(fitted.logits(clips.x[TEST]), y[TEST]) > 0.9


def test_gradient_by_the_weights_is_that_of_the_loss() -> None:
    draws = torch.Generator().manual_seed(0)
    layers = torch.randn(2, 7, 3, 5, generator=draws, dtype=torch.float64)
    network = [
        torch.randn(2, *shape, generator=draws, dtype=torch.float64) for shape in ((4, 5), (4, 1), (3, 4), (3, 1))
    ]
    logits = torch.randn(2, 3, 1, generator=draws, dtype=torch.float64, requires_grad=True)
    targets, weights = torch.arange(14).view(2, 7) % 3, torch.full((2, 7), 1 / 7, dtype=torch.float64)
    (losses(forward(network, layer_sum(layers, logits)), targets) * weights).sum().backward()
    out = [torch.empty_like(each) for each in network]
    slope = gradients(network, layer_sum(layers, logits.detach()), targets, weights, out)
    along = (network[0].mT @ slope).transpose(1, 2)
    torch.testing.assert_close(layer_sum_gradient(layers, logits.detach(), along), logits.grad)


def test_layers_of_several_sizes_have_no_sum() -> None:
    with pytest.raises(UsageError, match="layers of 3, 4 dimensions have no sum"):
        LayerStack([np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32)])
