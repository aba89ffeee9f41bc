"""What every probe must keep to, as a class of tests.

class TestMine(ProbeContract):
calls = ("ridge", "ridge(penalties=[1.0])")
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from evar import probes
from evar.base import threads
from evar.base.progress import displayed, progress
from evar.probes import predictions
from evar.probes.contract import Fitted, Floats, Probe, Problem, Rows, Targets
from evar.scoring.metrics import metric
from evar.testing.clouds import clouds, examples, labels

ROWS, DIM = 9000, 6
TRAIN, VALID, OTHERS = np.arange(0, 60), np.arange(60, 80), np.arange(80, 100)


class InBlocks(np.ndarray):
    """Embeddings that note how many of their rows were copied or computed with at a time."""

    most = 0

    def __array_finalize__(self, other: object) -> None:
        if self.ndim == 2 and self.shape[1:] == (DIM,):
            InBlocks.most = max(InBlocks.most, len(self) if len(self) < ROWS else 0)

    def take(self, indices: Any, *how: Any, **named: Any) -> Any:
        InBlocks.most = max(InBlocks.most, len(indices))
        return np.asarray(self).take(indices, *how, **named)


class ProbeContract:
    """Subclass it in a file of tests, by a name that begins with Test.

    calls:      the probes, as `--probe` takes them
    quick:      name of a probe -> options with which it takes few steps, for 9,000 clips
    certified:  name of a probe -> how far logits may differ where other problems are fitted beside; others not a bit
    """

    calls: ClassVar[Sequence[str]] = ()
    quick: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    certified: ClassVar[Mapping[str, float]] = {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Each test on each call."""
        if "call" in metafunc.fixturenames:
            metafunc.parametrize("call", self.calls, scope="class")

    @pytest.fixture(scope="class")
    @classmethod
    def probe(cls, call: str) -> Probe:
        """The probe of a call."""
        return probes.open_probe(call)

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, probe: Probe) -> Fitted:
        """The probe on clouds(100, 12, 3)."""
        return fit(probe, *clouds(100, 12, 3), [problem(probe)])[0]

    @pytest.fixture
    def counted(self) -> Iterator[list[int]]:
        """By how much the progress bar is advanced, one time after another."""
        amounts: list[int] = []

        @contextlib.contextmanager
        def display(stage: str, *, total: int, unit: str, initial: int) -> Iterator[Any]:
            yield lambda amount, text="": amounts.append(amount)

        with displayed(display), progress("a test", total=0, unit="fit"):
            yield amounts

    def test_grid_and_seeds_are_there(self, probe: Probe) -> None:
        json.dumps(probe.options)
        assert len(probe.grid) == len(set(probe.grid)) >= 1
        assert probe.seeds >= 1

    def test_same_fit_every_time(self, probe: Probe, fitted: Fitted) -> None:
        x, y = clouds(100, 12, 3)
        assert np.array_equal(fitted.logits(x), logits(opened_again(probe), x, y))

    def test_fit_ignores_the_other_problems_and_their_order(self, probe: Probe) -> None:
        x, y = clouds(100, 12, 3)
        problems = three_problems(probe)
        together, reversed_ = fit(probe, x, y, problems), fit(probe, x, y, problems[::-1])[::-1]
        for one, with_others, in_other_order in zip(problems, together, reversed_, strict=True):
            alone = fit(probe, x, y, [one])[0].logits(x)
            for found in (with_others.logits(x), in_other_order.logits(x)):
                np.testing.assert_allclose(found, alone, rtol=0, atol=self.certified.get(probe.name, 0))

    def test_number_of_cores_changes_no_bit(self, probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
        x, y = clouds(100, 150, 3)
        fits = []
        for cores in (1, 3):
            monkeypatch.setattr(threads, "cores", lambda cores=cores: cores)
            fits.append([each.logits(x) for each in fit(probe, x, y, three_problems(probe))])
        assert np.array_equal(fits[0], fits[1])

    def test_rows_outside_train_and_valid_are_never_read(self, probe: Probe, fitted: Fitted) -> None:
        x, y = clouds(100, 12, 3)
        poisoned = x.copy()
        poisoned[OTHERS] = np.nan
        after = fit(probe, poisoned, y, [problem(probe)])[0]
        assert np.array_equal(fitted.logits(x), after.logits(x))

    def test_valid_rows_change_no_statistics_of_training(self, probe: Probe) -> None:
        x, y = clouds(100, 12, 3)
        nothing = np.empty(0, dtype=np.int64)
        before = fit(probe, x, y, [problem(probe, valid=nothing)])[0]
        x_after = x.copy()
        x_after[VALID] *= 100
        after = fit(probe, x_after, y, [problem(probe, valid=nothing)])[0]
        assert np.array_equal(before.logits(x), after.logits(x))

    def test_unit_and_offset_of_each_feature_are_irrelevant(self, probe: Probe, fitted: Fitted) -> None:
        x, y = clouds(100, 12, 3)
        units = np.logspace(-6, 6, 12, dtype=np.float32)
        np.testing.assert_allclose(logits(probe, units * (x + 3), y), fitted.logits(x), rtol=1e-3, atol=1e-3)

    def test_input_is_left_as_it_was(self, probe: Probe) -> None:
        x, y = clouds(100, 12, 3)
        x_before, y_before = x.copy(), y.copy()
        logits(probe, x, y)
        assert np.array_equal(x, x_before)
        assert np.array_equal(y, y_before)

    def test_read_only_memory_maps_are_fitted(self, probe: Probe, fitted: Fitted, tmp_path: Path) -> None:
        x, y = clouds(100, 12, 3)
        np.save(f"{tmp_path}/x.npy", x)
        mapped = np.load(f"{tmp_path}/x.npy", mmap_mode="r")
        assert np.array_equal(logits(probe, mapped, y), fitted.logits(x))

    def test_rows_are_read_block_by_block_and_never_copied_as_a_whole(self, probe: Probe) -> None:
        x, y = clouds(ROWS, DIM, 3)
        few_steps = opened_again(probe, **self.quick.get(probe.name, {}))
        train, rest = np.arange(0, ROWS - 100), np.arange(ROWS - 100, ROWS)
        InBlocks.most = 0
        watched = examples(x.view(InBlocks), y)
        (fitted,) = few_steps.fit(watched, [Problem(train, rest, few_steps.grid[0], 0)], metric("accuracy"))
        predictions.logits(fitted, watched.x, rest)
        assert 0 < InBlocks.most <= 4096

    def test_every_fit_is_counted_once(self, probe: Probe, counted: list[int]) -> None:
        fit(probe, *clouds(100, 12, 3), three_problems(probe))
        assert sum(counted) == 3

    def test_logits_of_a_clip_ignore_the_other_clips(self, fitted: Fitted) -> None:
        x, _ = clouds(100, 12, 3)
        alone = np.concatenate([fitted.logits(x[row : row + 1]) for row in range(100)])
        np.testing.assert_allclose(alone, fitted.logits(x), rtol=1e-4, atol=1e-5)

    def test_clouds_far_apart_are_distinguished(self, probe: Probe) -> None:
        x, y = clouds(100, 400, 3)
        assert metric("accuracy")(logits(probe, x, y)[OTHERS], y[OTHERS]) > 0.8

    def test_classes_absent_from_training_keep_their_column(self, probe: Probe) -> None:
        x, y = clouds(100, 12, 3)
        found = logits(probe, x, np.where(y == 1, 3, y), classes=5)
        assert found.shape == (100, 5)
        assert found.dtype == np.float32
        assert np.isfinite(found).all()

    @pytest.mark.parametrize(("dim", "classes"), [(12, 2), (12, 3), (1, 2), (90, 3)], ids=str)
    def test_any_shape_gives_finite_logits(self, probe: Probe, dim: int, classes: int) -> None:
        x, y = clouds(100, dim, classes)
        found = logits(probe, x, y)
        assert found.shape == (100, classes)
        assert np.isfinite(found).all()

    def test_constant_columns_say_nothing(self, probe: Probe) -> None:
        x, y = clouds(100, 12, 3)
        x[TRAIN, 4] = 0.1
        elsewhere = x.copy()
        elsewhere[OTHERS, 4] = 1e6
        fitted = fit(probe, x, y, [problem(probe)])[0]
        assert np.array_equal(fitted.logits(x[OTHERS]), fitted.logits(elsewhere[OTHERS]))

    def test_multi_label_targets_are_fitted(self, probe: Probe) -> None:
        x, y = labels(100, 12, 4)
        y[TRAIN, 1], y[TRAIN, 2] = False, True
        found = logits(probe, x, y)
        assert found.shape == (100, 4)
        assert np.isfinite(found).all()


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
