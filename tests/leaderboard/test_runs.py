"""Runs: what is kept is read back, no more, no less; what is broken or hostile costs one line and no other run."""

import dataclasses
import io
import json
import os
import re
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evar.base.errors import DataError, StorageError, UsageError
from evar.leaderboard import runs
from evar.leaderboard.runs import read_predictions, read_record, read_rows
from evar.result import PARTS
from tests.leaderboard.test_leaderboard_csv import CLASSES, CURVES, add, make_kept, make_predictions, make_result

shares = st.floats(0, 1)
REAL = {"metric": "accuracy", "score": 1.0, "high": 1.0}  # of make_predictions


def record_of(folder, run="one"):
    return folder / "runs" / f"{run}.json"


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    shares,
    st.integers(0, 10**12),
    st.booleans(),
    st.dictionaries(st.text(max_size=5), shares | st.none(), max_size=3),
    st.lists(shares, max_size=3),
)
@settings(deadline=None, max_examples=25, database=None)
def test_run_reads_as_what_was_kept(tmp_path_factory, name, score, count, truth, settings, seeds):
    folder = tmp_path_factory.mktemp("results")
    more = {"n": count, "ranked": truth, "setting": settings, "seeds": seeds, "metrics": settings, "limit": None}
    result = make_result(run="one", encoder=name, score=score, low=0.0, high=1.0, **more)
    path = runs.keep(folder, result, make_kept())
    record = read_record(path)
    assert record.result == result
    assert (record.selection.classes, record.selection.curves) == (list(CLASSES), CURVES)


def test_a_result_is_one_line_and_its_sections_hold_each_field_once():
    result = make_result(run="one", task="us8k", encoder="m2d")
    assert repr(result) == "Result(one: us8k m2d text text, text 50.0 % [50.0, 50.0], n=3)"
    sections = result.sections()
    assert list(sections) == list(PARTS)
    fields = [name for section in sections.values() for name in section]
    assert fields == [field.name for field in dataclasses.fields(result)]


def test_rows_come_oldest_first_whatever_their_names(tmp_path):
    times = {"a": "2026-11-02T00:00:00Z", "b": "2026-10-30T00:00:00Z", "c": "2026-11-01T09:00:00+02:00"}
    for run, time in times.items():
        add(tmp_path, run=run, time=time)
    assert [row.run for row in read_rows(tmp_path)] == ["b", "c", "a"]


def test_no_folder_is_no_rows(tmp_path):
    assert read_rows(tmp_path / "none") == []


def test_names_that_no_file_can_hold_are_shown_with_a_mark(tmp_path):
    add(tmp_path, run="one", encoder="caf\udce9")
    assert [row.encoder for row in read_rows(tmp_path)] == ["caf\ufffd"]


def test_a_score_that_was_infinite_on_validation_rows_is_left_out_of_the_curve(tmp_path):
    curves = {"test": {"0.1": float("inf"), "1": 0.5}}
    path = runs.keep(tmp_path, make_result(run="one"), make_kept(curves))
    assert read_record(path).selection.curves == {"test": {"1": 0.5}}


def test_the_record_is_written_last(tmp_path, monkeypatch):
    written = []
    replace = runs.Path.replace
    monkeypatch.setattr(runs.Path, "replace", lambda file, to: (written.append(to.name), replace(file, to))[1])
    runs.keep(tmp_path, make_result(run="one"), make_kept())
    assert written == ["one.npz", "one.json"]


def test_a_run_that_a_full_disk_has_no_room_for_is_not_there(small_disk):
    folder, _ = small_disk
    (folder / "full").write_bytes(bytes(60_000))
    with pytest.raises(StorageError, match=r"no space left for .*one\.(npz|json)"):
        runs.keep(folder, make_result(run="one"), make_kept())
    assert list((folder / "runs").iterdir()) == []


def changed(section, field, value):
    def change(sections):
        sections[section][field] = value

    return change


def without(section, field):
    return lambda sections: sections[section].pop(field)


WRONG = {
    "a field is missing": (without("score", "low"), "score.low: Field required"),
    "a field is unknown": (changed("score", "best", 1), "score.best: Unexpected keyword argument"),
    "a section is missing": (lambda sections: sections.pop("cost"), "cost: Field required"),
    "a section is unknown": (lambda sections: sections.update(more={}), "more: Unexpected keyword argument"),
    "of another type": (changed("score", "score", "0.8"), "score.score: Input should be a valid number"),
    "no number": (changed("score", "score", float("nan")), "score.score: Input should be a finite number"),
    "outside its interval": (changed("score", "low", 0.6), "score cannot be 0.5 in an interval from 0.6 to 0.5"),
    "outside its metric": (
        lambda sections: sections["score"].update(metric="accuracy", score=2.0, high=3.0),
        "accuracy cannot be 2 [0.5, 3]",
    ),
    "no time": (changed("what", "time", "yesterday"), "time cannot be 'yesterday'"),
    "an endless name": (changed("what", "encoder", "x" * 10**7), "what.encoder has 10,000,000 letters, a text has at"),
    "an endless list": (changed("score", "parts", {str(k): 0.5 for k in range(10**5)}), "score.parts has 100,000 entr"),
    "an endless name deep down": (
        changed("provenance", "probe_options", {"a": [{"b" * 5000: 1}]}),
        "provenance.probe_options.a.0 has 5,000 letters",
    ),
    "of another run": (changed("what", "run", "two"), "it is of run 'two'"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_record_that_cannot_be_is_left_out_with_one_line(tmp_path, wrong, notes):
    add(tmp_path, run="one")
    add(tmp_path, run="good")
    change, said = WRONG[wrong]
    path = record_of(tmp_path)
    sections = json.loads(path.read_text())
    change(sections)
    path.write_text(json.dumps(sections))
    notes.clear()
    assert [row.run for row in read_rows(tmp_path)] == ["good"]
    (note,) = notes
    assert note.startswith(f"{path} is no record of a run: {said}")
    assert note.endswith("; the run is left out")
    assert "\n" not in note


def huge(path):
    with path.open("wb") as file:
        file.truncate(1 << 40)


def as_folder(path):
    path.unlink()
    path.mkdir()


def as_pipe(path):
    path.unlink()
    os.mkfifo(path)


HOSTILE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-50]),
    "bytes": lambda path: path.write_bytes(b"\x00\xff\xfe"),
    "a list": lambda path: path.write_text("[]"),
    "nested": lambda path: path.write_text("[" * 100_000),
    "nested in a field": lambda path: path.write_text(
        path.read_text().replace('"encoder_options": {}', '"encoder_options": {"a": ' + "[" * 10**5 + "]" * 10**5 + "}")
    ),
    "huge": huge,
    "a folder": as_folder,
    "a pipe": as_pipe,
    "a link to nothing": lambda path: (path.unlink(), path.symlink_to("nothing")),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_record_is_left_out_with_one_line(tmp_path, hostile, notes):
    add(tmp_path, run="one")
    add(tmp_path, run="good")
    HOSTILE[hostile](record_of(tmp_path))
    notes.clear()
    assert [row.run for row in read_rows(tmp_path)] == ["good"]
    assert len(notes) == 1
    assert "one.json is no record of a run" in notes[0]
    assert len(notes[0]) < 500


def test_predictions_read_as_what_was_kept(tmp_path):
    add(tmp_path, run="one", **REAL)
    kept = read_predictions(tmp_path, "one")
    for field in dataclasses.fields(kept.predictions):
        expected = getattr(make_predictions(), field.name)
        np.testing.assert_array_equal(getattr(kept.predictions, field.name), expected)
    assert (kept.clips, kept.classes, kept.curves) == (["x.wav", "z.wav"], CLASSES, CURVES)


def keep_partly_known(folder, targets):
    predictions = dataclasses.replace(make_predictions(), targets=targets)
    result = make_result(run="one", metric="mAP", score=1.0, low=0.0, high=1.0)
    runs.keep(folder, result, dataclasses.replace(make_kept(), predictions=predictions))
    return read_predictions(folder, "one").predictions.targets


def test_unknown_labels_are_kept_as_such(tmp_path):
    targets = np.array([[0, 1], [1, -1]], np.int8)
    found = keep_partly_known(tmp_path, targets)
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, targets)


@pytest.mark.parametrize(
    "targets", [np.array([[0, 2], [1, -1]], np.int8), np.array([[0, 1], [1, -1]])], ids=["2", "64"]
)
def test_labels_that_are_neither_known_nor_unknown_are_refused(tmp_path, targets):
    with pytest.raises(DataError, match="targets are neither numbers of classes nor a table of labels"):
        keep_partly_known(tmp_path, targets)


def test_missing_predictions_are_reported(tmp_path):
    with pytest.raises(DataError, match=r"no predictions of run one: .*one\.npz is not there"):
        read_predictions(tmp_path, "one")


@pytest.mark.parametrize("run", ["../one", "a/b", "/one", ".hidden", ""])
def test_run_that_is_a_path_is_refused(tmp_path, run):
    with pytest.raises(DataError, match="no name of a run"):
        read_predictions(tmp_path / "deep", run)


def header(shape, dtype="<f4"):
    """The start of an array's file that promises this shape."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


MEMBERS = {
    "pickled": {"groups": np.array(["a", {}])},
    "one class more": {"logits": np.zeros((1, 2, 3), dtype=np.float32)},
    "one clip less": {"clips": np.array(["x.wav"])},
    "foreign targets": {"targets": np.array([7, 0])},
    "targets of text": {"targets": np.array(["a", "b"])},
    "of another run": {"run": np.array("two")},
    "of another score": {"targets": np.array([0, 0])},
    "no array": {"logits": b"hello"},
    "an endless shape": {"logits": header((1 << 40,))},
    "an endless text": {"clips": header((2,), "<U500000000")},
    "a shape of nothing": {"logits": header((-1, -2))},
    "a header nested deep": {"logits": b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10_000},
    "a version of the future": {"logits": b"\x93NUMPY\x09\x00\x10\x27"},
    "one more": {"more": np.zeros(3)},
}


@pytest.mark.parametrize("damage", ["cut", "garbled", "method", "empty", "text", "lacking", *MEMBERS])
def test_broken_predictions_are_reported(tmp_path, damage):
    add(tmp_path, run="one", **REAL)
    path = tmp_path / "runs" / "one.npz"
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
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
    else:
        if damage == "lacking":
            del members["clips.npy"]
        for name, value in MEMBERS.get(damage, {}).items():
            file = io.BytesIO()
            np.save(file, value) if isinstance(value, np.ndarray) else file.write(value)
            members[f"{name}.npy"] = file.getvalue()
        with zipfile.ZipFile(path, "w") as archive:
            for name, value in members.items():
                archive.writestr(name, value)
    with pytest.raises(DataError, match=r"one\.npz is broken") as caught:
        read_predictions(tmp_path, "one")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_an_array_that_unpacks_beyond_the_bound_takes_no_memory(tmp_path, monkeypatch):
    add(tmp_path, run="one", **REAL)
    monkeypatch.setattr(runs, "MOST_ARRAY_BYTES", 1000)
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("unpacked"))
    with pytest.raises(DataError, match="predictions have at most 1,000"):
        read_predictions(tmp_path, "one")


def test_exchanged_predictions_are_found(tmp_path):
    for run in ("one", "two"):
        add(tmp_path, run=run, **REAL)
    one, two = (tmp_path / "runs" / f"{run}.npz" for run in ("one", "two"))
    one.write_bytes(two.read_bytes())
    with pytest.raises(DataError, match=r"one\.npz is broken \(it is of another run\)"):
        read_predictions(tmp_path, "one")


def test_a_run_is_found_by_its_unique_beginning(tmp_path):
    for run in ("20260101T000000-aa", "20260102T000000-bb", "20260102T000000-bb2"):
        add(tmp_path, run=run)
    assert runs.find_run(tmp_path, "20260101") == "20260101T000000-aa"
    assert runs.find_run(tmp_path, "20260102T000000-bb") == "20260102T000000-bb"
    with pytest.raises(UsageError, match="2 runs begin with '20260102'"):
        runs.find_run(tmp_path, "20260102")
    for name in ("x", ""):
        with pytest.raises(UsageError, match="unknown run"):
            runs.find_run(tmp_path, name)


def test_remarks_are_kept_in_the_record_and_change_nothing_else(tmp_path):
    add(tmp_path, run="one")
    before = read_record(record_of(tmp_path))
    runs.remark(tmp_path, "one", tags=["a", "b"])
    runs.remark(tmp_path, "one", note="two\nlines")
    after = read_record(record_of(tmp_path))
    assert (after.result.tags, after.result.note) == (["a", "b"], "two\nlines")
    assert dataclasses.replace(after.result, tags=before.result.tags, note=before.result.note) == before.result
    assert after.selection == before.selection


def test_a_note_that_no_reader_would_take_is_refused_and_the_record_stays(tmp_path):
    add(tmp_path, run="one")
    before = record_of(tmp_path).read_bytes()
    with pytest.raises(DataError, match=r"run one cannot be kept: remarks\.note has 5,000 letters"):
        runs.remark(tmp_path, "one", note="x" * 5000)
    assert record_of(tmp_path).read_bytes() == before


def test_runs_of_another_folder_are_copied_once(tmp_path, notes):
    here, there = tmp_path / "here", tmp_path / "there"
    add(here, run="both", encoder="mine")
    for run in ("both", "new", "bad"):
        add(there, run=run)
    record_of(there, "bad").write_text("{")
    record_of(there, "x" * 220).write_text(record_of(there, "new").read_text().replace('"new"', f'"{"x" * 220}"'))
    (there / "runs" / "new.npz").unlink()
    notes.clear()
    assert runs.copy_runs(there, here) == (1, 4)
    assert runs.copy_runs(there, here) == (0, 4)
    assert {row.run: row.encoder for row in read_rows(here)} == {"both": "mine", "new": "text"}
    assert all(re.search(r"(bad|xxx)\.json is no record of a run.*left out", note) for note in notes)
    with pytest.raises(DataError, match="holds no runs"):
        runs.copy_runs(tmp_path, here)
