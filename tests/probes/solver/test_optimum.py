"""The solver against scikit-learn in float64 and against its own certificate, over shapes and through every route."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from evar.probes.contract import NO_ROWS, Floats, Problem, Targets
from evar.probes.logistic import GRID, LOWEST, LogisticFit, open_probe
from evar.probes.solver import certificate, coordinates, model, objective, rows, solve
from evar.probes.solver.descent import GAP
from evar.testing.clouds import clouds, examples, labels
from tests.probes.solver.oracle import fitted_value, minimum, standardised


def fits(x: Floats, y: Targets, problems: list[tuple[np.ndarray, float]], classes: int) -> list[LogisticFit]:
    asked = [Problem(train, NO_ROWS, c, 0) for train, c in problems]
    found = open_probe().fit(examples(x, y, classes), asked, lambda *_: 0.0)
    assert all(isinstance(each, LogisticFit) for each in found)
    return found  # type: ignore[return-value]


def embeddings(clips: int, dim: int, classes: int, seed: int = 0) -> tuple[Floats, np.ndarray]:
    """Correlated features of a decaying spectrum, overlapping classes."""
    draws = np.random.default_rng(seed)
    x, y = clouds(clips, dim, classes, apart=0.5, seed=seed)
    mixed = (x * np.arange(1, dim + 1) ** -0.7) @ draws.normal(size=(dim, dim)) + 3 * draws.normal(size=dim)
    return mixed.astype(np.float32), y


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("shape", [(500, 40), (120, 200)], ids=["more clips", "more dimensions"])
def test_every_c_reaches_the_optimum_and_scikit_learn_s_predictions(shape: tuple[int, int], classes: int) -> None:
    x, y = embeddings(2 * shape[0], shape[1], classes)
    train, test = np.arange(shape[0]), np.arange(shape[0], 2 * shape[0])
    z = standardised(x[train])
    everything = (x.astype(np.float64) - x[train].mean(0, dtype=np.float64)) / x[train].std(0, dtype=np.float64)
    equal = []
    for c, fit in zip(GRID, fits(x, y, [(train, c) for c in GRID], classes), strict=True):
        least, model = minimum(z, y[train], c)
        assert fit.converged
        assert fitted_value(fit, z, y[train], c) <= least * (1 + GAP)
        equal.append(fit.logits(x[test]).argmax(axis=1) == model.predict(everything[test]))
    assert np.mean(equal) >= 0.999


def test_basis_of_few_rows_is_orthonormal_where_fast_products_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """By bfloat16 or TF32 it would be off by 4e-3, and some optima could not be certified."""
    made, of = [], coordinates.Coordinates.of
    monkeypatch.setattr(coordinates.Coordinates, "of", lambda *parts: made.append(of(*parts)) or made[-1])
    x, y = embeddings(30, 200, 2)
    fits(x, y, [(np.arange(30), 1.0)], 2)
    basis = made[0].basis.double().numpy()
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-6)


def test_bound_is_no_lower_than_the_true_gap() -> None:
    x, y = embeddings(300, 30, 4)
    z, c = standardised(x), 1.0
    least, _ = minimum(z, y, c)
    for max_iter in (1, 4, 8):
        (fit,) = open_probe(max_iter=max_iter).fit(
            examples(x, y), [Problem(np.arange(300), NO_ROWS, c, 0)], lambda *_: 0.0
        )
        assert isinstance(fit, LogisticFit)
        found = fitted_value(fit, z, y, c)
        assert (found - least) / found <= fit.optima[0].bound + 1e-12
        assert fit.converged == (fit.optima[0].bound <= GAP)


@st.composite
def shapes(draw: st.DrawFn) -> tuple[Floats, np.ndarray, int]:
    """Embeddings with constant and collinear columns, scales from 1e-6 to 1e6, offsets, rare classes."""
    clips, dim, classes = draw(st.integers(8, 60)), draw(st.integers(1, 80)), draw(st.integers(2, 5))
    draws = np.random.default_rng(draw(st.integers(0, 10_000)))
    shares = np.arange(1, classes + 1.0) ** -draw(st.sampled_from([0.0, 3.0]))
    y = draws.choice(classes, clips, p=shares / shares.sum())
    y[:classes] = np.arange(classes)
    x = draws.normal(size=(clips, dim)) + draw(st.sampled_from([0.0, 1.0])) * draws.normal(size=(classes, dim))[y]
    if dim > 2 and draw(st.booleans()):
        x[:, 0] = 0.1
        x[:, 1] = 2 * x[:, 2] - 1
    units = 10 ** draws.uniform(-6, 6, dim) if draw(st.booleans()) else np.ones(dim)
    return (units * (x + draw(st.sampled_from([0.0, 30.0])))).astype(np.float32), y, classes


@given(shapes(), st.sampled_from(GRID))
@settings(deadline=None, max_examples=60, database=None)
def test_any_shape_reaches_the_optimum(drawn: tuple[Floats, np.ndarray, int], c: float) -> None:
    x, y, classes = drawn
    (fit,) = fits(x, y, [(np.arange(len(x)), c)], classes)
    z = standardised(x)
    assert fit.converged
    assert fitted_value(fit, z, y, c) <= minimum(z, y, c)[0] * (1 + GAP)


@given(shapes(), st.sampled_from([1e-3, 1.0]))
@settings(deadline=None, max_examples=30, database=None)
def test_folds_together_reach_each_their_own_optimum(drawn: tuple[Floats, np.ndarray, int], c: float) -> None:
    """Among folds: columns and classes that only some of them have, groups with more and fewer rows than dimensions."""
    x, y, classes = drawn
    x[::4, -1] = x[0, -1]
    parts = np.arange(len(x)) % 4
    trains = [np.flatnonzero(parts != part) for part in range(4)]
    trains = [train for train in trains if len(np.unique(y[train])) > 1]
    for train, fit in zip(trains, fits(x, y, [(train, c) for train in trains], classes), strict=True):
        present, own = np.unique(y[train], return_inverse=True)
        absent = np.setdiff1d(np.arange(classes), present)
        assert fit.converged
        assert (fit.bias[absent] == LOWEST).all()
        kept = LogisticFit(fit.standardise, fit.weights[:, present], fit.bias[present], True, fit.optima)
        z = standardised(x[train])
        assert fitted_value(kept, z, own, c) <= minimum(z, own, c)[0] * (1 + GAP)


def test_every_label_reaches_its_own_optimum() -> None:
    x, y = labels(200, 20, 6)
    y[:, 5] = np.arange(200) < 3
    (fit,) = fits(x, y, [(np.arange(200), 1.0)], 6)
    z = standardised(x)
    assert fit.converged
    assert len(fit.optima) == 6
    for column in range(6):
        model = LogisticRegression(C=1.0, tol=1e-8, max_iter=20_000).fit(z, y[:, column])
        np.testing.assert_allclose(fit.logits(x)[:, column], model.decision_function(z), atol=2e-2)


PAIRS = [
    (np.flatnonzero((np.arange(400) % 5 != i) & (np.arange(400) % 5 != j)), c)
    for c in (1e-3, 1e-1, 10.0)
    for i, j in ((0, 1), (2, 4), (1, 3))
]


def values(found: list[LogisticFit], x: Floats, y: np.ndarray) -> list[float]:
    assert all(fit.converged for fit in found)
    return [
        fitted_value(fit, standardised(x[train]), y[train], c) for fit, (train, c) in zip(found, PAIRS, strict=True)
    ]


@pytest.fixture(scope="module")
def usual() -> tuple[Floats, np.ndarray, list[float]]:
    """Embeddings, classes, and the values of the optima of PAIRS as they are usually found."""
    x, y = embeddings(400, 30, 4)
    return x, y, values(fits(x, y, PAIRS, 4), x, y)


def test_streamed_embeddings_reach_the_same_optimum(
    usual: tuple[Floats, np.ndarray, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y, expected = usual
    monkeypatch.setattr(coordinates, "RESIDENT_BYTES", {"cpu": 0})
    monkeypatch.setattr(rows, "BLOCK_ROWS", 100)
    np.testing.assert_allclose(values(fits(x, y, PAIRS, 4), x, y), expected, rtol=GAP)


def test_embeddings_kept_on_the_device_give_the_same_bits(
    usual: tuple[Floats, np.ndarray, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y, expected = usual
    monkeypatch.setattr(rows, "KEPT_BYTES", {"cpu": 1 << 30})
    assert values(fits(x, y, PAIRS, 4), x, y) == expected


def test_problems_one_after_another_reach_the_same_optimum(
    usual: tuple[Floats, np.ndarray, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y, expected = usual
    monkeypatch.setattr(solve, "STATE_BYTES", {"cpu": 1})
    monkeypatch.setattr(certificate, "LOGIT_BYTES", {"cpu": 1})
    np.testing.assert_allclose(values(fits(x, y, PAIRS, 4), x, y), expected, rtol=GAP)


def test_products_that_round_reach_the_same_optimum(
    usual: tuple[Floats, np.ndarray, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y, expected = usual
    monkeypatch.setattr(objective, "products_round", lambda device: True)
    read = coordinates.Coordinates.block
    monkeypatch.setattr(coordinates.Coordinates, "block", lambda self, block: read(self, block).bfloat16().float())
    np.testing.assert_allclose(values(fits(x, y, PAIRS, 4), x, y), expected, rtol=GAP)


def test_coordinates_are_made_by_exact_products_and_the_descent_goes_by_fast_ones(
    usual: tuple[Floats, np.ndarray, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made by rounded ones they kept 129 of 1,984 small problems from their optimum, on a CPU that rounds."""
    x, y, _ = usual
    modes: dict[str, set[str]] = {"coordinates": set(), "descent": set()}

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            modes[name].add(torch.backends.mkldnn.matmul.fp32_precision)  # type: ignore[attr-defined]
            return function(*arguments, **more)

        return call

    monkeypatch.setattr(coordinates.Coordinates, "of", watched("coordinates", coordinates.Coordinates.of))
    monkeypatch.setattr(model, "evaluate", watched("descent", model.evaluate))
    fits(x, y, PAIRS, 4)
    assert modes == {"coordinates": {"ieee"}, "descent": {"bf16"}}


def test_number_of_cores_changes_no_bit_of_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = embeddings(400, 30, 4)
    monkeypatch.setattr(rows, "BLOCK_ROWS", 37)
    found = []
    for cores in (1, 3):
        monkeypatch.setattr("evar.base.threads.cores", lambda cores=cores: cores)
        found.append(fits(x, y, PAIRS[::2], 4))
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one.weights, other.weights)
        assert np.array_equal(one.bias, other.bias)


def test_designs_that_overlap_share_a_group_and_small_ones_stand_alone() -> None:
    all_, most, half, few = np.arange(100), np.arange(20, 100), np.arange(40), np.arange(10)
    assert solve._groups([all_, most, few, half], dim=20) == [[0, 1], [3], [2]]


def test_classes_are_counted_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    made, of = [], torch.nn.functional.one_hot
    monkeypatch.setattr(torch.nn.functional, "one_hot", lambda y, classes: made.append(len(y)) or of(y, classes))
    monkeypatch.setattr(rows, "BLOCK_ROWS", 50)
    x, y = embeddings(400, 8, 4)
    fits(x, y, PAIRS, 4)
    assert 0 < max(made) <= 50


def test_passes_over_the_rows_are_those_of_all_evaluations_and_five_before_them() -> None:
    x, y = embeddings(300, 8, 3)
    ((optimum,),) = (each.optima for each in fits(x, y, [(np.arange(300), 1e-2)], 3))
    assert optimum.passes == 5 + optimum.fast + 2 * optimum.exact


def test_fits_of_one_design_share_their_passes() -> None:
    x, y = embeddings(300, 8, 3)
    optima = [each.optima[0] for each in fits(x, y, [(np.arange(300), c) for c in (1e-3, 1e-2, 1e-1)], 3)]
    assert max(each.passes for each in optima) < 6 + sum(each.fast + 2 * each.exact for each in optima)
