import numpy as np
import pytest
import torch

from evar import probes
from evar.probes import adam, m2d_paper
from evar.probes.contract import NO_ROWS, Floats, Problem, Targets
from evar.probes.linear import LinearFit
from evar.probes.m2d_paper import open_probe
from evar.probes.networks import initial
from evar.scoring.metrics import metric
from evar.testing.clouds import clouds, examples, labels

TRAIN, VALID = np.arange(60), np.arange(60, 80)


def fit(
    x: Floats, y: Targets, scores: list[float] | None = None, valid: np.ndarray = VALID, **options: float
) -> LinearFit:
    """Fit with validation scores as listed, the last one for ever after; by accuracy where none are listed."""
    left = list(scores or [])

    def score(logits: Floats, targets: Targets) -> float:
        return metric("accuracy")(logits, targets) if scores is None else left.pop(0) if len(left) > 1 else left[0]

    probe = open_probe(**options)  # type: ignore[arg-type]
    found = probe.fit(examples(x, y), [Problem(TRAIN, valid, None, 42)], score)[0]
    assert isinstance(found, LinearFit)
    return found


def by_hand(x: Floats, y: Targets, epochs: int, batch: int, lr: float) -> tuple[np.ndarray, np.ndarray]:
    """The papers' training written out: weights (class, dim) and bias (class,) in float64 after some epochs."""
    z = (x[TRAIN] - x[TRAIN].mean(0, dtype=float)) / x[TRAIN].std(0, dtype=float)
    hot = y[TRAIN].astype(float) if y.ndim == 2 else np.eye(y.max() + 1)[y[TRAIN]]
    generator = torch.Generator().manual_seed(42)
    weights, bias = initial((x.shape[1], hot.shape[1]), generator)
    theta = np.column_stack([weights.numpy(), bias[:, 0].numpy()]).astype(float)
    first, second, step = np.zeros_like(theta), np.zeros_like(theta), 0
    for _ in range(epochs):
        for rows in torch.randperm(len(z), generator=generator).split(batch):
            features = np.column_stack([z[rows], np.ones(len(rows))])
            logits = features @ theta.T
            p = 1 / (1 + np.exp(-logits)) if y.ndim == 2 else np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            gradient = (p - hot[rows]).T @ features / (len(rows) * hot.shape[1]) + 1e-8 * theta
            step += 1
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            theta -= lr * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return theta[:, :-1], theta[:, -1]


def test_defaults_are_the_papers_values() -> None:
    assert probes.open_probe("m2d_paper").options == {"lr": 3e-5, "epochs": 200, "patience": 20, "batch_size": 200}
    assert (adam.BETAS, m2d_paper.WEIGHT_DECAY) == ((0.9, 0.999), 1e-8)
    assert open_probe().seeds == 3
    assert open_probe().validation == "random"


@pytest.mark.parametrize("make", [clouds, labels], ids=["single-label", "multi-label"])
def test_training_is_adam_on_the_loss_averaged_over_batch_and_classes(make: type) -> None:
    x, y = make(80, 7, 3)
    found = fit(x, y, [0.0], epochs=6, batch_size=20, lr=1e-2)
    weights, bias = by_hand(x, y, 6, 20, 1e-2)
    np.testing.assert_allclose(found.weights.T, weights, atol=1e-5)
    np.testing.assert_allclose(found.bias, bias, atol=1e-5)


def test_last_batch_may_be_smaller_and_is_averaged_over_its_own_clips() -> None:
    x, y = clouds(80, 7, 3)
    found = fit(x, y, [0.0], epochs=3, batch_size=22, lr=1e-2)
    np.testing.assert_allclose(found.weights.T, by_hand(x, y, 3, 22, 1e-2)[0], atol=1e-5)


def test_training_ends_when_the_best_epoch_is_20_epochs_old() -> None:
    x, y = clouds(80, 7, 3)
    found = fit(x, y, [0.1, 0.5, 0.4])
    assert found.converged
    np.testing.assert_array_equal(found.weights, fit(x, y, [0.0], epochs=2).weights)


def test_training_ends_at_the_last_epoch_and_says_that_it_did_not_converge() -> None:
    x, y = clouds(80, 7, 3)
    found = fit(x, y, [0.1, 0.5, 0.4], epochs=21)
    assert not found.converged
    np.testing.assert_array_equal(found.weights, fit(x, y, [0.0], epochs=2).weights)


def test_latest_of_equally_good_epochs_is_kept_and_counted_from() -> None:
    x, y = clouds(80, 7, 3)
    found = fit(x, y, [0.5, 0.1, 0.1, 0.5, 0.1], patience=3)
    np.testing.assert_array_equal(found.weights, fit(x, y, [0.0], epochs=4).weights)


def test_without_validation_rows_all_epochs_are_trained() -> None:
    x, y = clouds(80, 7, 3)
    np.testing.assert_array_equal(fit(x, y, valid=NO_ROWS, epochs=30).weights, fit(x, y, [0.0], epochs=30).weights)


def test_another_seed_is_another_fit() -> None:
    x, y = clouds(80, 7, 3)
    problems = [Problem(TRAIN, VALID, None, seed) for seed in (42, 43)]
    one, other = open_probe().fit(examples(x, y), problems, metric("accuracy"))
    assert not np.array_equal(one.logits(x), other.logits(x))


def test_global_random_state_and_threads_are_left_alone() -> None:
    x, y = clouds(80, 7, 3)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    fit(x, y, epochs=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
