"""Which row a name means."""

from pathlib import Path

import pytest

from evar.base.errors import DataError, UsageError
from evar.leaderboard.filters import Filters
from evar.leaderboard.find_row import rivals, row_of, tasks_of
from evar.leaderboard.read import Leaderboard
from evar.leaderboard.runs import short_ids
from evar.testing.made_rows import make_row


def row(run, **changes):
    usual = {"weights": "a.pth", "weights_digest": "1", "time": f"2026-01-0{run}T00:00:00Z"}
    return make_row(run=run, **{**usual, **changes})


ROWS = [
    row("1"),
    row("3", weights="b.pth", weights_digest="2"),
    row("2"),
    row("4", ranked=False),
    row("5", probe="m2d_paper"),
    row("6", task="gtzan", encoder="logmel", weights="/some/folder/x.pth"),
]


@pytest.mark.parametrize(("name", "run"), [("m2d", "3"), ("b.pth", "3"), ("a.pth", "2"), ("1", "1"), ("4", "4")])
def test_name_is_a_run_or_the_latest_ranked_row_of_an_encoder_or_weights(name, run):
    assert row_of(ROWS, name, "us8k", "logistic").run == run


def test_file_name_of_weights_in_a_folder_is_a_name_too():
    assert row_of(ROWS, "x.pth", "gtzan", "logistic").run == "6"


def test_of_rows_of_one_second_the_last_is_the_latest():
    twins = [row("1"), row("2", time="2026-01-01T00:00:00Z")]
    assert row_of(twins, "m2d", "us8k", "logistic").run == "2"


def test_run_of_another_task_is_refused():
    with pytest.raises(UsageError, match="run 6 is of task gtzan, not us8k"):
        row_of(ROWS, "6", "us8k", "logistic")


def test_encoder_without_such_a_row_is_reported_what_it_has():
    with pytest.raises(
        DataError, match=r"m2d has no ranked row of task gtzan by probe logistic; it has us8k by logistic"
    ):
        row_of(ROWS, "m2d", "gtzan", "logistic")
    with pytest.raises(DataError, match="it has none that is ranked"):
        row_of([row("4", ranked=False)], "m2d", "us8k", "logistic")


def test_typo_gives_near_names_of_encoders_weights_and_runs():
    with pytest.raises(UsageError, match="unknown run or encoder 'logmell': did you mean logmel"):
        row_of(ROWS, "logmell", "us8k", "logistic")
    rows = [row("20260101T000000-abcdef01")]
    with pytest.raises(UsageError, match="did you mean 20260101T000000-abcdef01"):
        tasks_of(rows, "20260101T000000-abcdef02", "logistic")


def test_tasks_are_those_of_ranked_rows_by_the_probe():
    assert tasks_of(ROWS, "m2d", "logistic") == ["us8k"]
    assert tasks_of(ROWS, "m2d", "knn") == []
    assert tasks_of(ROWS, "6", "knn") == ["gtzan"]


def test_other_weights_of_the_same_name_are_counted():
    assert rivals(ROWS, "m2d", ROWS[1]) == 1
    assert rivals(ROWS, "b.pth", ROWS[1]) == 0
    assert rivals(ROWS, "3", ROWS[1]) == 0


TWO = [
    row("20260101T000000-1a2b3c4d", time="2026-01-01T00:00:00Z", encoder_options={"layers": [3, 7], "flat": True}),
    row("20260102T000000-1a2f0000", time="2026-01-02T00:00:00Z", encoder_options={"layers": [7], "flat": True}),
    row("20260103T000000-1a2b0000", time="2026-01-03T00:00:00Z", weights_digest="0123456789", encoder_options={}),
    row("20260104T000000-99999999", time="2026-01-04T00:00:00Z", weights="b/c.pth", encoder_options={}),
]


def test_every_name_and_run_that_a_table_shows_is_accepted():
    (table,) = Leaderboard(Path("none"), TWO, [], []).text_tables(with_ids=True)
    assert len({line[0].text for line in table.rows}) == len(TWO)
    for line in table.rows:
        (shown,) = (row for row in TWO if short_ids(row.run for row in TWO)[row.run] == line[-1].text)
        for name in (line[0].text, line[-1].text):
            assert row_of(TWO, name, "us8k", "logistic") == shown


def test_short_ids_are_as_long_as_distinguishes_them():
    assert {run[-8:]: short for run, short in short_ids(row.run for row in TWO).items()} == {
        "1a2b3c4d": "1a2b3", "1a2f0000": "1a2f0", "1a2b0000": "1a2b0", "99999999": "99999",
    }  # fmt: skip
    assert short_ids(["mine", "20260101T000000-1a2b3c4d"]) == {"mine": "mine", "20260101T000000-1a2b3c4d": "1a2b"}


def test_a_probe_is_named_with_or_without_its_options():
    two = [row("1", probe_options={"k": 3}), row("2", probe_options={"k": 5})]
    assert row_of(two, "m2d", "us8k", "logistic").run == "2"
    assert row_of(two, "m2d", "us8k", "logistic(k=3)").run == "1"
    assert [each.run for each in Filters(probe=["logistic(k=3)"]).own(two)] == ["1"]


def test_a_path_means_the_weights_of_its_file():
    assert row_of(TWO, "elsewhere/c.pth", "us8k", "logistic") == TWO[3]
