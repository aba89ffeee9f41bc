"""What lies behind a run, on predictions small enough to count by hand."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from evar.leaderboard.page import predictions as page_predictions
from evar.leaderboard.page.predictions import MOST_CLIPS, chance_of, classes_of, confusion_of, hardest_clips
from evar.leaderboard.page.selection import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, selection_of
from evar.leaderboard.runs import Kept
from evar.probes.predictions import Predictions
from evar.testing.made_results import make_predictions


def kept(said, targets, classes, folds=None):
    """Predictions of what each seed said: (seed, clip) class numbers."""
    said = np.array(said)
    logits = np.eye(len(classes), dtype=np.float32)[said]
    count = said.shape[1]
    predictions = Predictions(
        logits,
        np.array(targets),
        np.arange(count),
        np.array(["g"] * count),
        np.array(folds or ["test"] * count),
    )
    return Kept(predictions, [f"{clip}.wav" for clip in range(count)], tuple(classes), {})


def test_confusions_are_per_cent_of_the_true_class():
    found = confusion_of(kept([[0, 0, 1, 1, 2]], [0, 0, 0, 0, 2], "abc"))
    assert found.matrix == [[50, 50, 0], [0, 0, 0], [0, 0, 100]]
    assert [(pair.true, pair.said, pair.share, pair.clips) for pair in found.top] == [("a", "b", 50.0, 2.0)]


def test_seeds_count_alike():
    found = confusion_of(kept([[0, 0], [0, 1]], [0, 0], "ab"))
    assert found.matrix == [[75, 25], [0, 0]]
    assert found.top[0].clips == 0.5


@pytest.mark.parametrize(
    ("metric", "level"), [("accuracy", 0.6), ("balanced_accuracy", 1 / 3), ("mAP", 1 / 3), ("macro_auc", 0.5)]
)
def test_chance_is_what_the_same_answer_for_every_clip_scores(metric, level):
    """Whatever the run said, of however many seeds; for several labels, of 3, 1 and 1 of 5 clips."""
    made = kept([[1, 1, 2, 1, 0], [0, 0, 0, 1, 2]], [0, 0, 0, 1, 2], "abc")
    if metric in ("mAP", "macro_auc"):
        labels = np.eye(3, dtype=np.int64)[made.predictions.targets]
        made = dataclasses.replace(made, predictions=dataclasses.replace(made.predictions, targets=labels))
    assert chance_of(made, metric) == pytest.approx(level)


def test_many_classes_give_the_most_frequent_confusions(monkeypatch):
    monkeypatch.setattr(page_predictions, "MOST_IN_MATRIX", 2)
    found = confusion_of(kept([[1, 1, 2, 0]], [0, 0, 0, 1], "abc"))
    assert found.matrix == []
    assert [(pair.true, pair.said) for pair in found.top] == [("a", "b"), ("a", "c"), ("b", "a")]


def test_recall_is_a_mean_over_folds_and_the_hardest_class_comes_first():
    """Of class a one of one in fold 1, none of two in fold 2: (1 + 0) / 2, as the folds of a score count alike."""
    found = classes_of(kept([[0, 1, 1, 1]], [0, 0, 0, 1], "abc", ["1", "2", "2", "2"]))
    assert [(row.name, row.clips, row.score, row.precision) for row in found.rows] == [
        ("a", 3, 50.0, 100.0),
        ("b", 1, 100.0, pytest.approx(33.3)),
        ("c", 0, None, None),
    ]


def test_mean_recall_of_equal_classes_is_the_accuracy():
    predictions = make_predictions(0.6, 4, 80, 0)
    balanced = dataclasses.replace(predictions, targets=np.arange(80) // 2 % 4)
    whole = Kept(balanced, ["x"] * 80, tuple("abcd"), {})
    accuracy = 100 * (balanced.logits[0].argmax(axis=1) == balanced.targets).mean()
    assert np.mean([row.score for row in classes_of(whole).rows]) == pytest.approx(accuracy, abs=0.1)


def test_several_labels_have_average_precision_and_are_cut(monkeypatch):
    predictions = make_predictions(0.6, 5, 60, 0, several=True)
    single_fold = dataclasses.replace(predictions, folds=np.array(["test"] * 60))
    found = classes_of(Kept(single_fold, ["x"] * 60, tuple("abcde"), {}))
    expected = average_precision_score(predictions.targets, predictions.logits[0], average=None)
    assert {row.name: row.score for row in found.rows} == {
        name: pytest.approx(100 * value, abs=0.051) for name, value in zip("abcde", expected, strict=True)
    }
    monkeypatch.setattr(page_predictions, "MOST_CLASSES", 2)
    cut = classes_of(Kept(single_fold, ["x"] * 60, tuple("abcde"), {}))
    assert cut.count == 5
    assert cut.rows == found.rows[:2]


def test_hardest_clips_are_those_of_the_least_probable_truth():
    whole = kept([[0, 1, 1]], [0, 0, 1], "ab")
    logits = np.array([[[2, 0], [0, 3], [0, 1]]], dtype=np.float32)
    clips = hardest_clips(dataclasses.replace(whole, predictions=dataclasses.replace(whole.predictions, logits=logits)))
    assert [(clip.path, clip.true, clip.said) for clip in clips] == [
        ("1.wav", "a", "b"),
        ("2.wav", "b", "b"),
        ("0.wav", "a", "a"),
    ]
    assert clips[0].probability == pytest.approx(100 / (1 + np.exp(3)), abs=0.051)


def test_hardest_clips_with_several_labels_name_them():
    predictions = make_predictions(0.6, 5, 60, 0, several=True)
    clips = hardest_clips(Kept(predictions, [f"{k}.wav" for k in range(60)], tuple("abcde"), {}))
    assert len(clips) == MOST_CLIPS
    number = int(clips[0].path.removesuffix(".wav"))
    assert clips[0].true == ", ".join(np.array(list("abcde"))[predictions.targets[number]])
    assert clips[0].probability is None


def test_unknown_labels_make_no_clip_hard_and_count_for_no_class():
    predictions = make_predictions(0.6, 5, 60, 0, several=True)
    targets = predictions.targets.astype(np.int8)
    targets[:, 4] = targets[:2] = -1
    targets[2, 0] = 1
    whole = Kept(dataclasses.replace(predictions, targets=targets), [f"{k}.wav" for k in range(60)], tuple("abcde"), {})
    loss = np.logaddexp(0, np.where(targets == 1, -1, 1) * predictions.logits[0].astype(float))
    order = np.argsort(-(loss * (targets >= 0)).sum(axis=1), kind="stable")[:MOST_CLIPS]
    assert [clip.path for clip in hardest_clips(whole)] == [f"{k}.wav" for k in order]
    assert {row.name: row.clips for row in classes_of(whole).rows} == dict(
        zip("abcde", (targets == 1).sum(axis=0), strict=True)
    )


def test_validation_curve_spans_its_box_and_counts_the_choices():
    curve = selection_of({"1": {"0.1": 0.5, "1": 0.7}, "2": {"0.1": 0.6, "1": 0.9}}, {"1": 1.0, "2": 1.0})
    assert [(step.setting, step.score, step.chosen) for step in curve.steps] == [("0.1", 55.0, 0), ("1", 80.0, 2)]
    assert (curve.low, curve.high) == (50.0, 90.0)
    assert curve.rounds[0].startswith(f"{LEFT},{HEIGHT - BOTTOM} ")
    assert curve.rounds[1].endswith(f" {WIDTH - RIGHT},{TOP}")


def test_settings_with_names_are_counted_by_them():
    curve = selection_of({"test": {"1 cosine": 0.5, "3 cosine": 0.7}}, {"test": "3 cosine"})
    assert [step.chosen for step in curve.steps] == [0, 1]
    assert [(step.setting, step.anchor) for step in curve.named] == [("3 cosine", "end")]


@pytest.mark.parametrize("curves", [{}, {"test": {}}, {"test": {"0.1": 0.5}}])
def test_where_nothing_was_chosen_there_is_no_curve(curves):
    assert selection_of(curves, {"test": 0.1}) is None
