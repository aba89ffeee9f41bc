import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import ndtri
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    label_ranking_average_precision_score,
    recall_score,
    roc_auc_score,
    top_k_accuracy_score,
)

from evar.base.errors import DataError, UsageError
from evar.scoring import metrics, multi_label
from evar.scoring.metrics import METRICS, OF_CLASSES

quick = settings(deadline=None, max_examples=20, database=None)
CLIPS, CLASSES = 25, 4
scores = hnp.arrays(np.float32, (CLIPS, CLASSES), elements=st.integers(-3, 3).map(float))  # integers: many are equal
weights = hnp.arrays(np.float64, (CLIPS, 3), elements=st.integers(0, 4).map(lambda count: count / 3))
labels = hnp.arrays(np.bool_, (CLIPS, CLASSES))
classes = hnp.arrays(np.int64, CLIPS, elements=st.integers(0, CLASSES - 1))


def of_one_class(name: str, targets: np.ndarray, logits: np.ndarray, weight: np.ndarray, k: int) -> float:
    """What scikit-learn says of class k where `weight` (clip,) leaves something to score, else NaN."""
    positive = targets == k if targets.ndim == 1 else targets[:, k]
    if not weight[positive].any() or (name == "auc" and not weight[~positive].any()):
        return float("nan")
    if name == "auc":
        return roc_auc_score(positive, logits[:, k], sample_weight=weight)
    if name == "average_precision":
        return average_precision_score(positive, logits[:, k], sample_weight=weight)
    score = {"recall": recall_score, "f1": f1_score}[name]
    (found,) = score(targets, logits.argmax(axis=1), labels=[k], average=None, sample_weight=weight, zero_division=0)
    return float(found)


def by_scikit_learn(name: str, targets: np.ndarray, logits: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Of all classes."""
    return np.array([of_one_class(name, targets, logits, weight, k) for k in range(logits.shape[1])])


def agree(name: str, logits: np.ndarray, targets: np.ndarray, table: np.ndarray) -> None:
    """Each class's score for each column of weights, and their mean."""
    found = OF_CLASSES[name](logits, targets)(table)
    expected = np.stack([by_scikit_learn(name, targets, logits, column) for column in table.T], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(
        metrics.of_classes(name, logits, targets),
        by_scikit_learn(name, targets, logits, np.ones(len(logits))),
        atol=1e-12,
    )
    means = [np.mean(column[~np.isnan(column)]) if not np.isnan(column).all() else np.nan for column in expected.T]
    metric = {"recall": "balanced_accuracy", "f1": "macro_f1", "average_precision": "mAP", "auc": "macro_auc"}[name]
    np.testing.assert_allclose(metrics.lookup(metric).prepare(logits, targets)(table), means, atol=1e-12)


@pytest.mark.parametrize("name", ["recall", "f1"])
@given(scores, classes, weights)
@quick
def test_balanced_accuracy_and_macro_f1_agree_with_scikit_learn(
    name: str, logits: np.ndarray, targets: np.ndarray, table: np.ndarray
) -> None:
    agree(name, logits, targets, table)


@given(scores, labels.filter(np.any), weights)
@quick
def test_map_agrees_with_scikit_learn(logits: np.ndarray, targets: np.ndarray, table: np.ndarray) -> None:
    agree("average_precision", logits, targets, table)


def test_map_of_a_single_label_task_ranks_clips_by_the_softmax_of_their_logits() -> None:
    draws = np.random.default_rng(0)
    logits, targets = draws.normal(size=(60, 5)).astype(np.float32), draws.integers(0, 4, 60)  # none of class 4
    table = draws.integers(0, 3, (60, 2)).astype(np.float64)
    odds = np.exp(logits.astype(np.float64))
    shares = odds / odds.sum(axis=1, keepdims=True)
    found = metrics.lookup("mAP").prepare(logits, targets)(table)
    for k, weight in enumerate(table.T):
        expected = np.mean(
            [average_precision_score(targets == each, shares[:, each], sample_weight=weight) for each in range(4)]
        )
        assert found[k] == pytest.approx(expected, abs=1e-12)
    shifted = logits + np.arange(60, dtype=np.float32)[:, None]
    assert metrics.metric("mAP")(shifted, targets) == pytest.approx(metrics.metric("mAP")(logits, targets), abs=1e-9)


@given(scores, labels.filter(lambda each: (each.any(axis=0) & ~each.all(axis=0)).any()), weights)
@quick
def test_macro_auc_agrees_with_scikit_learn(logits: np.ndarray, targets: np.ndarray, table: np.ndarray) -> None:
    agree("auc", logits, targets, table)


@given(scores, labels.filter(lambda each: (each.any(axis=0) & ~each.all(axis=0)).any()), weights)
@quick
def test_d_prime_is_that_of_macro_auc(logits: np.ndarray, targets: np.ndarray, table: np.ndarray) -> None:
    area = metrics.lookup("macro_auc").prepare(logits, targets)(table)
    np.testing.assert_allclose(
        metrics.lookup("d_prime").prepare(logits, targets)(table), 2**0.5 * ndtri(area), atol=1e-12
    )


def lwlrap_by_hand(logits: np.ndarray, targets: np.ndarray, weight: np.ndarray) -> float:
    """Its definition: labels go down each clip's list, and classes are weighed by how many positives they have."""
    precisions: dict[int, list[tuple[float, float]]] = {}
    for scores, positive, times in zip(logits.tolist(), targets.tolist(), weight.tolist(), strict=True):
        for label in range(len(scores)):
            if positive[label] and times:
                ranked = [positive[other] for other in range(len(scores)) if scores[other] >= scores[label]]
                precisions.setdefault(label, []).append((sum(ranked) / len(ranked), times))
    count = {label: sum(times for _, times in own) for label, own in precisions.items()}
    of_class = {label: sum(p * times for p, times in own) / count[label] for label, own in precisions.items()}
    return sum(of_class[label] * count[label] for label in count) / sum(count.values()) if count else np.nan


@given(scores, labels.filter(np.any), weights)
@quick
def test_lwlrap_is_the_mean_over_labels_of_their_precision_in_their_clip_s_ranking(
    logits: np.ndarray, targets: np.ndarray, table: np.ndarray
) -> None:
    found = metrics.lookup("lwlrap").prepare(logits, targets)(table)
    expected = [lwlrap_by_hand(logits, targets, column) for column in table.T]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@given(scores, labels.filter(np.any))
@quick
def test_lwlrap_agrees_with_scikit_learn(logits: np.ndarray, targets: np.ndarray) -> None:
    """Whose score of a clip counts as often as the clip has labels."""
    expected = label_ranking_average_precision_score(targets, logits, sample_weight=targets.sum(axis=1))
    assert metrics.metric("lwlrap")(logits, targets) == pytest.approx(expected, abs=1e-12)


def test_lwlrap_sees_only_the_order_within_a_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    """And blocks of labels make no difference."""
    draws = np.random.default_rng(0)
    logits, targets = draws.normal(size=(30, 8)).astype(np.float32), draws.random((30, 8)) < 0.3
    monkeypatch.setattr(multi_label, "LABELS", 7)
    shifted = np.exp(logits) * np.arange(1, 31, dtype=np.float32)[:, None]
    order = draws.permutation(8)
    found = {metrics.metric("lwlrap")(x, y) for x, y in ((logits, targets), (shifted, targets))}
    assert len(found) == 1
    assert metrics.metric("lwlrap")(logits[:, order], targets[:, order]) == pytest.approx(found.pop(), abs=1e-12)
    assert metrics.metric("lwlrap")(logits[:8], np.eye(8, dtype=np.bool_)) == pytest.approx(
        np.mean([1 / (logits[k] >= logits[k, k]).sum() for k in range(8)])
    )


@given(scores, classes, weights)
@quick
def test_chroma_accuracy_is_the_accuracy_of_notes_whatever_their_octave(
    logits: np.ndarray, targets: np.ndarray, table: np.ndarray
) -> None:
    pitches = np.array([21, 33, 60, 48])  # A, A, C, C
    found = metrics.lookup("chroma_accuracy", pitches).prepare(logits, targets)(table)
    said, true = ([("A", "A", "C", "C")[k] for k in each] for each in (logits.argmax(axis=1), targets))
    for column, score in zip(table.T, found, strict=True):
        if column.any():
            assert score == pytest.approx(accuracy_score(true, said, sample_weight=column), abs=1e-12)
        else:
            assert np.isnan(score)


def test_chroma_accuracy_of_classes_that_are_no_pitches_is_refused() -> None:
    with pytest.raises(DataError, match="pitches: true"):
        metrics.metric("chroma_accuracy")
    assert metrics.fitting("single-label", 4, np.arange(4))[-1] == "chroma_accuracy"


partly_known = hnp.arrays(np.int8, (CLIPS, CLASSES), elements=st.sampled_from([-1, -1, 0, 0, 1])).filter(
    lambda each: ((each == 1).any(axis=0) & (each == 0).any(axis=0)).any()
)


@pytest.mark.parametrize("name", ["average_precision", "auc"])
@given(scores, partly_known, weights)
@quick
def test_class_ranks_the_clips_of_which_it_is_known(
    name: str, logits: np.ndarray, targets: np.ndarray, table: np.ndarray
) -> None:
    found = OF_CLASSES[name](logits, targets)(table)
    for k in range(CLASSES):
        there = targets[:, k] >= 0
        expected = [of_one_class(name, targets[there] == 1, logits[there], each[there], k) for each in table.T]
        if name == "auc" and not (targets[:, k] == 0).any():
            expected = [np.nan] * 3
        np.testing.assert_allclose(found[k], expected, atol=1e-12)


@given(scores, partly_known, weights)
@quick
def test_lwlrap_ranks_the_labels_that_are_known_of_a_clip(
    logits: np.ndarray, targets: np.ndarray, table: np.ndarray
) -> None:
    lowest = np.where(targets >= 0, logits, -np.inf)  # below all labels that count
    found = metrics.lookup("lwlrap").prepare(logits, targets)(table)
    expected = [lwlrap_by_hand(lowest, targets == 1, column) for column in table.T]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("name", ["mAP", "macro_auc", "d_prime", "lwlrap"])
@given(scores, partly_known)
@quick
def test_logits_of_unknown_entries_score_nothing(name: str, logits: np.ndarray, targets: np.ndarray) -> None:
    other = np.where(targets >= 0, logits, 7 - 3 * logits)
    assert metrics.metric(name)(other, targets) == metrics.metric(name)(logits, targets)
    known = np.where(targets >= 0, targets, 0)
    assert metrics.metric(name)(logits, known) == metrics.metric(name)(logits, known == 1)


def test_class_whose_positives_are_unknown_is_left_out_and_counted() -> None:
    assert metrics.without_positives(np.int8([[-1, 1], [0, -1]]), 2) == 1


@given(st.integers(0, 1000), st.integers(6, 9))
@quick
def test_top5_agrees_with_scikit_learn_where_no_logits_are_equal(seed: int, count: int) -> None:
    draws = np.random.default_rng(seed)
    logits, targets = draws.normal(size=(40, count)).astype(np.float32), draws.integers(count, size=40)
    table = draws.random((40, 3))
    expected = [
        top_k_accuracy_score(targets, logits, k=5, labels=np.arange(count), sample_weight=column) for column in table.T
    ]
    np.testing.assert_allclose(metrics.lookup("top5").prepare(logits, targets)(table), expected, atol=1e-12)


def test_first_five_of_equal_logits_are_the_top_five() -> None:
    found = [metrics.metric("top5")(np.zeros((1, 7), np.float32), np.array([target])) for target in range(7)]
    assert found == [1, 1, 1, 1, 1, 0, 0]


@given(scores, classes)
@quick
def test_accuracy_agrees_with_scikit_learn(logits: np.ndarray, targets: np.ndarray) -> None:
    expected = accuracy_score(targets, logits.argmax(axis=1))
    assert metrics.metric("accuracy")(logits, targets) == pytest.approx(expected, abs=1e-12)


@given(scores, classes, weights)
@quick
def test_weighted_accuracy_agrees_with_scikit_learn(logits: np.ndarray, targets: np.ndarray, table: np.ndarray) -> None:
    found = metrics.lookup("accuracy").prepare(logits, targets)(table)
    for column, score in zip(table.T, found, strict=True):
        if column.any():
            expected = accuracy_score(targets, logits.argmax(axis=1), sample_weight=column)
            assert score == pytest.approx(expected, abs=1e-12)
        else:
            assert np.isnan(score)


@pytest.mark.parametrize("name", METRICS)
def test_weights_count_clips_that_often(name: str) -> None:
    draws = np.random.default_rng(0)
    logits = draws.normal(size=(30, 8)).astype(np.float32)
    single, pitches = METRICS[name].kind == "single-label", 58 + np.arange(0, 40, 5)
    targets = draws.integers(8, size=30) if single else draws.random((30, 8)) < 0.3
    drawn = draws.integers(30, size=30)
    for kind in (np.float32, np.float64):
        weights = np.bincount(drawn, minlength=30)[:, None].astype(kind)
        repeated = metrics.metric(name, pitches)(logits[drawn], targets[drawn])
        assert metrics.lookup(name, pitches).prepare(logits, targets)(weights)[0] == pytest.approx(repeated, abs=1e-12)


def test_classes_without_positive_clips_are_left_out_and_counted() -> None:
    logits = np.float32([[3, 0, 1], [2, 0, 2], [1, 0, 3]])
    targets = np.array([[True, False, True], [False, False, False], [False, False, False]])
    assert metrics.metric("mAP")(logits, targets) == pytest.approx((1 + 1 / 3) / 2)
    assert metrics.metric("macro_auc")(logits, targets) == pytest.approx((1 + 0) / 2)
    assert metrics.without_positives(targets, 3) == 1


def test_class_without_test_clips_counts_neither_in_balanced_accuracy_nor_in_macro_f1() -> None:
    """Also where it is predicted: that costs the recall of the class that the clip is of."""
    logits, targets = np.eye(3, dtype=np.float32)[[0, 0, 2, 1]], np.array([0, 0, 0, 1])
    assert metrics.metric("balanced_accuracy")(logits, targets) == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.metric("macro_f1")(logits, targets) == pytest.approx((4 / 5 + 1) / 2)
    assert metrics.without_positives(targets, 3) == 1


def test_class_without_negatives_has_no_auc() -> None:
    logits, targets = np.float32([[1, 2], [2, 1]]), np.array([[True, True], [True, False]])
    np.testing.assert_array_equal(metrics.of_classes("auc", logits, targets), [np.nan, 1])


def test_perfect_ranking_has_an_infinite_d_prime() -> None:
    assert metrics.metric("d_prime")(np.float32([[1], [0]]), np.array([[True], [False]])) == np.inf


@pytest.mark.parametrize("name", ["mAP", "macro_auc", "d_prime", "lwlrap"])
def test_without_any_positive_clip_there_is_no_ranking_to_score(name: str) -> None:
    with pytest.raises(DataError, match="positive"):
        metrics.metric(name)(np.zeros((3, 2), np.float32), np.zeros((3, 2), np.bool_))


def test_top5_says_nothing_about_five_classes() -> None:
    assert "top5" not in metrics.fitting("single-label", 5)
    assert metrics.fitting("single-label", 6) == ["accuracy", "balanced_accuracy", "macro_f1", "top5"]
    assert metrics.fitting("multi-label", 6) == ["mAP", "macro_auc", "d_prime", "lwlrap"]


def test_first_of_equal_logits_is_the_prediction() -> None:
    assert metrics.metric("accuracy")(np.zeros((2, 3), np.float32), np.array([0, 1])) == 0.5


def test_huge_logits_are_ranked_exactly() -> None:
    logits = np.float32([[1e30], [-1e30], [0], [1]])
    targets = np.array([[True], [False], [False], [True]])
    assert metrics.metric("mAP")(logits, targets) == 1.0


def test_unknown_metric_names_the_near_one() -> None:
    with pytest.raises(UsageError, match="did you mean accuracy"):
        metrics.metric("acuracy")
    with pytest.raises(UsageError, match="valid: accuracy, balanced_accuracy"):
        metrics.lookup("loss")
    with pytest.raises(UsageError, match="unknown score of classes 'recal': did you mean recall"):
        metrics.of_classes("recal", np.zeros((1, 1), np.float32), np.zeros(1, np.int64))


@pytest.mark.parametrize(
    ("name", "logits", "targets"),
    [
        ("accuracy", (3, 2), (4,)),
        ("accuracy", (3, 2), (3, 2)),
        ("accuracy", (0, 2), (0,)),
        ("macro_auc", (3, 2), (3,)),
        ("mAP", (3, 2), (3, 4)),
        ("mAP", (3,), (3,)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(name: str, logits: tuple[int, ...], targets: tuple[int, ...]) -> None:
    kind = np.int64 if len(targets) == 1 else np.bool_
    with pytest.raises(ValueError, match="must be"):
        metrics.metric(name)(np.zeros(logits, np.float32), np.ones(targets, kind))
