"""A sweep over a group of tasks: what is left out, what has its row, and what a second try does."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

import evar
from evar import pipeline
from evar.base.errors import DataError
from tests.data.native_trees import TREES
from tests.tones import write_tones


@pytest.fixture
def here(tmp_path):
    """A working folder with two tasks of its own."""
    (tmp_path / "tasks").mkdir()
    path = write_tones(tmp_path)
    for name in ("one", "two"):
        shutil.copy(path, tmp_path / "tasks" / f"{name}.yaml")
    return tmp_path


def scored():
    """Task and probe of each row, in the order of their runs."""
    return [(row.task, row.probe) for row in pd.read_csv("results/leaderboard.csv").itertuples()]


def test_a_killed_sweep_goes_on_with_what_has_no_row(here, call, monkeypatch):
    embed = pipeline.embed

    def stopped(encoder, plan, runtime, cache):
        if Path("results/leaderboard.csv").exists():
            raise KeyboardInterrupt
        return embed(encoder, plan, runtime, cache)

    sweep = ("--task", "all", "--encoder", "logmel", "--probe", "knn,centroid")
    monkeypatch.setattr(pipeline, "embed", stopped)
    assert call(*sweep)[0] == 130
    assert scored() == [("one", "knn"), ("one", "centroid")]
    monkeypatch.setattr(pipeline, "embed", embed)
    code, out, err = call(*sweep)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["one", "one", "two", "two"]
    assert "one: has its row by knn, run 2" in err
    assert err.count("row added") == 2
    assert scored()[2:] == [("two", "knn"), ("two", "centroid")]
    assert call(*sweep)[:2] == (0, out)
    assert len(scored()) == 4
    assert call(*sweep, "--again")[0] == 0
    assert len(scored()) == 8


def test_what_differs_in_anything_that_decides_a_score_is_scored(here, call):
    first = ["--task", "one", "--encoder", "logmel", "--probe", "centroid"]
    others = [
        [*first, "--seed", "1"],
        [*first, "--limit", "6"],
        [*first[:-1], "knn(k=[3])"],
        [*first[:-1], "knn(k=[5])"],
        [*first, "--shots", "1,2", "--draws", "2"],
        [*first, "--shots", "1,2", "--draws", "3"],
        ["--task", "two", *first[2:]],
        ["--task", "one", "--encoder", "random(model='m2d_vit_tiny-80x208p16x16', seed=1)", *first[4:], "--limit", "6"],
    ]
    for command in (first, *others):
        before = len(list(Path("results/runs").glob("*.json")))
        for _ in range(2):
            assert call(*command)[0] == 0
        assert len(list(Path("results/runs").glob("*.json"))) == before + (2 if "--shots" in command else 1)
    Path("tasks/one.yaml").write_text(Path("tasks/one.yaml").read_text().replace("0.25", "0.2"))
    assert "row added" in call(*first)[2]
    Path("data/tones/train-low-000.wav").write_bytes(Path("data/tones/train-low-001.wav").read_bytes())
    assert "row added" in call(*first)[2]
    assert "row added" not in call(*first)[2]
    assert call("check", "--task", "one", "--near-duplicates")[0] == 0
    assert "row added" in call(*first)[2]  # which counts them


def test_a_sweep_of_layers_that_lacks_a_row_adds_no_other_twice(here, call):
    layers = [
        "--task",
        "one",
        "--encoder",
        "random(model='m2d_vit_tiny-80x208p16x16', layers='each')",
        "--probe",
        "knn",
        "--limit",
        "6",
    ]
    first = call(*layers)[1]
    runs = Path("results/runs")
    records = sorted(runs.glob("*.json"))
    assert len(records) > 3
    records[-1].unlink()
    assert call(*layers)[1] == first
    assert len(list(runs.glob("*.json"))) == len(records)


def test_a_group_runs_what_is_there_and_ends_with_what_is_not(here, call):
    TREES["cremad"](here / "data")
    code, out, err = call("--task", "speech", "--encoder", "logmel", "--probe", "knn", "--limit", "40")
    assert code == 2
    assert out.startswith("cremad  logmel  knn  accuracy")
    ends = err.splitlines()[-6:]
    assert all(line.startswith("evar: error: task ") for line in ends)
    assert "`evar prepare --task vc1 --download` fetches what may be fetched" in ends[0]
    assert "not found: looked for " in ends[3]
    assert "get it from https://zenodo.org/records/1216072" in ends[4]
    with pytest.raises(DataError, match="task vc1: VoxCeleb1 .* not found"):
        evar.evaluate("speech", "logmel", results="results", data=here / "data")
    assert scored() == [("cremad", "knn")]
    assert call("check", "--task", "speech", "--json")[1].count("\n") == 1
    assert call("prepare", "--task", "speech")[1].startswith("cremad  ")


def test_in_python_what_has_its_row_gives_it(here):
    how = {"probe": "centroid", "results": here / "results", "data": here / "data"}
    (first,) = evar.evaluate("one", "logmel", **how)
    same, other = evar.evaluate("all", "logmel", **how)
    assert (same, other.task) == (first, "two")
    assert same.store_digest == other.store_digest  # of the same audio
    assert evar.evaluate("one", "logmel", again=True, **how)[0].run != first.run
