"""The mean over a group of tasks: who has one, its interval, and how tables show it."""

import csv
import dataclasses
import io
import json

import numpy as np
import pytest

from evar.data.groups import groups
from evar.leaderboard.group_means import group_means, mean_of
from evar.leaderboard.ranking import build
from evar.testing.made_rows import make_row
from tests.leaderboard.test_formats import leaderboard

CORE, HEAR = groups()["core"].tasks, groups()["hear"].tasks


def test_interval_of_a_mean_is_that_of_independent_errors():
    rows = [
        make_row(task="us8k", score=0.8, low=0.77, high=0.84),
        make_row(task="esc50", score=0.6, low=0.56, high=0.63),
    ]
    mean = mean_of(rows)
    assert (mean.score, mean.low, mean.high) == pytest.approx((0.7, 0.675, 0.725))  # 3, 4 and 4, 3 points: 5 / 2
    assert not mean.few_groups


def test_errors_of_tasks_that_score_the_same_clips_add_up():
    both = [make_row(task=task, score=0.5, low=0.46, high=0.54, store_digest="nsynth") for task in ("a", "b")]
    mean = mean_of([*both, make_row(task="c", score=0.5, low=0.44, high=0.56)])
    assert (mean.low, mean.high) == pytest.approx((0.5 - 0.1 / 3, 0.5 + 0.1 / 3))  # 8 and 6 points


def test_nominal_95_percent_of_a_mean_cover_the_truth():
    draws, truth = np.random.default_rng(3), {"a": (0.95, 100), "b": (0.7, 300), "c": (0.3, 80), "d": (0.5, 2000)}
    covered, row = 0, make_row()
    for _ in range(2000):
        rows = [wilson(row, task, draws.binomial(n, share), n) for task, (share, n) in truth.items()]
        mean = mean_of(rows)
        covered += mean.low <= np.mean([share for share, _ in truth.values()]) <= mean.high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)  # three standard errors


def wilson(row, task, hits, n, z=1.96):
    """The row of `n` independent clips with Wilson's interval, as the harness gives it."""
    share, spread = hits / n, z * np.sqrt(hits / n * (1 - hits / n) / n + z * z / (4 * n * n))
    centre = share + z * z / (2 * n)
    low, high = (centre - spread) / (1 + z * z / n), (centre + spread) / (1 + z * z / n)
    return dataclasses.replace(row, store_digest=task, score=float(share), low=float(low), high=float(high))


def test_only_an_encoder_that_has_every_task_of_a_group_has_its_mean():
    rows = {task: make_row(task=task, score=0.5) for task in (*CORE, *HEAR)}
    assert list(group_means(rows)) == ["core", "hear"]
    assert list(group_means({task: row for task, row in rows.items() if task != "gunshot"})) == ["core"]
    assert group_means({"us8k": rows["us8k"]}) == {}


def test_a_mean_says_where_a_task_has_few_groups():
    rows = {task: make_row(task=task, few_groups=task == "gtzan") for task in CORE}
    assert group_means(rows)["core"].few_groups


def test_a_mean_never_mixes_probes_or_versions_of_the_protocol():
    rows = [make_row(task=task, probe="knn" if task == "us8k" else "logistic") for task in CORE]
    assert [table.groups for table in build(rows, lambda best, other: True).tables] == [[], []]
    rows = [make_row(task=task, protocol_version=2 if task == "us8k" else 1) for task in CORE]
    assert [table.groups for table in build(rows, lambda best, other: True).tables] == [[]]


def test_tables_show_means_of_whole_groups_and_leave_the_rest_empty():
    whole = [make_row(encoder="whole", task=task, score=0.6, low=0.5, high=0.7) for task in CORE]
    board = leaderboard(*whole, make_row(encoder="part", score=0.7, low=0.6, high=0.8), ranks=True)
    (table,) = board.text_tables()
    assert table.header == ("encoder", "us8k", "vc1", "as20k", "gtzan", "spcv2", "core mean")
    cells = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert cells["whole"] == ["60.0 ± 10.0 #2", *["60.0 ± 10.0 #1"] * 4, "60.0 ± 4.5"]
    assert cells["part"] == ["70.0 ± 10.0 #1", "", "", "", "", ""]
    one, other = csv.DictReader(io.StringIO(board.text("csv")))
    assert (one["mean_of_core"], one["mean_of_core_low"], one["us8k_rank"]) == ("0.6", "0.555279", "2")
    assert (other["mean_of_core"], other["gtzan"], other["gtzan_rank"]) == ("", "", "")
    first, second = json.loads(board.text("json"))["tables"][0]["lines"]
    assert first["means"]["core"]["score"] == pytest.approx(0.6)
    assert (second["means"], list(second["scores"])) == ({}, ["us8k"])
    for text in (board.text("markdown"), board.text("latex"), board.text("terminal", 200)):
        assert "core mean" in text
        assert "whose errors are taken as independent between tasks" in " ".join(text.split())
