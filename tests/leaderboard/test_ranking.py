"""Which rows stand in a table together, and what is said of each."""

import pytest

from evar.data.task import CORE
from evar.leaderboard.ranking import build, latest_runs, mean_of_core, task_order
from evar.testing.made_rows import make_row


def apart(best, other):
    return True


def alike(best, other):
    return False


def only_table(rows, separable=apart):
    (table,) = build(rows, separable).tables
    return table


def test_a_table_fixes_probe_options_and_output_and_the_default_ones_come_first():
    rows = [
        make_row(run="a"),
        make_row(run="b", output="chosen"),
        make_row(run="c", probe="knn"),
        make_row(run="d", probe="knn", probe_options={"k": 3}),
    ]
    tables = build(rows, apart).tables
    assert [table.title for table in tables] == [
        "probe logistic, output last",
        "probe logistic, output chosen",
        "probe knn(), output last",
        "probe knn(k=3), output last",
    ]
    assert [cell.result.run for table in tables for line in table.lines for cell in line.cells.values()] == list("abcd")


def test_the_latest_run_wins_even_where_an_older_one_is_better():
    table = only_table([make_row(run="old", score=0.9), make_row(run="new", score=0.5)])
    assert [line.cells["us8k"].result.run for line in table.lines] == ["new"]


@pytest.mark.parametrize("difference", [{"weights_digest": "x"}, {"encoder_options": {"a": 1}}, {"weights": "w"}])
def test_other_weights_or_options_are_another_line(difference):
    assert len(only_table([make_row(run="a"), make_row(run="b", **difference)]).lines) == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"limit": 5}, "smoke run of 5 clips a part"),
        ({"shots": 4}, "4 training clips a class"),
        ({"step": 1500}, "in training, step 1,500"),
        ({"step": 1500, "coverage": 0.9}, "in training, step 1,500, coverage 90.0 %"),
        ({"step": 1500, "sweep": True}, "one layer of a sweep"),
        ({"sweep": True}, "one layer of a sweep"),
        ({"groups": 1}, "all test clips are of one group"),
        ({"empty_folds": ["2", "7"]}, "no clips in fold 2, 7"),
        ({"coverage": 0.089}, "coverage 8.9 %"),
    ],
)
def test_rows_that_may_not_be_ranked_stand_apart_with_the_reason(row, reason):
    board = build([make_row(ranked=False, **row)], apart)
    assert board.tables == ()
    assert [each.reason for each in board.apart] == [reason]


def test_rows_of_an_older_protocol_or_task_file_stand_apart():
    rows = [
        make_row(run="v1", encoder="a", task="mine"),
        make_row(run="file", encoder="b", task="mine", protocol_version=2, task_digest="old"),
    ]
    board = build([*rows, make_row(run="now", task="mine", protocol_version=2, task_digest="new")], apart)
    assert {each.result.run: each.reason for each in board.apart} == {
        "v1": "protocol version 1, the newest is 2",
        "file": "scored under another version of the task's file",
    }
    assert [cell.result.run for line in board.tables[0].lines for cell in line.cells.values()] == ["now"]


def test_a_task_that_is_not_the_official_one_cannot_take_its_column_whenever_it_was_run():
    mine = {"task_digest": "mine", "score": 0.99, "encoder": "b"}
    for rows in ([make_row(run="mine", **mine), make_row()], [make_row(), make_row(run="mine", ranked=False, **mine)]):
        board = build(rows, apart)
        assert [cell.best for line in board.tables[0].lines for cell in line.cells.values()] == [True]
        assert [(each.result.run, each.reason) for each in board.apart] == [
            ("mine", "not the us8k of this version of evar: its task file is another")
        ]


def test_no_table_and_no_mean_mixes_protocol_versions_of_different_tasks():
    old = [make_row(task=task, protocol_version=1) for task in CORE[:4]]
    board = build([*old, make_row(task=CORE[4], protocol_version=2)], apart)
    assert [table.tasks for table in board.tables] == [(CORE[4],)]
    assert [each.reason for each in board.apart] == ["protocol version 1, the newest is 2"] * 4


def test_rows_that_are_never_ranked_put_no_other_out_of_force():
    smoke = make_row(run="smoke", task="mine", task_digest="new", ranked=False, limit=5)
    board = build([make_row(run="whole", task="mine", task_digest="old"), smoke], apart)
    assert [cell.result.run for line in board.tables[0].lines for cell in line.cells.values()] == ["whole"]
    assert [each.reason for each in board.apart] == ["smoke run of 5 clips a part"]


def test_best_and_not_separable_are_marked_per_task():
    rows = [make_row(encoder=name, score=score) for name, score in (("a", 0.5), ("b", 0.9), ("c", 0.8))]

    def close(best, other):
        return best.score - other.score > 0.2

    cells = {line.subject.encoder: line.cells["us8k"] for line in only_table(rows, close).lines}
    assert {name: (cell.best, cell.tied) for name, cell in cells.items()} == {
        "a": (False, False),
        "b": (True, False),
        "c": (False, True),
    }


def test_equal_best_scores_are_both_best():
    table = only_table([make_row(encoder="a"), make_row(encoder="b")], alike)
    assert [(line.cells["us8k"].best, line.cells["us8k"].tied) for line in table.lines] == [(True, False)] * 2


def test_published_rows_have_a_mean_where_all_five_core_tasks_are_there():
    assert mean_of_core({"demo": 1.0, **dict.fromkeys(CORE, 0.5)}) == 0.5
    assert mean_of_core(dict.fromkeys(CORE[1:], 0.5)) is None


def test_a_rank_is_one_more_than_how_many_are_better_in_the_column():
    rows = [make_row(encoder=name, score=score) for name, score in (("a", 0.5), ("b", 0.9), ("c", 0.9), ("d", 0.2))]
    ranks = {line.subject.encoder: line.cells["us8k"].rank for line in only_table(rows).lines}
    assert ranks == {"a": 3, "b": 1, "c": 1, "d": 4}


def test_lines_with_most_tasks_and_then_the_best_come_first():
    rows = [
        make_row(encoder="low", score=0.1),
        make_row(encoder="high", score=0.8),
        make_row(encoder="two", score=0.2),
        make_row(encoder="two", task="gtzan", score=0.2),
    ]
    assert [line.subject.encoder for line in only_table(rows).lines] == ["two", "high", "low"]


def test_core_tasks_come_first_in_their_order():
    assert task_order(["zoo", "gtzan", "ants", "us8k", "gtzan"]) == ("us8k", "gtzan", "ants", "zoo")


def test_each_number_of_shots_is_shown():
    rows = [make_row(run=f"{n}", shots=n, ranked=False) for n in (1, 2)]
    assert [each.result.run for each in build(rows, apart).apart] == ["1", "2"]


def test_a_smoke_run_never_replaces_a_whole_one():
    whole, smoke = make_row(run="whole"), make_row(run="smoke", limit=5, ranked=False)
    assert latest_runs([whole, smoke]) == [whole, smoke]
    assert [cell.result.run for cell in only_table([whole, smoke]).lines[0].cells.values()] == ["whole"]
