"""An encoder's path over time."""

import pytest

from evar.leaderboard.history import history_table
from evar.leaderboard.runs import short_ids
from evar.testing.made_rows import make_row


def found(rows, *names):
    block = history_table(rows, short_ids(row.run for row in rows))
    column = {name: number for number, name in enumerate(block.header)}
    return [[row[column[name]].text for name in names] for row in block.rows]


def test_every_run_is_there_with_its_change():
    rows = [
        make_row(run="1", weights="step1.pth", score=0.5, time="2026-11-01T00:00:00Z"),
        make_row(run="2", encoder="logmel", score=0.3),
        make_row(run="3", weights="step2.pth", score=0.625, time="2026-11-02T00:00:00Z"),
        make_row(run="4", weights="step2.pth", limit=3, ranked=False, score=0.6, time="2026-11-03T00:00:00Z"),
        make_row(run="5", weights="step3.pth", score=0.6, time="2026-11-04T00:00:00Z"),
    ]
    assert found(rows, "run", "change", "not ranked") == [
        ["2", "", ""],
        ["1", "", ""],
        ["3", "+12.5", ""],
        ["5", "-2.5", ""],
        ["4", "", "smoke run of 3 clips a part"],
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"limit": 3, "ranked": False},
        {"shots": 1, "ranked": False},
        {"metric": "mAP"},
        {"protocol_version": 2},
        {"task_digest": "another"},
        {"table_digest": "fewer clips", "coverage": 0.5, "ranked": False},
        {"probe_options": {"max_iter": 50}},
        {"encoder_options": {"layers": 7}},
        {"step": 1, "ranked": False},
    ],
    ids=lambda other: next(iter(other)),
)
def test_runs_that_may_not_be_compared_have_no_change(other):
    rows = [make_row(run="1", score=0.5), make_row(run="2", score=0.2, **other), make_row(run="3", score=0.6)]
    assert dict(found(rows, "run", "change")) == {"1": "", "2": "", "3": "+10.0"}


def test_the_steps_of_a_pre_training_run_are_a_path_up_to_its_last():
    steps = ((100, False, 0.3), (200, False, 0.4), (300, True, 0.5), (100, False, 0.2), (200, False, 0.3))
    rows = [
        make_row(run=str(number), weights=f"m2d-step{step}.safetensors", step=step, ranked=ranked, score=score)
        for number, (step, ranked, score) in enumerate(steps)
    ]
    assert found(rows, "run", "change") == [["0", ""], ["1", "+10.0"], ["2", "+10.0"], ["3", ""], ["4", "+10.0"]]


def test_options_that_part_two_paths_are_reported():
    rows = [make_row(run="1"), make_row(run="2", encoder_options={"layers": 7}, weights="b.pth")]
    assert found(rows, "encoder") == [["m2d"], ["m2d (layers=7)"]]
