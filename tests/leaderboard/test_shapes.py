"""Results in other harnesses' shapes, under names that claim nothing of their protocols."""

import json
from pathlib import PurePosixPath

import pytest

from evar.leaderboard.formats import hear, mteb
from evar.testing.made_rows import make_row
from tests.leaderboard.test_formats import leaderboard

ROW = make_row(
    encoder="org/m2d <x>",
    weights_digest="0123456789abcdef",
    table_digest="fedcba",
    score=0.75,
    parts={"1": 0.5, "2": 1.0},
    embed_seconds=2.0,
    probe_seconds=3.0,
)


def test_hear_has_the_score_of_each_fold_and_their_mean_and_spread():
    ((path, text),) = hear.write(leaderboard(ROW), 80).items()
    assert path == PurePosixPath("org__m2d_x_-logistic-01234567/evar__us8k/test.predicted-scores.json")
    found = json.loads(text)
    assert found["1"] == {"test_score": 0.5, "test_top1_acc": 0.5}
    assert found["aggregated_scores"]["test_score_mean"] == 0.75
    assert found["aggregated_scores"]["test_score_std"] == pytest.approx(0.5**1.5)
    assert found["provenance"]["evar_run"] == ROW.run


def test_hear_of_a_fixed_split_has_no_aggregate():
    ((_, text),) = hear.write(leaderboard(make_row(parts={"test": 0.5}, metric="mAP")), 80).items()
    found = json.loads(text)
    assert found["test"] == {"test_score": 0.5, "test_mAP": 0.5}
    assert "aggregated_scores" not in found


def test_mteb_is_a_task_result():
    ((path, text),) = mteb.write(leaderboard(ROW), 80).items()
    assert path == PurePosixPath("org__m2d_x_-logistic-01234567/0123456789abcdef/evar__us8k.json")
    found = json.loads(text)
    assert (found["task_name"], found["dataset_revision"], found["evaluation_time"]) == ("evar/us8k", "fedcba", 5.0)
    ((scores,),) = found["scores"].values()
    assert (scores["main_score"], scores["accuracy"], scores["hf_subset"]) == (0.75, 0.75, "default")


def test_names_never_leave_the_folder_or_meet():
    rows = [make_row(run="1", encoder="../../etc"), make_row(run="2", encoder="../../etc", output="chosen")]
    paths = list(hear.write(leaderboard(*rows), 80))
    assert len(set(paths)) == 2
    assert not [part for path in paths for part in path.parts if part.startswith(".")]


SAME = [
    {"encoder": "a,b"},
    {"encoder": 'a"b'},
    {"encoder": "A,b"},
    {"encoder": "a_b", "probe_options": {"max_iter": 50}},
    {"encoder": "a_b", "encoder_options": {"layers": 7}},
    {"encoder": "a_b", "weights": "other.pth"},
    {"encoder": "a_b", "weights_digest": "0123456789"},
    {"encoder": "a_b", "weights_digest": "0123456700"},
    {"encoder": "a_b-chosen"},
    {"encoder": "a_b", "output": "chosen"},
    {"encoder": "a_b", "task": "my,task"},
    {"encoder": "a_b", "task": "my task"},
]


@pytest.mark.parametrize("shape", [hear, mteb])
def test_rows_of_different_things_never_share_a_file(shape):
    rows = [make_row(run=str(number), **changes) for number, changes in enumerate(SAME)]
    files = shape.write(leaderboard(*rows), 80)
    assert len({str(path).lower() for path in files}) == len(SAME)
    assert shape.write(leaderboard(*rows[::-1]), 80) == files


def test_a_folder_has_one_name_for_all_tasks_and_options_are_reported_inside():
    rows = [
        make_row(run=f"{task}-{steps}", task=task, probe_options={"steps": steps})
        for task in ("us8k", "vc1")
        for steps in (1, 2)
    ]
    files = hear.write(leaderboard(*rows), 80)
    assert len(files) == 4
    assert len({path.parts[0] for path in files}) == 2
    steps = [json.loads(text)["provenance"]["evar_probe_options"]["steps"] for text in files.values()]
    assert sorted(steps) == [1, 1, 2, 2]
