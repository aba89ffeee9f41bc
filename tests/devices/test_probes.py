"""Probes on every device: the certified optimum, and the predictions that the CPU gives."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from evar import probes
from evar.probes.contract import Fitted, Floats, Problem, Targets
from evar.probes.logistic import LogisticFit
from evar.probes.solver.descent import GAP
from evar.scoring.metrics import metric
from evar.testing.clouds import clouds, examples, labels
from tests.probes.solver.oracle import fitted_value, minimum, standardised


def fits(name: str, x: Floats, y: Targets, train: int, device: torch.device, *settings: float) -> Sequence[Fitted]:
    """Fit on the first `train` rows, and with the next tenth for validation."""
    probe = probes.open_probe(name, str(device))
    valid = np.arange(train, train + train // 10)
    asked = [Problem(np.arange(train), valid, setting, 42) for setting in settings or (probe.grid[-1],)]
    clips = replace(examples(x, y), layers=2 if probe.weighs_layers else 1)
    return probe.fit(clips, asked, metric("mAP" if y.ndim == 2 else "accuracy"))


@pytest.mark.parametrize(("clips", "dim"), [(400, 40), (120, 200)], ids=["more clips", "more dimensions"])
@pytest.mark.parametrize("classes", [2, 5])
def test_solver_reaches_and_certifies_the_optimum(clips: int, dim: int, classes: int, device: torch.device) -> None:
    x, y = clouds(2 * clips, dim, classes, apart=0.5)
    z, strengths = standardised(x[:clips]), (1e-3, 1e-1, 1e1)
    for c, fit in zip(strengths, fits("logistic", x, y, clips, device, *strengths), strict=True):
        assert isinstance(fit, LogisticFit)
        assert fit.converged
        assert fitted_value(fit, z, y[:clips], c) <= minimum(z, y[:clips], c)[0] * (1 + GAP)


def test_solver_certifies_every_label(device: torch.device) -> None:
    x, y = labels(400, 60, 7)
    (fit,) = fits("logistic", x, y, 300, device, 1e-2)
    assert isinstance(fit, LogisticFit)
    assert [optimum.converged for optimum in fit.optima] == [True] * 7


def test_solver_gives_the_same_bits_again(device: torch.device) -> None:
    x, y = clouds(300, 80, 4)
    first, again = (fits("logistic", x, y, 200, device, 1e-2)[0].logits(x) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", [*probes.names(), "mlp(layers='weighted', epochs=30)"])
def test_every_probe_predicts_what_it_predicts_on_the_cpu(name: str, device: torch.device) -> None:
    x, y = clouds(400, 30, 3)
    here, on_cpu = (fits(name, x, y, 200, each)[0].logits(x[250:]) for each in (device, torch.device("cpu")))
    assert (here.argmax(axis=1) == on_cpu.argmax(axis=1)).mean() >= 0.98
    np.testing.assert_allclose(here, on_cpu, rtol=0, atol=0.05 * np.abs(on_cpu).max())
