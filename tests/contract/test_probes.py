"""What every probe must keep to. Probes are found by name: a new file is tested without a word here."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evar import probes
from evar.base import threads
from evar.probes import logistic, predictions
from evar.probes.contract import Fitted, Floats, Probe, Problem, Rows, Targets
from evar.scoring.metrics import metric
from tests.probes.clouds import clouds, examples, labels

CERTIFIED = {"logistic": 2e-2}  # how far logits within the certified gap may differ; those of other probes may not
QUICK: dict[str, dict[str, Any]] = {
    "mlp": {"hidden": [4], "epochs": 1}, "m2d_paper": {"epochs": 1}, "logistic": {"max_iter": 2},
}  # fmt: skip
OPTIONS = {"mlp": "epochs=30"}  # where the default takes long
WEIGHTED = ("logistic(layers='weighted')", "mlp(layers='weighted', epochs=30, hidden=[32])")
ROWS, DIM = 9000, 6
TRAIN, VALID, OTHERS = np.arange(0, 60), np.arange(60, 80), np.arange(80, 100)


@pytest.fixture(scope="module", autouse=True)
def _few_steps() -> Iterator[None]:
    """The weights of layers are learned in 60 steps, not 500."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logistic, "LAYERS_STEPS", 60)
        yield


@pytest.fixture(scope="module", params=[*(f"{name}({OPTIONS.get(name, '')})" for name in probes.names()), *WEIGHTED])
def probe(request: pytest.FixtureRequest) -> Probe:
    return probes.open_probe(request.param)


@pytest.fixture(scope="module")
def fitted(probe: Probe) -> Fitted:
    """The probe on clouds(100, 12, 3)."""
    return fit(probe, *clouds(100, 12, 3), [problem(probe)])[0]


def fit(
    probe: Probe, x: Floats, y: Targets, problems: Sequence[Problem], classes: int | None = None
) -> Sequence[Fitted]:
    """Of a probe that weighs layers the columns are two of them, where their number is even."""
    layers = 2 if probe.weighs_layers and x.shape[1] % 2 == 0 else 1
    clips = replace(examples(x, y, classes), layers=layers)
    return probe.fit(clips, problems, metric("accuracy" if y.ndim == 1 else "mAP"))


def opened_again(probe: Probe, **options: Any) -> Probe:
    """The same probe, with other options."""
    in_force = [f"{option}={value!r}" for option, value in (probe.options | options).items()]
    return probes.open_probe(f"{probe.name}({', '.join(in_force)})")


def problem(probe: Probe, *, train: Rows = TRAIN, valid: Rows = VALID, at: int = -1, seed: int = 42) -> Problem:
    return Problem(train, valid, probe.grid[at // 2], seed)


def three_problems(probe: Probe) -> list[Problem]:
    return [problem(probe), problem(probe, train=TRAIN[:40], seed=43), problem(probe, at=0, seed=44)]


def logits(probe: Probe, x: Floats, y: Targets, classes: int | None = None) -> Floats:
    return fit(probe, x, y, [problem(probe)], classes)[0].logits(x)


def test_there_are_probes() -> None:
    assert {"centroid", "knn", "logistic", "m2d_paper", "mlp"} <= set(probes.names())


def test_grid_and_seeds_are_there(probe: Probe) -> None:
    json.dumps(probe.options)
    assert len(probe.grid) == len(set(probe.grid)) >= 1
    assert probe.seeds >= 1


def test_same_fit_every_time(probe: Probe, fitted: Fitted) -> None:
    x, y = clouds(100, 12, 3)
    assert np.array_equal(fitted.logits(x), logits(opened_again(probe), x, y))


def test_fit_ignores_the_other_problems_and_their_order(probe: Probe) -> None:
    x, y = clouds(100, 12, 3)
    problems = three_problems(probe)
    together, reversed_ = fit(probe, x, y, problems), fit(probe, x, y, problems[::-1])[::-1]
    for one, with_others, in_other_order in zip(problems, together, reversed_, strict=True):
        alone = fit(probe, x, y, [one])[0].logits(x)
        for found in (with_others.logits(x), in_other_order.logits(x)):
            np.testing.assert_allclose(found, alone, rtol=0, atol=CERTIFIED.get(probe.name, 0))


def test_number_of_cores_changes_no_bit(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = clouds(100, 150, 3)
    fits = []
    for cores in (1, 3):
        monkeypatch.setattr(threads, "cores", lambda cores=cores: cores)
        fits.append([each.logits(x) for each in fit(probe, x, y, three_problems(probe))])
    assert np.array_equal(fits[0], fits[1])


def test_rows_outside_train_and_valid_are_never_read(probe: Probe, fitted: Fitted) -> None:
    x, y = clouds(100, 12, 3)
    poisoned = x.copy()
    poisoned[OTHERS] = np.nan
    after = fit(probe, poisoned, y, [problem(probe)])[0]
    assert np.array_equal(fitted.logits(x), after.logits(x))


def test_valid_rows_change_no_statistics_of_training(probe: Probe) -> None:
    x, y = clouds(100, 12, 3)
    nothing = np.empty(0, dtype=np.int64)
    before = fit(probe, x, y, [problem(probe, valid=nothing)])[0]
    x_after = x.copy()
    x_after[VALID] *= 100
    after = fit(probe, x_after, y, [problem(probe, valid=nothing)])[0]
    assert np.array_equal(before.logits(x), after.logits(x))


def test_unit_and_offset_of_each_feature_are_irrelevant(probe: Probe, fitted: Fitted) -> None:
    x, y = clouds(100, 12, 3)
    units = np.logspace(-6, 6, 12, dtype=np.float32)
    np.testing.assert_allclose(logits(probe, units * (x + 3), y), fitted.logits(x), rtol=1e-3, atol=1e-3)


def test_input_is_left_as_it_was(probe: Probe) -> None:
    x, y = clouds(100, 12, 3)
    x_before, y_before = x.copy(), y.copy()
    logits(probe, x, y)
    assert np.array_equal(x, x_before)
    assert np.array_equal(y, y_before)


def test_read_only_memory_maps_are_fitted(probe: Probe, fitted: Fitted, tmp_path: pytest.TempPathFactory) -> None:
    x, y = clouds(100, 12, 3)
    np.save(f"{tmp_path}/x.npy", x)
    mapped = np.load(f"{tmp_path}/x.npy", mmap_mode="r")
    assert np.array_equal(logits(probe, mapped, y), fitted.logits(x))


class InBlocks(np.ndarray):
    """Embeddings that note how many of their rows were copied or computed with at a time."""

    most = 0

    def __array_finalize__(self, other: object) -> None:
        if self.ndim == 2 and self.shape[1:] == (DIM,):
            InBlocks.most = max(InBlocks.most, len(self) if len(self) < ROWS else 0)

    def take(self, indices: Rows, axis: int | None = None, out: Floats | None = None, mode: str = "raise") -> Floats:
        InBlocks.most = max(InBlocks.most, len(indices))
        return np.asarray(self).take(indices, axis=axis, out=out, mode=mode)


def test_rows_are_read_block_by_block_and_never_copied_as_a_whole(
    probe: Probe,
) -> None:
    x, y = clouds(ROWS, DIM, 3)
    few_steps = opened_again(probe, **QUICK.get(probe.name, {}))
    train, rest = np.arange(0, ROWS - 100), np.arange(ROWS - 100, ROWS)
    InBlocks.most = 0
    watched = examples(x.view(InBlocks), y)
    (fitted,) = few_steps.fit(watched, [Problem(train, rest, few_steps.grid[0], 0)], metric("accuracy"))
    predictions.logits(fitted, watched.x, rest)
    assert 0 < InBlocks.most <= 4096


def test_every_fit_is_counted_once(probe: Probe, advances: list[int]) -> None:
    fit(probe, *clouds(100, 12, 3), three_problems(probe))
    assert sum(advances) == 3


def test_logits_of_a_clip_ignore_the_other_clips(fitted: Fitted) -> None:
    x, _ = clouds(100, 12, 3)
    alone = np.concatenate([fitted.logits(x[row : row + 1]) for row in range(100)])
    np.testing.assert_allclose(alone, fitted.logits(x), rtol=1e-4, atol=1e-5)


def test_clouds_far_apart_are_distinguished(probe: Probe) -> None:
    x, y = clouds(100, 400, 3)
    assert metric("accuracy")(logits(probe, x, y)[OTHERS], y[OTHERS]) > 0.8


def test_classes_absent_from_training_keep_their_column(probe: Probe) -> None:
    x, y = clouds(100, 12, 3)
    found = logits(probe, x, np.where(y == 1, 3, y), classes=5)
    assert found.shape == (100, 5)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


@pytest.mark.parametrize(("dim", "classes"), [(12, 2), (12, 3), (1, 2), (90, 3)], ids=str)
def test_any_shape_gives_finite_logits(probe: Probe, dim: int, classes: int) -> None:
    x, y = clouds(100, dim, classes)
    found = logits(probe, x, y)
    assert found.shape == (100, classes)
    assert np.isfinite(found).all()


def test_constant_columns_say_nothing(probe: Probe) -> None:
    x, y = clouds(100, 12, 3)
    x[TRAIN, 4] = 0.1
    elsewhere = x.copy()
    elsewhere[OTHERS, 4] = 1e6
    fitted = fit(probe, x, y, [problem(probe)])[0]
    assert np.array_equal(fitted.logits(x[OTHERS]), fitted.logits(elsewhere[OTHERS]))


def test_multi_label_targets_are_fitted(probe: Probe) -> None:
    x, y = labels(100, 12, 4)
    y[TRAIN, 1], y[TRAIN, 2] = False, True
    found = logits(probe, x, y)
    assert found.shape == (100, 4)
    assert np.isfinite(found).all()
