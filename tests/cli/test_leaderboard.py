"""`evar leaderboard`, `evar export` and `evar import` from the command line."""

import csv
import io
import json

import pandas as pd
import pytest

from evar.leaderboard.leaderboard_csv import append
from evar.testing.made_rows import make_row
from tests.leaderboard.test_leaderboard_csv import make_kept


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    for row in (
        make_row(run="one", encoder="m2d", score=0.8, low=0.7, high=0.9, parts={"test": 0.8}),
        make_row(run="two", encoder="logmel", score=0.4, low=0.3, high=0.5, parts={"test": 0.4}),
        make_row(run="smoke", encoder="m2d", limit=3, ranked=False),
    ):
        append(folder, row, make_kept())
    return folder


def test_the_table_shows_ranked_rows_and_the_smoke_run_apart(results, call):
    code, out, _ = call("leaderboard", "--results", results, "--published", "none")
    assert code == 0
    ranked, apart = out.split("\n\n")[:2]
    assert [line.split()[0] for line in ranked.splitlines()[2:]] == ["m2d", "logmel"]
    assert "smoke run of 3 clips a part" in apart


def test_what_is_printed_goes_to_a_file_by_out(results, call, tmp_path):
    arguments = ["leaderboard", "--results", results, "--format", "markdown"]
    code, out, _ = call(*arguments)
    assert (code, "| logmel |" in out) == (0, True)
    assert call(*arguments, "--out", tmp_path / "board")[:2] == (0, "")
    assert (tmp_path / "board").read_text(encoding="utf-8") == out


def test_a_group_keeps_the_rows_of_its_tasks(results, call):
    assert call("leaderboard", "--results", results, "--task", "core", "--ranks")[1].count("#1 ") == 1
    code, _, err = call("leaderboard", "--results", results, "--published", "none", "--task", "music")
    assert (code, "is left by --task" in err) == (0, True)


def test_published_rows_are_those_of_the_tasks_shown(results, call):
    _, out, _ = call("leaderboard", "--results", results, "--format", "long", "--published", "frozen")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["task"] for row in rows} == {"us8k"}
    assert {row["kind"] for row in rows if row["origin"] == "published"} == {"linear", "frozen"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--task", "us9k"], "unknown task 'us9k': did you mean us8k?"),
        (["--task", "cor"], "did you mean core?"),
        (["--ranks", "--format", "csv"], "latex, not csv; csv and json always hold ranks"),
        (["--ranks", "--history"], "latex, not --history"),
        (["--probe", "logistik"], "did you mean logistic?"),
        (["--encoder", "m3d"], "unknown encoder 'm3d': did you mean m2d"),
        (["--format", "markdwn"], "did you mean markdown?"),
        (["--published", "linar"], "did you mean linear?"),
        (["--since", "yesterday"], "must be a day such as 2026-11-22, not 'yesterday'"),
        (["--history", "--format", "json"], "--history is a table for people: give --format terminal"),
        (["--sinse", "2026-01-01"], "did you mean --since?"),
    ],
)
def test_a_mistake_is_one_line(results, call, arguments, says):
    code, out, err = call("leaderboard", "--results", results, *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("verb", ["leaderboard", "export", "runs list", "runs show one", "compare m2d logmel"])
def test_a_results_folder_that_is_not_there_is_one_line(results, call, verb):
    code, out, err = call(*verb.split(), "--results", results.parent / "result")
    assert (code, out, err) == (
        2,
        "",
        f"evar: error: no results folder {results.parent / 'result'}: did you mean results?\n",
    )
    code, out, err = call(*verb.split(), "--results", results / "leaderboard.csv")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "leaderboard.csv is no folder" in err


def test_history_shows_every_run(results, call):
    _, out, _ = call("leaderboard", "--results", results, "--history", "--format", "markdown")
    assert [word for word in ("one", "two", "smoke") if f"| {word} |" not in out] == []


def test_an_empty_folder_shows_published_rows_and_says_so(tmp_path, call):
    code, out, err = call("leaderboard", "--results", tmp_path)
    assert code == 0
    assert "no runs in" in err
    assert "Published: a linear classifier" in out


def test_export_writes_the_shapes_of_others(results, call, tmp_path):
    for format, name in (("hear", "test.predicted-scores.json"), ("mteb", "evar__us8k.json")):
        code, _, err = call("export", "--results", results, "--format", format, "--out", tmp_path / format)
        assert (code, err) == (0, f"evar: 2 files written to {tmp_path / format}\n")
        files = list((tmp_path / format).rglob(name))
        assert len(files) == 2
        assert all(json.loads(file.read_text()) for file in files)


def test_export_of_no_ranked_row_is_a_mistake(results, call, tmp_path):
    code, _, err = call("export", "--results", results, "--format", "hear", "--out", tmp_path, "--probe", "knn")
    assert code == 2
    assert "unknown probe 'knn' (valid: logistic)" in err
    assert call("export", "--results", results, "--format", "mteb")[0] == 2


def test_parquet_is_the_long_table(results, call, tmp_path):
    _, out, _ = call("export", "--results", results)
    assert call("export", "--results", results, "--format", "parquet", "--out", tmp_path / "t.parquet")[0] == 0
    table = pd.read_parquet(tmp_path / "t.parquet")
    assert len(table) == len(list(csv.DictReader(io.StringIO(out))))
    assert table.loc[table["run"] == "one", "score"].item() == 0.8


def test_imported_scores_stand_in_every_view(results, call, tmp_path):
    (tmp_path / "scores.csv").write_text("representation,task,score,report\nbyola,us8k,0.787,old\n", encoding="utf-8")
    code, _, err = call("import", tmp_path / "scores.csv", "--results", results)
    assert code == 0
    assert "1 of 1 scores copied to" in err
    for format in ("terminal", "markdown", "latex", "long", "json"):
        assert "byola" in call("leaderboard", "--results", results, "--format", format)[1]
    assert "byola" not in call("leaderboard", "--results", results, "--format", "csv")[1]
    for filters, there in ((["--task", "us8k"], True), (["--encoder", "m2d"], False)):
        assert ("byola" in call("leaderboard", "--results", results, "--format", "long", *filters)[1]) == there


def test_filters_that_leave_no_row_of_ones_own_are_reported(results, call):
    code, _, err = call("leaderboard", "--results", results, "--since", "2030-01-01", "--task", "us8k")
    assert code == 0
    assert f"no run in {results} is left by --task --since" in err
    assert call("leaderboard", "--results", results, "--since", "2026-11-01")[2] == ""


def test_the_page_goes_beside_the_results_or_where_it_is_reported(results, call, tmp_path):
    code, out, err = call("leaderboard", "--results", results, "--format", "html")
    assert (code, out) == (0, "")
    assert f"written to {results / 'leaderboard.html'}" in err
    page = (results / "leaderboard.html").read_text(encoding="utf-8")
    assert "an unknown head on a frozen encoder" in page
    few = ["leaderboard", "--results", results, "--format", "html", "--published", "none", "--out", tmp_path / "p.html"]
    assert call(*few)[0] == 0
    assert "an unknown head" not in (tmp_path / "p.html").read_text(encoding="utf-8")
