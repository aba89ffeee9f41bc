"""The leaderboard file: a row a run, made from the runs whatever became of it, and never a foreign file overwritten."""

import csv
import json
import os
import typing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evar.base.errors import StorageError
from evar.leaderboard import runs
from evar.leaderboard.leaderboard_csv import NAME, append, require_writable, update
from evar.leaderboard.runs import Kept
from evar.probes.predictions import Predictions
from evar.result import COLUMNS, Result
from tests import forked

CLASSES = ("a", "b")
CURVES = {"test": {"0.1": 0.5, "1": 0.75}}


def make_result(**changes):
    """A result with a value of the right type in every field."""
    samples = {str: "text", float: 0.5, int: 3, bool: True, dict: {}, list: []}
    types = typing.get_type_hints(Result)
    values = {name: samples.get(typing.get_origin(kind) or kind) for name, kind in types.items()}
    return Result(**{**values, "time": "2026-03-01T00:00:00Z", **changes})


def make_predictions():
    return Predictions(
        logits=np.array([[[0.1, 0.9], [0.8, 0.2]]], dtype=np.float32),
        targets=np.array([1, 0]),
        rows=np.array([0, 2]),
        groups=np.array(["g", "h"]),
        folds=np.array(["test", "test"]),
    )


def make_kept(curves=CURVES):
    return Kept(make_predictions(), ["x.wav", "z.wav"], CLASSES, curves)


def add(results, **changes):
    return append(results, make_result(**changes), make_kept())


def runs_in(path):
    return pd.read_csv(path)["run"].tolist()


def test_first_run_makes_a_table_that_pandas_reads(tmp_path):
    path = add(tmp_path, run="one", score=0.876, high=0.9, parts={"1": 0.5}, limit=None, ranked=True)
    table = pd.read_csv(path)
    assert tuple(table.columns) == COLUMNS
    assert table.loc[0, ["run", "score", "ranked"]].tolist() == ["one", 0.876, "yes"]
    assert json.loads(table.loc[0, "parts"]) == {"1": 0.5}
    assert pd.isna(table.loc[0, "limit"])


def test_a_new_run_is_a_line_at_the_end_and_no_other_run_is_read(tmp_path, monkeypatch):
    path = add(tmp_path, run="one")
    before, read = path.read_bytes(), []
    monkeypatch.setattr(runs, "readable", lambda files: (read.extend(files), map(runs.read_record, files))[1])
    add(tmp_path, run="two", time="2025-01-01T00:00:00Z")
    assert path.read_bytes().startswith(before)
    assert runs_in(path) == ["one", "two"]
    assert [file.stem for file in read] == ["two"]


def test_a_table_that_fits_its_runs_needs_no_lock_and_no_right_to_write(tmp_path, monkeypatch):
    add(tmp_path, run="one")
    monkeypatch.setattr(runs, "only_writer", lambda _: pytest.fail("locked"))
    update(tmp_path)


def edited(path):
    path.write_text(path.read_text().replace("one", "eno"))


def with_another_encoder(path):
    record = path.parent / "runs" / "one.json"
    record.write_text(record.read_text().replace('"encoder": "text"', '"encoder": "next"'))


DIFFERENCES = {
    "deleted": Path.unlink,
    "edited": edited,
    "emptied": lambda path: path.write_text(""),
    "half written": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "what it was made from is lost": lambda path: (path.parent / ".leaderboard.json").unlink(),
    "what it was made from is broken": lambda path: (path.parent / ".leaderboard.json").write_text("[" * 10**5),
    "a run removed": lambda path: (path.parent / "runs" / "two.json").unlink(),
    "a run changed": with_another_encoder,
}


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_any_difference_makes_the_table_anew(tmp_path, difference):
    add(tmp_path, run="two", time="2026-04-01T00:00:00Z")
    path = add(tmp_path, run="one")
    DIFFERENCES[difference](path)
    update(tmp_path)
    expected = ["one"] if difference == "a run removed" else ["one", "two"]
    assert runs_in(path) == expected  # by time, as only a table made anew is
    assert pd.read_csv(path)["encoder"][0] == ("next" if difference == "a run changed" else "text")


def test_two_leaderboards_are_merged_by_copying_files_with_their_old_dates(tmp_path):
    path = add(tmp_path / "here", run="one")
    add(tmp_path / "there", run="old", time="2026-01-01T00:00:00Z")
    for file in (tmp_path / "there" / "runs").iterdir():
        copy = tmp_path / "here" / "runs" / file.name
        copy.write_bytes(file.read_bytes())
        os.utime(copy, (0, 0))
    update(tmp_path / "here")
    assert sorted(runs_in(path)) == ["old", "one"]
    assert [row.run for row in runs.read_rows(tmp_path / "here")] == ["old", "one"]


def test_a_run_that_cannot_be_read_is_in_no_line_and_reported_once(tmp_path, notes):
    path = add(tmp_path, run="one")
    (tmp_path / "runs" / "bad.json").write_text("{")
    update(tmp_path)
    update(tmp_path)
    assert runs_in(path) == ["one"]
    assert len(notes) == 1
    assert "bad.json is no record of a run" in notes[0]


@pytest.mark.parametrize("name", ["a,b", 'say "hi"', "two\nlines", "<script>", "ümläut", "=1+1", "one\rtwo"])
def test_odd_names_survive(tmp_path, name):
    path = add(tmp_path, weights=name, run="r")
    with path.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["weights"] == ("'=1+1" if name == "=1+1" else name)  # no formula for a spreadsheet


@pytest.mark.parametrize("content", ["model,score\nmine,3\n", "format,run\n1,x\n", "\x00\x01binary"])
def test_foreign_file_is_refused_and_left_as_it_is(tmp_path, content):
    path = tmp_path / NAME
    path.write_text(content)
    for work in (lambda: require_writable(tmp_path), lambda: add(tmp_path)):
        with pytest.raises(StorageError, match="was not made from runs, it stays as it is"):
            work()
    assert path.read_text() == content


def test_results_that_cannot_be_written_are_reported_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write .*file"):
        require_writable(tmp_path / "file" / "results")


def test_check_leaves_nothing_but_the_lock_behind(tmp_path):
    require_writable(tmp_path)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [tmp_path / "runs.lock"]


def test_interrupted_write_leaves_the_table_as_it_was(tmp_path, monkeypatch):
    path = add(tmp_path, run="one")
    before = path.read_bytes()

    def interrupted(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        add(tmp_path, run="two")
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("**/*.part"))


def test_leaderboard_that_is_a_link_stays_one(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    (tmp_path / NAME).symlink_to(shared / "board.csv")
    for run in ("one", "two"):
        add(tmp_path, run=run)
    assert (tmp_path / NAME).is_symlink()
    assert runs_in(shared / "board.csv") == ["one", "two"]


def add_two(results, worker):
    for number in range(2):
        add(results, run=f"{worker}-{number}", encoder="x" * 4000)


def test_eight_processes_that_finish_at_once_lose_nothing(tmp_path):
    workers = [forked.context.Process(target=add_two, args=(tmp_path, worker)) for worker in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(100)
    assert [worker.exitcode for worker in workers] == [0] * 8
    table = pd.read_csv(tmp_path / NAME)
    assert sorted(table["run"]) == sorted(f"{worker}-{number}" for worker in range(8) for number in range(2))
    assert (table["encoder"].str.len() == 4000).all()
    assert len(runs.read_rows(tmp_path)) == 16


def test_runs_that_look_at_the_same_time_whether_they_may_write_do_not_disturb_each_other(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: require_writable(tmp_path), range(100)))
