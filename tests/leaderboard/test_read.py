"""Reading results back: what was written, no more, no less; what is broken is told with its line."""

import dataclasses
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evar.base.errors import DataError, StorageError
from evar.leaderboard.read import read_predictions, read_rows, to_result
from evar.leaderboard.table import NAME
from tests.leaderboard.test_table import CLASSES, CURVES, FORMAT_1, add, make_predictions, make_result

shares = st.floats(0, 1).map(lambda value: float(f"{value:.6g}"))


def read(results):
    return read_rows(results, pytest.fail)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    shares,
    st.integers(0, 10**12),
    st.booleans(),
    st.dictionaries(st.text(max_size=5), shares | st.none(), max_size=3),
    st.lists(shares, max_size=3),
)
@settings(deadline=None, max_examples=60, database=None)
def test_row_reads_as_what_was_written(name, score, count, truth, settings, seeds):
    result = make_result(
        encoder=name,
        score=score,
        low=0.0,
        high=1.0,
        n=count,
        ranked=truth,
        setting=settings,
        seeds=seeds,
        metrics=settings,
        limit=None,
    )
    assert to_result(result.row()) == result


def test_rows_come_oldest_first_whatever_the_order_of_the_file(tmp_path):
    for run, time in (
        ("new", "2026-11-02T00:00:00Z"),
        ("old", "2026-10-30T00:00:00Z"),
        ("mid", "2026-11-01T09:00:00+02:00"),
    ):
        add(tmp_path, run=run, time=time)
    assert [row.run for row in read(tmp_path)] == ["old", "mid", "new"]


def test_run_that_stands_twice_is_read_once_and_told(tmp_path):
    add(tmp_path, run="one", encoder="first")
    path = add(tmp_path, run="two", encoder="second")
    path.write_text(path.read_text().replace("two,", "one,"))
    notes = []
    assert [row.encoder for row in read_rows(tmp_path, notes.append)] == ["first"]
    assert notes == [f"{path}, line 3: run one stands on an earlier line too; the line is skipped"]


def test_bytes_that_are_no_utf_8_are_shown_and_kept(tmp_path):
    path = add(tmp_path, encoder="MARK")
    path.write_bytes(path.read_bytes().replace(b"MARK", b"caf\xe9"))
    assert [row.encoder for row in read(tmp_path)] == ["caf\ufffd"]
    assert b"caf\xe9" in add(tmp_path, run="next").read_bytes()


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"score": "-3", "low": "-4"}, "accuracy cannot be -3 [-4, 0.9]"),
        ({"score": "0.5", "low": "0.6", "high": "0.4"}, "score cannot be 0.5 in an interval from 0.6 to 0.4"),
        ({"time": "yesterday"}, "time cannot be 'yesterday'"),
        ({"metric": "unheard of", "score": "2", "low": "1", "high": "0.5"}, "score cannot be 2"),
    ],
)
def test_row_that_cannot_be_is_refused(cells, said):
    good = {**make_result(score=0.5, low=0.4, high=0.9, metric="accuracy").row()}
    with pytest.raises(ValueError, match=re.escape(said)):
        to_result({**good, **cells})
    assert to_result({**good, "metric": "d_prime", "score": "1.2", "high": "3"}).score == 1.2


def test_rows_of_one_moment_come_in_the_order_of_the_file(tmp_path):
    for run in ("one", "two", "three"):
        add(tmp_path, run=run, weights='two\nlines, and a "quote"')
    assert [row.run for row in read(tmp_path)] == ["one", "two", "three"]
    assert read(tmp_path)[0] == make_result(run="one", weights='two\nlines, and a "quote"')


def test_no_leaderboard_is_no_rows(tmp_path):
    assert read(tmp_path) == []


def test_rows_of_format_1_are_read(tmp_path):
    (tmp_path / NAME).write_bytes(FORMAT_1.read_bytes())
    first, second = read(tmp_path)
    assert (first.run, first.score, first.limit, first.parts) == (
        "20260101T000000-aaaaaaaa",
        0.876,
        None,
        {"1": 0.5, "2": 1.0},
    )
    assert first.setting == {"1": 0.1, "2": None}
    assert first.encoder_options == {"layers": [3, 7], "flat": True}
    assert second.weights == 'a, "b"\nc'
    assert first.metrics == {}


def test_table_that_a_spreadsheet_saved_is_read(tmp_path):
    text = "\ufeff" + FORMAT_1.read_text().replace("\n", "\r\n").replace('""b""\r\n', '""b""\n')
    (tmp_path / NAME).write_bytes(text.encode())
    assert [row.weights for row in read(tmp_path)] == ["text", 'a, "b"\nc']
    add(tmp_path, run="new")
    assert [row.weights for row in read(tmp_path)] == ["text", 'a, "b"\nc', "text"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (",0.876,", ",0.8x6,", "score cannot be '0.8x6'"),
        (",0.876,", ",nan,", "score cannot be 'nan'"),
        (",0.876,", ",,", "score cannot be ''"),
        (",0.876,", ",", "not a row of 55 cells"),
        (",0.876,", ",0.876,0.876,", "not a row of 55 cells"),
        (",0.876,", ',"0.876,', "not a row of 55 cells"),
        ("[0.1, 0.2]", "[0.1, 0.2", "seeds cannot be '[0.1, 0.2'"),
        ("[0.1, 0.2]", "{}", "seeds cannot be '{}'"),
        (",yes,", ",perhaps,", "few_groups cannot be 'perhaps'"),
        ("1,20260101", "one,20260101", "format cannot be 'one'"),
    ],
)
def test_broken_line_is_told_with_its_number_and_skipped(tmp_path, old, new, said):
    """The rows above and below it are read, also below a quote that was never closed."""
    header, first, second, rest = FORMAT_1.read_text().split("\n", 3)
    broken = first.replace(old, new, 1).replace("yes,yes,yes", "yes,yes,yes", 1)
    assert broken != first
    (tmp_path / NAME).write_text("\n".join([header, second, rest.rstrip(), "", broken, first]) + "\n")
    notes = []
    assert [row.run[-8:] for row in read_rows(tmp_path, notes.append)] == ["aaaaaaaa", "bbbbbbbb"]
    (note,) = notes
    assert f"{NAME}, line 5: {said}" in note
    assert note.endswith("the line is skipped")


def test_rows_between_two_stray_quotes_are_read(tmp_path):
    for run in ("one", "two"):
        path = add(tmp_path, run=run)
    header, *rows = path.read_text().splitlines()
    assert not any('"' in row for row in rows)
    path.write_text("\n".join([header, '2,"stray', *rows, 'stray",2', ""]))
    notes = []
    assert [row.run for row in read_rows(tmp_path, notes.append)] == ["one", "two"]
    assert [note.partition(":")[0] for note in notes] == [f"{path}, line {line}" for line in (2, 5)]


def test_foreign_file_is_refused(tmp_path):
    (tmp_path / NAME).write_text("model,score\nmine,3\n")
    with pytest.raises(StorageError, match="not that of a leaderboard"):
        read(tmp_path)


def test_predictions_read_as_what_was_kept(tmp_path):
    add(tmp_path, run="one")
    kept = read_predictions(tmp_path, "one")
    for field in dataclasses.fields(kept.predictions):
        expected = getattr(make_predictions(), field.name)
        np.testing.assert_array_equal(getattr(kept.predictions, field.name), expected)
    assert (kept.clips, kept.classes, kept.curves) == (["x.wav", "z.wav"], CLASSES, CURVES)


def test_missing_predictions_are_told(tmp_path):
    with pytest.raises(DataError, match=r"no predictions of run one: .*one\.npz is not there"):
        read_predictions(tmp_path, "one")


@pytest.mark.parametrize("run", ["../one", "a/b", "/one"])
def test_run_that_is_a_path_is_refused(tmp_path, run):
    with pytest.raises(DataError, match="no name of a run"):
        read_predictions(tmp_path / "deep", run)


@pytest.mark.parametrize("damage", ["cut", "garbled", "method", "empty", "text", "lacking", "pickled", "unfitting"])
def test_broken_predictions_are_told(tmp_path, damage):
    add(tmp_path, run="one")
    path = tmp_path / "predictions" / "one.npz"
    content = path.read_bytes()
    with np.load(path) as kept:
        arrays = dict(kept)
    whole = {
        "cut": content[:-100],
        "garbled": content[:70] + b"\xff" * 20 + content[90:],  # inside the first array's compressed stream
        "method": content.replace(b"\x08\x00\x00\x00\x21\x00", b"\x63\x00\x00\x00\x21\x00"),  # of compression
        "empty": b"",
        "text": b"hello",
    }
    if damage in whole:
        assert whole[damage] != content
        path.write_bytes(whole[damage])
    elif damage == "lacking":
        del arrays["clips"]
        np.savez(path, **arrays)
    else:
        arrays |= {"pickled": {"groups": np.array(["a", {}])}, "unfitting": {"classes": np.array(["a"])}}[damage]
        np.savez(path, **arrays)
    with pytest.raises(DataError, match=r"one\.npz is broken"):
        read_predictions(tmp_path, "one")


def test_curves_are_json_and_nothing_is_executed(tmp_path):
    add(tmp_path, run="one")
    with np.load(tmp_path / "predictions" / "one.npz", allow_pickle=False) as kept:
        assert json.loads(kept["curves"].item()) == CURVES
