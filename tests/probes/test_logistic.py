import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from evar.probes.contract import NO_ROWS, Fitted, Floats, Problem, Targets
from evar.probes.logistic import GRID, LOWEST, open_probe
from evar.testing.clouds import clouds, examples, labels


def fit(x: Floats, y: Targets, c: float = 0.1, classes: int | None = None, max_iter: int = 1000) -> Fitted:
    problem = Problem(np.arange(len(x)), NO_ROWS, c, 42)
    return open_probe(max_iter=max_iter).fit(examples(x, y, classes), [problem], lambda *_: 0.0)[0]


def by_scikit_learn(x: Floats, y: Targets, c: float = 0.1) -> np.ndarray:
    z = StandardScaler().fit_transform(x.astype(np.float64))
    found: np.ndarray = LogisticRegression(C=c, tol=1e-8, max_iter=10_000).fit(z, y).decision_function(z)
    return found


def test_published_grid_is_eight_decades() -> None:
    assert tuple(10.0**power for power in range(-6, 2)) == GRID
    assert open_probe().grid == GRID


@pytest.mark.parametrize(("clips", "dim"), [(90, 8), (40, 70)], ids=["more clips", "more dimensions"])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_logits_agree_with_scikit_learn_on_standardised_rows(clips: int, dim: int, classes: int) -> None:
    x, y = clouds(clips, dim, classes, apart=0.3)
    ours, theirs = fit(x, y).logits(x), by_scikit_learn(x, y)
    if classes == 2:
        ours = ours[:, 1] - ours[:, 0]
    np.testing.assert_allclose(ours, theirs, atol=1e-2)


def test_hundreds_of_constant_columns_change_nothing() -> None:
    """As a histogram has of grey pictures; LAPACK may find no eigenvectors of so many equal eigenvalues."""
    few, y = clouds(600, 8, 3, apart=0.3)
    x = np.zeros((600, 512), dtype=np.float32)
    x[:, ::73] = few
    np.testing.assert_allclose(fit(x, y).logits(x), fit(few, y).logits(few), atol=1e-3)


def test_two_classes_have_opposite_logits() -> None:
    x, y = clouds(50, 4, 2)
    logits = fit(x, y).logits(x)
    np.testing.assert_array_equal(logits[:, 0], -logits[:, 1])


def test_multi_label_is_one_binary_fit_a_class() -> None:
    x, y = labels(80, 6, 3)
    logits = fit(x, y).logits(x)
    for column in range(3):
        np.testing.assert_allclose(logits[:, column], by_scikit_learn(x, y[:, column]), atol=1e-2)


def test_class_without_training_clips_never_wins() -> None:
    x, y = clouds(60, 5, 3)
    logits = fit(x, np.where(y == 1, 4, y), classes=6).logits(1000 * x)
    assert (logits[:, [1, 3, 5]] == LOWEST).all()
    assert set(logits.argmax(axis=1)) <= {0, 2, 4}


def test_single_class_in_training_always_wins() -> None:
    x, y = clouds(20, 5, 1)
    assert (fit(x, y + 2, classes=4).logits(x).argmax(axis=1) == 2).all()


def test_label_without_positives_is_lowest_and_without_negatives_highest() -> None:
    x, y = labels(40, 5, 3)
    y[:, 0], y[:, 2] = False, True
    logits = fit(x, y).logits(x)
    assert (logits[:, 0] == LOWEST).all()
    assert (logits[:, 2] == -LOWEST).all()
    assert np.ptp(logits[:, 1]) > 0


def test_too_few_iterations_are_said_and_warn_nobody() -> None:
    x, y = clouds(60, 5, 3)
    assert not fit(x, y, c=10.0, max_iter=1).converged
    assert fit(x, y).converged
