"""`evar runs` and `evar import FOLDER` as a user runs them."""

import json
from pathlib import Path

import pandas as pd
import pytest

from evar.leaderboard.runs import read_rows
from tests.leaderboard.test_leaderboard_csv import add

FIRST, SECOND = "20260101T000000-aaaaaaaa", "20260102T000000-bbbbbbbb"


@pytest.fixture(autouse=True)
def two_runs(working_folder):
    add(Path("results"), run=FIRST, task="us8k", encoder="m2d", time="2026-01-01T00:00:00Z", note="")
    add(Path("results"), run=SECOND, task="gtzan", encoder="logmel", time="2026-01-02T00:00:00Z", note="")


def test_list_has_a_line_a_run_with_its_tags_and_note(call):
    assert call("runs", "tag", "20260101", "paper", "v2")[0] == 0
    assert call("runs", "note", SECOND, "the", "old\x1b[2J crop")[0] == 0
    code, out, _ = call("runs", "list")
    first, second = out.splitlines()[-2:]
    assert code == 0
    assert first.startswith(f"{FIRST}  us8k")
    assert first.rstrip().endswith("paper, v2")
    assert second.endswith("the old\ufffd[2J crop")
    assert pd.read_csv("results/leaderboard.csv")["tags"].tolist() == ['["paper", "v2"]', "[]"]
    listed = [json.loads(line) for line in call("runs", "list", "--json")[1].splitlines()]
    assert [(each["run"], each["tags"], each["note"]) for each in listed] == [
        (FIRST, ["paper", "v2"], ""),
        (SECOND, [], "the old\x1b[2J crop"),
    ]


def test_a_folder_without_runs_is_said_and_nothing_is_printed(call):
    Path("none").mkdir()
    for more in ([], ["--json"]):
        code, out, err = call("runs", "list", "--results", "none", *more)
        assert (code, out) == (0, "")
        assert "no runs in none yet" in err


def test_show_prints_the_record(call):
    code, out, _ = call("runs", "show", "20260102")
    assert code == 0
    assert out == Path(f"results/runs/{SECOND}.json").read_text()
    (line,) = call("runs", "show", "20260102", "--json")[1].splitlines()
    assert json.loads(line) == json.loads(out)


def test_tags_and_notes_are_taken_away_by_naming_none(call):
    for action in ("tag", "note"):
        call("runs", action, FIRST, "word")
        assert f"{FIRST}: {action}" in call("runs", action, FIRST)[2]
    (row, _) = read_rows(Path("results"))
    assert (row.tags, row.note) == ([], "")


def test_remove_names_what_went_and_leaves_the_others(call):
    code, _, err = call("runs", "remove", "20260101")
    assert code == 0
    assert f"removed: results/runs/{FIRST}.json, results/runs/{FIRST}.npz" in err
    assert sorted(file.name for file in Path("results/runs").iterdir()) == [f"{SECOND}.json", f"{SECOND}.npz"]
    assert pd.read_csv("results/leaderboard.csv")["run"].tolist() == [SECOND]


def test_a_run_that_cannot_be_read_can_be_removed(call):
    Path(f"results/runs/{FIRST}.json").write_text("{")
    code, _, err = call("runs", "show", FIRST)
    assert code == 2
    assert f"error: results/runs/{FIRST}.json is no record of a run" in err
    assert call("runs", "remove", FIRST)[0] == 0
    assert [row.run for row in read_rows(Path("results"))] == [SECOND]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("runs", "the following arguments are required: list|show|tag|note|remove"),
        ("runs drop", "unknown action"),
        ("runs show", "evar runs show RUN: say which"),
        ("runs show 2026", "2 runs begin with '2026'"),
        ("runs remove nothing", "unknown run 'nothing': 2 runs there, `evar runs list` shows them"),
        ("runs remove ../results/runs/x", "unknown run"),
        (f"runs show {FIRST[:-1]}b", f"unknown run '{FIRST[:-1]}b': did you mean {FIRST}"),
        (f"runs remove {FIRST} {SECOND}", "takes one run, not"),
        (f"runs list {FIRST}", "takes no run"),
    ],
)
def test_mistakes_are_one_line_and_change_nothing(call, line, said):
    code, out, err = call(*line.split())
    assert (code, out) == (2, "")
    assert said in err
    assert len(read_rows(Path("results"))) == 2


def test_import_of_a_results_folder_adds_its_runs_once(call):
    add(Path("other"), run="new", time="2026-01-03T00:00:00Z")
    add(Path("other"), run=FIRST, encoder="another")
    for new in (1, 0):
        code, _, err = call("import", "other")
        assert code == 0
        assert f"{new} of 2 runs copied to results/runs" in err
        assert pd.read_csv("results/leaderboard.csv")["run"].tolist() == [FIRST, SECOND, "new"]
    assert read_rows(Path("results"))[0].encoder == "m2d"
    code, _, err = call("import", "results/runs")
    assert code == 2
    assert "results/runs holds no runs" in err


def test_the_leaderboard_shows_runs_that_were_copied_there_and_makes_the_table_anew(call):
    add(Path("other"), run="new", encoder="copied")
    for file in Path("other/runs").iterdir():
        Path("results/runs", file.name).write_bytes(file.read_bytes())
    code, out, _ = call("leaderboard", "--published", "none")
    assert code == 0
    assert "copied" in out
    assert pd.read_csv("results/leaderboard.csv")["run"].tolist()[-1] == "new"


def test_a_leaderboard_of_another_making_is_kept_and_the_runs_are_shown(call):
    Path("results/leaderboard.csv").write_text("model,score\nmine,3\n")
    code, out, err = call("leaderboard", "--published", "none")
    assert code == 0
    assert "m2d" in out
    assert "leaderboard.csv is not up to date: results/leaderboard.csv was not made from runs" in err
    assert Path("results/leaderboard.csv").read_text() == "model,score\nmine,3\n"
