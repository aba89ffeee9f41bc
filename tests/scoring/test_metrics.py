import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, average_precision_score

from evar.errors import DataError, UsageError
from evar.scoring import metrics

quick = settings(deadline=None, max_examples=40, database=None)
CLIPS, CLASSES = 25, 4
scores = hnp.arrays(np.float32, (CLIPS, CLASSES), elements=st.integers(-3, 3).map(float))  # integers: many are equal
weights = hnp.arrays(np.float64, (CLIPS, 3), elements=st.integers(0, 4).map(float))
labels = hnp.arrays(np.bool_, (CLIPS, CLASSES))
classes = hnp.arrays(np.int64, CLIPS, elements=st.integers(0, CLASSES - 1))


def by_scikit_learn(targets: np.ndarray, logits: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Mean over the classes with a positive of any weight; NaN where there is none."""
    weight = np.ones(len(logits)) if weight is None else weight
    there = [k for k in range(logits.shape[1]) if weight[targets[:, k]].any()]
    each = [average_precision_score(targets[:, k], logits[:, k], sample_weight=weight) for k in there]
    return float(np.mean(each)) if each else float("nan")


@given(scores, classes)
@quick
def test_accuracy_agrees_with_scikit_learn(logits: np.ndarray, targets: np.ndarray) -> None:
    expected = accuracy_score(targets, logits.argmax(axis=1))
    assert metrics.metric("accuracy")(logits, targets) == pytest.approx(expected, abs=1e-12)


@given(scores, classes, weights)
@quick
def test_weighted_accuracy_agrees_with_scikit_learn(logits: np.ndarray, targets: np.ndarray, table: np.ndarray) -> None:
    found = metrics.accuracy(logits, targets)(table)
    for column, score in zip(table.T, found, strict=True):
        if column.any():
            expected = accuracy_score(targets, logits.argmax(axis=1), sample_weight=column)
            assert score == pytest.approx(expected, abs=1e-12)
        else:
            assert np.isnan(score)


@given(scores, labels.filter(np.any))
@quick
def test_map_agrees_with_scikit_learn(logits: np.ndarray, targets: np.ndarray) -> None:
    assert metrics.metric("mAP")(logits, targets) == pytest.approx(by_scikit_learn(targets, logits), abs=1e-12)


@given(scores, labels.filter(np.any), weights)
@quick
def test_weighted_map_agrees_with_scikit_learn(logits: np.ndarray, targets: np.ndarray, table: np.ndarray) -> None:
    found = metrics.mean_average_precision(logits, targets)(table)
    expected = [by_scikit_learn(targets, logits, column) for column in table.T]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_weights_count_clips_that_often() -> None:
    draws = np.random.default_rng(0)
    logits, targets = draws.normal(size=(30, 3)).astype(np.float32), draws.random((30, 3)) < 0.3
    drawn = draws.integers(30, size=30)
    weights = np.bincount(drawn, minlength=30)[:, None].astype(np.float32)
    repeated = metrics.metric("mAP")(logits[drawn], targets[drawn])
    assert metrics.mean_average_precision(logits, targets)(weights)[0] == pytest.approx(repeated, abs=1e-12)


def test_classes_without_positive_clips_are_left_out_and_counted() -> None:
    logits = np.float32([[3, 0, 1], [2, 0, 2], [1, 0, 3]])
    targets = np.array([[True, False, True], [False, False, False], [False, False, False]])
    assert metrics.metric("mAP")(logits, targets) == pytest.approx((1 + 1 / 3) / 2)
    assert metrics.without_positives(targets) == 1
    assert metrics.without_positives(np.array([0, 1])) == 0


def test_map_without_any_positive_clip_is_refused() -> None:
    with pytest.raises(DataError, match="positive clip"):
        metrics.metric("mAP")(np.zeros((3, 2), np.float32), np.zeros((3, 2), np.bool_))


def test_first_of_equal_logits_is_the_prediction() -> None:
    assert metrics.metric("accuracy")(np.zeros((2, 3), np.float32), np.array([0, 1])) == 0.5


def test_huge_logits_are_ranked_exactly() -> None:
    logits = np.float32([[1e30], [-1e30], [0], [1]])
    targets = np.array([[True], [False], [False], [True]])
    assert metrics.metric("mAP")(logits, targets) == 1.0


def test_unknown_metric_names_the_near_one() -> None:
    with pytest.raises(UsageError, match="did you mean accuracy"):
        metrics.metric("acuracy")
    with pytest.raises(UsageError, match="valid: accuracy, mAP"):
        metrics.prepare("loss", np.zeros((1, 1), np.float32), np.zeros(1, np.int64))


@pytest.mark.parametrize(
    ("name", "logits", "targets"),
    [
        ("accuracy", (3, 2), (4,)),
        ("accuracy", (3, 2), (3, 2)),
        ("accuracy", (0, 2), (0,)),
        ("mAP", (3, 2), (3,)),
        ("mAP", (3, 2), (3, 4)),
        ("mAP", (3,), (3,)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(name: str, logits: tuple[int, ...], targets: tuple[int, ...]) -> None:
    kind = np.int64 if len(targets) == 1 else np.bool_
    with pytest.raises(ValueError, match="must be"):
        metrics.metric(name)(np.zeros(logits, np.float32), np.ones(targets, kind))
