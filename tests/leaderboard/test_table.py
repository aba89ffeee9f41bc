"""The leaderboard file: whole rows, none lost, never a foreign file overwritten."""

import csv
import json
import multiprocessing
import os
import typing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evar.base.errors import StorageError
from evar.leaderboard.read import read_rows
from evar.leaderboard.table import COLUMNS, FORMAT, NAME, REQUIRED, Result, append, check
from evar.probes.predictions import Predictions

CLASSES = ("a", "b")
FORMAT_1 = Path(__file__).with_name("format1.csv")  # as the first version wrote it
CURVES = {"test": {"0.1": 0.5, "1": 0.75}}


def make_result(**changes):
    """A row with a value of the right type in every column."""
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


def add(results, **changes):
    return append(results, make_result(**changes), make_predictions(), ["x.wav", "y.wav", "z.wav"], CLASSES, CURVES)


def test_first_row_makes_a_table_that_pandas_reads(tmp_path):
    path = add(tmp_path, run="one", score=0.876, parts={"1": 0.5}, limit=None, ranked=True)
    table = pd.read_csv(path)
    assert tuple(table.columns) == COLUMNS
    assert table.loc[0, ["format", "run", "score", "ranked"]].tolist() == [2, "one", 0.876, "yes"]
    assert json.loads(table.loc[0, "parts"]) == {"1": 0.5}
    assert pd.isna(table.loc[0, "limit"])


def test_rows_before_stay_byte_for_byte(tmp_path):
    path = add(tmp_path, run="one")
    before = path.read_bytes()
    add(tmp_path, run="two")
    assert path.read_bytes().startswith(before)
    assert pd.read_csv(path)["run"].tolist() == ["one", "two"]


def test_last_line_without_end_is_not_joined_with_the_new_row(tmp_path):
    path = add(tmp_path, run="one")
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    add(tmp_path, run="two")
    assert pd.read_csv(path)["run"].tolist() == ["one", "two"]


@pytest.mark.parametrize("name", ["a,b", 'say "hi"', "two\nlines", "<script>", "ümläut", "=1+1", "\udcff", "one\rtwo"])
def test_odd_names_survive(tmp_path, name):
    path = add(tmp_path, weights=name, run="r")
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        (row,) = csv.DictReader(file)
    assert row["weights"] == name


def test_predictions_are_kept_with_the_names_of_their_clips(tmp_path):
    add(tmp_path, run="one")
    with np.load(tmp_path / "predictions" / "one.npz", allow_pickle=False) as kept:
        assert kept["clips"].tolist() == ["x.wav", "z.wav"]
        assert kept["classes"].tolist() == ["a", "b"]
        np.testing.assert_array_equal(kept["logits"], make_predictions().logits)
        assert json.loads(kept["curves"].item()) == CURVES


@pytest.mark.parametrize("content", ["model,score\nmine,3\n", "format,run\n1,x\n", "\x00\x01binary"])
def test_foreign_file_is_refused_and_left_as_it_is(tmp_path, content):
    path = tmp_path / NAME
    path.write_text(content)
    for work in (lambda: check(tmp_path), lambda: add(tmp_path)):
        with pytest.raises(StorageError, match="its header is not that of a leaderboard, it lacks"):
            work()
    assert path.read_text() == content


@pytest.mark.parametrize("header", ["format,run,run", '"format,run'])
def test_header_that_names_a_column_twice_or_is_no_line_of_a_table_is_refused(tmp_path, header):
    (tmp_path / NAME).write_text(f"{header}\n1,x,y\n")
    with pytest.raises(StorageError, match="its header is no list of columns, each once"):
        check(tmp_path)


def test_empty_file_becomes_a_leaderboard(tmp_path):
    (tmp_path / NAME).write_text("")
    assert pd.read_csv(add(tmp_path, run="one"))["run"].tolist() == ["one"]


def test_every_column_that_came_after_format_1_has_a_default():
    """Or rows written before could not be read any more."""
    assert set(REQUIRED) <= set(FORMAT_1.read_text().splitlines()[0].split(","))


def test_appending_to_an_older_file_grows_its_header_and_keeps_every_byte(tmp_path):
    before = FORMAT_1.read_text().replace("\n1,2026", ",comment\n1,2026", 1).replace("yes\n", "yes,mine\n")
    (tmp_path / NAME).write_text(before)
    path = add(tmp_path, run="new", metrics={"top5": 0.5})
    table = pd.read_csv(path, dtype={"format": str})
    assert table["format"].tolist() == ["1", "1", str(FORMAT)]
    assert table["comment"].fillna("").tolist() == ["mine", "mine", ""]
    assert table["weights"].tolist() == ["text", 'a, "b"\nc', "text"]
    assert table["metrics"].fillna("").tolist() == ["", "", '{"top5": 0.5}']
    assert set(COLUMNS) <= set(table.columns)
    grown = path.read_text().splitlines()
    assert [now.startswith(then) for then, now in zip(before.splitlines(), grown, strict=False)] == [True] * 4


def test_broken_lines_of_an_older_file_are_kept_and_stay_broken(tmp_path):
    broken = ['1,"never closed', "1,too,short", ",".join("1" * len(COLUMNS))]
    (tmp_path / NAME).write_text("\n".join([FORMAT_1.read_text().rstrip(), *broken]))
    lines = add(tmp_path, run="new").read_text().splitlines()
    added = "," * (len(COLUMNS) - len(FORMAT_1.read_text().splitlines()[0].split(",")))
    assert lines[4:7] == [line + added for line in broken]
    assert [row.run for row in read_rows(tmp_path, lambda text: None)][2:] == ["new"]


def test_columns_in_another_order_get_the_row_in_theirs(tmp_path):
    path = add(tmp_path, run="one")
    pd.read_csv(path, dtype=str)[list(reversed(COLUMNS))].to_csv(path, index=False)
    add(tmp_path, run="two", score=0.25, low=0.2)
    assert [(row.run, row.score) for row in read_rows(tmp_path, pytest.fail)] == [("one", 0.5), ("two", 0.25)]


def test_rows_of_a_newer_format_are_read_but_nothing_is_appended_to_them(tmp_path):
    path = add(tmp_path, run="one")
    path.write_text(path.read_text().replace(f"\n{FORMAT},", f"\n{FORMAT + 1},"))
    before = path.read_bytes()
    for work in (lambda: check(tmp_path), lambda: add(tmp_path)):
        with pytest.raises(StorageError, match=f"rows of format {FORMAT + 1}.*update evar"):
            work()
    assert path.read_bytes() == before
    notes = []
    assert [row.run for row in read_rows(tmp_path, notes.append)] == ["one"]
    assert f"rows of format {FORMAT + 1}" in notes[0]


def test_results_that_cannot_be_written_are_told_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write .*file"):
        check(tmp_path / "file" / "results")


def test_check_leaves_nothing_behind(tmp_path):
    check(tmp_path)
    assert [file.name for file in tmp_path.iterdir() if not file.name.endswith(".lock")] == []


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
    add(tmp_path, run="one")
    assert (tmp_path / NAME).is_symlink()
    assert pd.read_csv(shared / "board.csv")["run"].tolist() == ["one"]


def _append_many(results, worker):
    for number in range(5):
        add(results, run=f"{worker}-{number}", encoder="x" * 5000)


def test_eight_processes_appending_at_once_lose_nothing(tmp_path):
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    workers = [context.Process(target=_append_many, args=(tmp_path, worker)) for worker in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 8
    table = pd.read_csv(tmp_path / NAME)
    assert sorted(table["run"]) == sorted(f"{worker}-{number}" for worker in range(8) for number in range(5))
    assert (table["encoder"].str.len() == 5000).all()
