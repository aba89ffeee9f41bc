"""`evar compare` as a user runs it."""

import json
from pathlib import Path

import numpy as np
import pytest

from evar.leaderboard.leaderboard_csv import append
from evar.leaderboard.runs import Kept
from evar.scoring.summary import mean_score
from evar.testing.made_rows import make_row
from tests.scoring.test_intervals import of_correctness

CLASSES = ("low", "high")


def add(run, encoder, right, task="tones", groups=None, clips=None, **changes):
    """A row whose test clips are right where `right` (clip,) says so."""
    predictions = of_correctness(right, groups)
    time = f"2026-01-01T00:00:{len(list(Path().glob('results/runs/*.npz'))):02}Z"
    what = {"run": run, "time": time, "task": task, "encoder": encoder, "low": 0.0, "high": 1.0}
    score = mean_score(predictions, "accuracy")
    result = make_row(**what, score=score, **{"weights": f"{encoder}.pth", **changes})
    names = clips or [f"{number}.wav" for number in range(len(right))]
    append(Path("results"), result, Kept(predictions, [names[row] for row in predictions.rows], CLASSES, {}))


def test_better_encoder_is_named_with_scores_interval_and_runs(call):
    add("r1", "good", np.ones(100))
    add("r2", "bad", np.arange(100) < 70)
    code, out, err = call("compare", "good", "bad", "--task", "tones")
    assert (code, err) == (0, "")
    assert "100.00 %" in out
    assert "70.00 %" in out
    assert "+30.00 [+20." in out
    assert "only A right: 30, only B right: 0, p = 1.9e-09" in out
    assert "r1" in out
    assert "r2" in out
    assert out.endswith("A is better\n")
    assert call("compare", "bad", "good", "--task", "tones")[1].endswith("B is better\n")


def test_not_separable_is_said_in_words(call):
    add("r1", "one", np.arange(100) < 70)
    add("r2", "other", np.arange(100) >= 29)
    assert "not separable: the interval holds 0\n" in call("compare", "one", "other", "--task", "tones")[1]


def test_mcnemar_against_the_interval_is_not_separable(call):
    add("r1", "one", np.ones(100))
    add("r2", "other", np.arange(100) >= 5)
    assert (
        "not separable: McNemar's test finds no difference\n" in call("compare", "one", "other", "--task", "tones")[1]
    )


def test_few_groups_give_no_claim(call):
    add("r1", "one", np.ones(100), groups=np.arange(100) % 20)
    add("r2", "other", np.zeros(100), groups=np.arange(100) % 20)
    out = call("compare", "one", "other", "--task", "tones")[1]
    assert "100 clips, 20 groups" in out
    assert "no claim: only 20 groups, fewer than 30 support none\n" in out


def test_clips_that_one_lacks_are_reported(call):
    add("r1", "one", np.ones(100))
    add("r2", "other", np.ones(90))
    assert (
        "90 clips in common (10 are not)"
        in call("compare", "r1", "r2")[1] + call("compare", "r1", "r2", "--task", "tones")[1]
    )


def test_latest_of_several_weights_is_taken_and_reported(call):
    add("r1", "m2d", np.zeros(100), weights="old.pth", weights_digest="1")
    add("r2", "m2d", np.ones(100), weights="new.pth", weights_digest="2")
    add("r3", "logmel", np.ones(100))
    _, out, err = call("compare", "m2d", "logmel", "--task", "tones")
    assert "tones: m2d also has rows of 1 other weights, options or outputs; latest is r2" in err
    assert "r2" in out
    assert "r1" not in out


def test_without_a_task_all_that_both_have_are_compared(call):
    for task, right in (("one", 90), ("two", 50), ("three", 70)):
        add(f"{task}-a", "a", np.arange(100) < right, task=task)
        add(f"{task}-b", "b", np.arange(100) < 70, task=task)
    add("four-a", "a", np.ones(100), task="four")
    code, out, _ = call("compare", "a", "b")
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == ["task", "one", "two", "three", "mean"]
    assert (
        "mean difference +0.00 points over 3 tasks; A higher on 1, lower on 1; better on 1, worse on 1, no claim on 1"
        in out
    )
    assert "A is better" in lines[1]
    assert "B is better" in lines[2]
    assert "not separable" in lines[3]
    assert "one-a" in lines[1]


def test_task_without_predictions_does_not_stop_the_others(call):
    for task in ("one", "two"):
        add(f"{task}-a", "a", np.ones(40), task=task)
        add(f"{task}-b", "b", np.zeros(40), task=task)
    Path("results/runs/one-a.npz").unlink()
    code, out, err = call("compare", "a", "b")
    assert code == 2
    assert "error: no predictions of run one-a" in err
    assert "over 1 task;" in out


def test_json_is_one_object_a_line(call):
    add("r1", "one", np.ones(100))
    add("r2", "other", np.zeros(100))
    for more in ([], ["--task", "tones"]):
        found = json.loads(call("compare", "one", "other", "--json", *more)[1])
        assert {
            "task": "tones",
            "run_a": "r1",
            "run_b": "r2",
            "difference": 1.0,
            "separable": True,
        }.items() <= found.items()


def test_probe_of_a_run_is_that_of_the_other_name(call):
    add("r1", "one", np.ones(100), probe="m2d_paper")
    add("r2", "other", np.zeros(100), probe="m2d_paper")
    add("r3", "other", np.ones(100))
    assert "r2" in call("compare", "r1", "other", "--task", "tones")[1]
    assert "r3" in call("compare", "r1", "other", "--task", "tones", "--probe", "logistic")[1]


def test_runs_whose_task_or_probe_changed_are_reported(call):
    add("r1", "one", np.ones(100), task_digest="1")
    add("r2", "other", np.zeros(100), task_digest="2", probe_options={"grid": [1.0]})
    err = call("compare", "one", "other", "--task", "tones")[2]
    assert "tones: runs r1 and r2 differ in their task digest" in err
    assert "differ in their probe options" in err


def test_run_that_is_never_ranked_is_reported_with_the_reason(call):
    add("r1", "one", np.ones(100), ranked=False, shots=4)
    add("r2", "other", np.zeros(100))
    err = call("compare", "r1", "r2", "--task", "tones")[2]
    assert "tones: runs r1 and r2 differ in their shots" in err
    assert "tones: A, run r1, is never ranked: 4 training clips a class" in err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("one othr --task tones", "unknown run or encoder 'othr': did you mean other"),
        ("one other --task tons", "unknown task of this leaderboard 'tons': did you mean tones"),
        ("one other --task ,", "names no task (valid: apart, tones)"),
        ("one other --task tones --probe knn", "one has no ranked row of task tones by probe knn"),
        ("one other --probe knn", "no task in common with a ranked row by probe knn: one has none, other has none"),
        ("one one --task tones", "A and B are the same run, r1"),
        ("one ranking --task tones", "are scored by accuracy and mAP"),
        ("one classes --task tones", "runs r1 and r4: the runs are of different tables: they have no clip in common"),
        ("one", "the following arguments are required: B"),
        ("one other --results nowhere", "no results folder nowhere"),
    ],
)
def test_mistake_gives_one_line_and_exit_code_2(call, line, said):
    add("r1", "one", np.ones(100))
    add("r2", "other", np.zeros(100))
    add("r3", "ranking", np.zeros(100), metric="mAP")
    add("r4", "classes", np.zeros(100), clips=[f"{number}.flac" for number in range(100)])
    add("r5", "apart", np.zeros(100), task="apart")
    code, out, err = call("compare", *line.split())
    assert code == 2
    assert out == ""
    (error,) = [each for each in err.splitlines() if each.startswith("evar: error: ")]
    assert said in error


def test_runs_of_different_protocol_versions_are_not_compared(call):
    add("r1", "one", np.ones(100), protocol_version=1)
    add("r2", "other", np.zeros(100), protocol_version=2)
    code, out, err = call("compare", "r1", "r2")
    assert (code, out) == (2, "")
    assert "tones: runs r1 and r2 are of protocol versions 1 and 2: score one again" in err
