import dataclasses

import numpy as np
import pytest

from evar.scoring.metrics import metric, of_classes
from evar.scoring.summary import class_scores, other_metrics
from tests.scoring.test_intervals import multi_label, of_correctness


def test_other_metrics_are_those_of_the_kind_of_task_without_the_main_one() -> None:
    assert list(other_metrics(of_correctness(np.arange(40) < 30), "accuracy")) == ["balanced_accuracy", "macro_f1"]
    assert list(other_metrics(multi_label(60), "mAP")) == ["macro_auc", "d_prime", "lwlrap"]


def test_chroma_accuracy_stands_beside_accuracy_where_classes_are_pitches() -> None:
    predictions = dataclasses.replace(of_correctness(np.arange(40) < 30), pitches=np.array([60, 72]))
    others = other_metrics(predictions, "accuracy")
    assert list(others) == ["balanced_accuracy", "macro_f1", "chroma_accuracy"]
    assert others["chroma_accuracy"] == 1.0


def test_other_metrics_are_means_over_folds_and_seeds_as_the_score_is() -> None:
    correct = np.random.default_rng(0).random((2, 40)) < 0.6
    predictions = of_correctness(correct, folds=np.repeat(["1", "2"], [30, 10]))
    predictions.targets[::2] = 1
    each = [
        metric("macro_f1")(logits[part], predictions.targets[part])
        for logits in predictions.logits
        for part in (slice(30), slice(30, 40))
    ]
    assert other_metrics(predictions, "accuracy")["macro_f1"] == pytest.approx(np.mean(each), abs=1e-12)


def test_metric_that_has_no_finite_value_is_none() -> None:
    predictions = multi_label(40)
    predictions.logits[0] = predictions.targets
    assert other_metrics(predictions, "mAP") == {"macro_auc": 1.0, "d_prime": None, "lwlrap": 1.0}
    predictions.targets[:] = True
    assert other_metrics(predictions, "mAP") == {"macro_auc": None, "d_prime": None, "lwlrap": 1.0}


def test_scores_of_classes_are_means_over_the_folds_that_have_the_class() -> None:
    predictions = multi_label(60)
    predictions.folds[:30] = "0"
    predictions.targets[:, 0] = False
    predictions.targets[:30, 1] = False
    found = class_scores(predictions, "average_precision")
    one, other = (
        of_classes("average_precision", predictions.logits[0, part], predictions.targets[part])
        for part in (slice(30), slice(30, 60))
    )
    assert np.isnan(found[0])
    assert found[1] == other[1]
    np.testing.assert_allclose(found[2:], (one[2:] + other[2:]) / 2)
