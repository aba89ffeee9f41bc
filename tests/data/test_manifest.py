"""Manifests: what a table of clips must be, and the rounds that follow from it."""

import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from evar.base.errors import DataError, UsageError
from evar.data.manifest import find_root, open_reader, read_manifest
from evar.data.task import load_task
from tests.data.readers.trees import table

TASK = table.TASK | {"expects": None}
ROWS = [("c.wav", "low", "train"), ("a.wav", "high", "valid"), ("b.wav", "low", "test"), ("d.wav", "high", "train")]


@pytest.fixture
def dataset(tmp_path):
    """Writes a table and its task; gives (task, data folder)."""

    def write(rows=ROWS, columns=("path", "label", "split"), **changes):
        folder = tmp_path / "data" / "tones"
        folder.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows, columns=list(columns)).to_csv(folder / "clips.csv", index=False)
        path = tmp_path / "tones.yaml"
        path.write_text(yaml.safe_dump({key: value for key, value in {**TASK, **changes}.items() if value is not None}))
        return load_task(str(path)), tmp_path / "data"

    return write


def test_rows_are_in_the_order_of_paths_whatever_the_table(dataset):
    forward, backward = read_manifest(*dataset(ROWS)), read_manifest(*dataset(ROWS[::-1]))
    assert forward.table["path"].tolist() == ["a.wav", "b.wav", "c.wav", "d.wav"]
    pd.testing.assert_frame_equal(forward.table, backward.table)
    assert forward.targets.tolist() == [0, 1, 1, 0]


def test_classes_are_fixed_once_clips_show_no_labels_and_a_fixed_split_is_one_round(dataset):
    manifest = read_manifest(*dataset())
    assert manifest.classes == manifest.keep(np.array([0])).classes == ("high", "low")
    assert list(manifest.clips.columns) == ["path", "part", "seconds"]
    (only,) = manifest.rounds()
    assert (only.train.tolist(), only.valid.tolist(), only.test.tolist()) == ([2, 3], [0], [1])
    assert manifest.random_crops.tolist() == [False, False, True, True]


def test_split_without_valid_leaves_it_to_the_probe(dataset):
    task = dataset([row for row in ROWS if row[2] != "valid"], splits=["train", "test"])
    assert read_manifest(*task).rounds()[0].valid is None


def test_folds_test_every_clip_once_and_never_train_on_it(dataset):
    rows = [(f"{i}.wav", "ab"[i % 2], str(i % 4)) for i in range(13)]
    task = dataset(rows, ("path", "label", "fold"), splits=None, folds=["0", "1", "2", "3"])
    rounds = read_manifest(*task).rounds()
    assert sorted(np.concatenate([each.test for each in rounds])) == list(range(13))
    for each in rounds:
        assert sorted([*each.train, *each.test]) == list(range(13))


def test_folds_whose_clips_cannot_be_used_are_left_out(dataset):
    rows = [(f"{i:02}.wav", "ab"[i % 2], str(i % 4)) for i in range(12)]
    task = dataset(rows, ("path", "label", "fold"), splits=None, folds=["0", "1", "2", "3"])
    manifest = read_manifest(*task)
    assert [each.name for each in manifest.keep(np.flatnonzero(np.arange(12) % 4 < 3)).rounds()] == ["0", "1", "2"]
    with pytest.raises(DataError, match="clips in 2 folds, at least 3 are needed"):
        manifest.keep(np.flatnonzero(np.arange(12) % 4 < 2)).rounds()


def test_fold_without_a_clip_in_the_table_is_one_clear_error(dataset):
    rows = [(f"{i}.wav", "ab"[i % 2], str(i % 3)) for i in range(12)]
    task = dataset(rows, ("path", "label", "fold"), splits=None, folds=["0", "1", "2", "3"])
    with pytest.raises(
        DataError, match=r"tones: no clips in fold 3: take it out of folds in .*tones.yaml, or add some"
    ):
        read_manifest(*task)


def test_empty_split_is_one_clear_error(dataset):
    with pytest.raises(DataError, match="no clips in split test"):
        read_manifest(*dataset([row for row in ROWS if row[2] != "test"])).rounds()


@pytest.mark.parametrize(
    ("rows", "columns", "said"),
    [
        (ROWS, ("path", "label", "part"), r"clips.csv: no column split \(columns there: path, label, part\)"),
        (ROWS, ("file", "label", "split"), r"no column path"),
        (
            [*ROWS, ("e.wav", "low", "trian")],
            ("path", "label", "split"),
            r"unknown split 'trian': did you mean train\? \(the task has train",
        ),
        ([*ROWS, ("a.wav", "low", "train")], ("path", "label", "split"), r"clips listed twice: 'a.wav'"),
        ([*ROWS, ("", "low", "train")], ("path", "label", "split"), r"clips.csv: empty path in line 6"),
        ([*ROWS, ("e.wav", None, "train")], ("path", "label", "split"), r"clips.csv: empty label in line 6"),
        (
            [(p, "low", s) for p, _, s in ROWS],
            ("path", "label", "split"),
            r"two classes are needed, found low",
        ),
        ([], ("path", "label", "split"), r"clips.csv: no rows below the header: it needs a line a clip"),
        (
            ROWS,
            ("path", " Label", "split"),
            r"no column label: did you mean ' Label'\? \(columns there: path, ' Label', sp",
        ),
        (ROWS, ("path", "labels", "split"), r"column labels, but tones.yaml is single-label: its column is label"),
        (ROWS, ("path", "label", "fold"), r"column fold, but tones.yaml has splits: call one like the other"),
        ([*ROWS, ("e.wav", " ", "train")], ("path", "label", "split"), r"clips.csv: empty label in line 6"),
    ],
)
def test_fault_in_a_table_names_the_place(dataset, rows, columns, said):
    with pytest.raises(DataError, match=said):
        read_manifest(*dataset(rows, columns))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"clips.csv: the first line is empty: it must name the columns"),
        ("path,label,split,label\na,low,train,high\n", r"clips.csv: column 'label' is there twice"),
        ("\n\n", r"clips.csv: the first line is empty"),
        ("path;label;split\na.wav;low;train\n", r"clips.csv: columns are separated by semicolons: save it with commas"),
        ("path|label|split\na.wav|low|train\n", r"columns are separated by bars: save it with commas"),
        (
            "path,label,split\na.wav,lów,train\n".encode("latin-1"),
            r"not UTF-8 text \(byte 24\): save it as CSV in UTF-8",
        ),
        ("path,label,split\n".encode("utf-16"), r"not UTF-8 text \(byte 0\)"),
        ("path,label,split\na.wav,low\n", r"clips.csv: empty split in line 2"),
        ("path,label,split\na.wav,a,b,train\n", r"lines have more fields than the header: put text that holds a comma"),
        (
            "path,label,split\na.wav,a,train\nb.wav,a,b,test\n",
            r"line 3 has 4 fields, the header 3: put text that",
        ),
        ('path,label,split\n"a.wav,low,train\n', r"clips.csv: not a CSV table: .*EOF inside string"),
    ],
)
def test_file_that_is_no_table_names_what_is_wrong(dataset, text, said):
    task, data = dataset()
    (data / "tones" / "clips.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=said):
        read_manifest(task, data)


def test_byte_order_mark_before_the_header_is_no_part_of_it(dataset):
    task, data = dataset()
    file = data / "tones" / "clips.csv"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert len(read_manifest(task, data).table) == 4


def test_labels_are_taken_as_they_are_written_and_odd_ones_are_remarked(dataset):
    labels = ["NaN", "null", "NaN", "dog", "Dog", "dog "]
    rows = [(f"{i}.wav", label, ("train", "test")[i % 2]) for i, label in enumerate(labels)]
    manifest = read_manifest(*dataset(rows, splits=["train", "test"]))
    assert manifest.classes == ("Dog", "NaN", "dog", "dog ", "null")
    assert manifest.remarks == (
        "2 clips have the label 'NaN', which is taken for a class",
        "1 clips have the label 'null', which is taken for a class",
        "labels that differ in case or blanks alone are classes of their own: 'Dog', 'dog', 'dog '",
    )


@pytest.mark.parametrize("column", ["Group", " group", "groups"])
def test_column_that_is_nearly_called_group_is_remarked(dataset, column):
    manifest = read_manifest(*dataset([(*row, "g") for row in ROWS], ("path", "label", "split", column)))
    said = repr(column) if column.strip() != column else column
    assert manifest.remarks == (f"no column group is read: did you mean {said}?",)


@pytest.mark.parametrize("fold", ["1.0", "01", " 1"])
def test_fold_that_is_written_otherwise_than_in_the_task_names_the_near_one(dataset, fold):
    rows = [(f"{i}.wav", "ab"[i % 2], str(i % 4)) for i in range(12)]
    columns = ("path", "label", "fold")
    task = dataset([*rows, ("x.wav", "a", fold)], columns, splits=None, folds=["0", "1", "2", "3"])
    with pytest.raises(DataError, match=rf"unknown fold '{fold}': did you mean 1"):
        read_manifest(*task)


def test_labels_outside_the_classes_of_the_task_are_reported(dataset):
    with pytest.raises(DataError, match=r"none of the task's classes: 'low': it has high, higher"):
        read_manifest(*dataset(classes=["high", "higher"]))
    with pytest.raises(DataError, match=r"none of the task's classes: 'low': did you mean Low\?"):
        read_manifest(*dataset(classes=["high", "Low"]))


def test_more_rows_than_the_official_split_are_refused(dataset):
    expects = {"rows": 3, "classes": 2, "parts": {"train": 1, "valid": 1, "test": 1}}
    with pytest.raises(DataError, match="more clips than expected in train: not what tones.yaml expects"):
        read_manifest(*dataset(expects=expects))


def test_fewer_rows_than_expected_lower_the_coverage(dataset):
    expects = {"rows": 8, "classes": 2, "parts": {"train": 4, "valid": 2, "test": 2}}
    assert read_manifest(*dataset(expects=expects)).expected == 8


def test_missing_dataset_says_where_it_looked(dataset, tmp_path):
    task, _ = dataset()
    with pytest.raises(DataError, match=r"Tones not found: looked for .*clips.csv.*: give --data"):
        read_manifest(task, tmp_path / "nowhere")


def test_missing_folder_names_the_near_one(dataset):
    task, data = dataset(folder="tonse")
    with pytest.raises(DataError, match=r"looked for clips.csv in .*/tonse; did you mean tones, or give --data"):
        read_manifest(task, data)


def test_missing_table_names_the_others_of_the_folder(dataset):
    task, data = dataset(options={"table": "clip.csv"})
    with pytest.raises(
        DataError, match=r"options: {table: clips.csv} in tones.yaml takes .*/tones/clips.csv, or give --data"
    ):
        read_manifest(task, data)


def test_a_data_folder_that_is_given_goes_before_what_lies_beside_the_file(dataset, tmp_path, notes):
    task, data = dataset()
    read_manifest(task, data)
    assert notes == []
    shutil.copytree(data / "tones", tmp_path / "tones")
    assert read_manifest(task, data).root == data / "tones"
    assert notes == [
        f"task tones: taken from {data / 'tones'}, not from {tmp_path / 'tones'}, which holds clips.csv too"
    ]
    shutil.rmtree(data)
    assert read_manifest(task, data).root == tmp_path / "tones"
    assert notes[1:] == [
        f"task tones: taken from {tmp_path / 'tones'}, which lies beside tones.yaml: {data} does not hold it"
    ]
    shutil.rmtree(tmp_path / "tones")
    with pytest.raises(DataError, match=f"; there is no folder {data}: give --data"):
        read_manifest(task, data)


@pytest.mark.parametrize("data", ["data", "data/tones"])
def test_data_folder_may_be_the_datasets_own(dataset, tmp_path, data):
    task, _ = dataset()
    assert find_root(task, tmp_path / data) == tmp_path / "data" / "tones"


def test_typo_in_a_reader_or_its_option_names_the_task_file(dataset):
    with pytest.raises(UsageError, match=r"tones.yaml: unknown reader 'tabel': did you mean table"):
        open_reader(dataset(reader="tabel")[0])
    with pytest.raises(UsageError, match=r"tones.yaml: unknown option of reader table 'tabel': did you mean table"):
        open_reader(dataset(options={"tabel": "a.csv"})[0])


def test_multi_label_targets_are_a_table_of_truth(dataset):
    rows = [("a.wav", "x;y", "train"), ("b.wav", "", "train"), ("c.wav", "y; z", "test")]
    columns = ("path", "labels", "split")
    task = dataset(rows, columns, kind="multi-label", metric="mAP", splits=["train", "test"])
    manifest = read_manifest(*task)
    assert manifest.classes == ("x", "y", "z")
    assert manifest.targets.tolist() == [[True, True, False], [False, False, False], [False, True, True]]


PARTLY = [("a.wav", "x", "y", "train"), ("b.wav", "", "x;z", "train"), ("c.wav", "y; z", "", "test")]


def partly(dataset, rows):
    columns = ("path", "labels", "absent", "split")
    return read_manifest(*dataset(rows, columns, kind="multi-label", metric="mAP", splits=["train", "test"]))


def test_classes_that_are_neither_in_labels_nor_absent_are_unknown(dataset):
    manifest = partly(dataset, PARTLY)
    assert manifest.targets.dtype == np.int8
    assert manifest.targets.tolist() == [[1, 0, -1], [0, -1, 0], [-1, 1, 1]]
    assert manifest.digest != partly(dataset, [("a.wav", "x", "", "train"), *PARTLY[1:]]).digest


@pytest.mark.parametrize(
    ("absent", "said"),
    [("x", "clips with one class in both labels and absent: 'a.wav'"), ("yy", "none of the task's classes: 'yy'")],
)
def test_absent_class_that_cannot_be_is_named(dataset, absent, said):
    with pytest.raises(DataError, match=said):
        partly(dataset, [("a.wav", "x", absent, "train"), *PARTLY[1:]])


def test_column_absent_of_a_single_label_task_says_nothing(dataset):
    rows = [(*row, "high") for row in ROWS]
    assert read_manifest(*dataset(rows, ("path", "label", "split", "absent"))).targets.tolist() == [0, 1, 1, 0]


def test_classes_that_are_pitches_have_their_midi_numbers(dataset):
    rows = [("a.wav", "060", "train"), ("b.wav", "72", "test"), ("c.wav", "61", "valid")]
    assert read_manifest(*dataset(rows, pitches=True)).pitches.tolist() == [60, 61, 72]
    assert read_manifest(*dataset(rows)).pitches is None


@pytest.mark.parametrize("name", ["C4", "128", "-1", "60.0"])
def test_class_that_is_no_pitch_is_named(dataset, name):
    rows = [("a.wav", "60", "train"), ("b.wav", name, "test"), ("c.wav", "61", "valid")]
    with pytest.raises(DataError, match=f"no pitches, MIDI numbers from 0 to 127: '{name}'"):
        read_manifest(*dataset(rows, pitches=True))


def test_labels_that_are_separated_otherwise_are_remarked(dataset):
    rows = [("a.wav", "x|y", "train"), ("b.wav", "x", "train"), ("c.wav", "y", "test")]
    columns = ("path", "labels", "split")
    task = dataset(rows, columns, kind="multi-label", metric="mAP", splits=["train", "test"])
    assert read_manifest(*task).remarks == (
        "labels that hold '|' are taken for one label each: semicolons separate labels",
    )


@settings(deadline=None, max_examples=20)
@given(st.lists(st.sampled_from(["train", "valid", "test"]), min_size=3, max_size=40), st.integers(1, 9))
def test_limit_keeps_at_most_so_many_a_part_and_a_larger_limit_holds_a_smaller(tmp_path_factory, parts, most):
    folder = tmp_path_factory.mktemp("limit")
    rows = [(f"{i}.wav", "ab"[i % 2], part) for i, part in enumerate(parts)]
    pd.DataFrame(rows, columns=["path", "label", "split"]).to_csv(folder / "clips.csv", index=False)
    (folder / "t.yaml").write_text(yaml.safe_dump({**TASK, "folder": "."}))
    for name, _, _ in rows:
        (folder / name).touch()
    manifest = read_manifest(load_task(str(folder / "t.yaml")), folder)
    small, large = manifest.limit(most), manifest.limit(most + 1)
    assert small.table["part"].value_counts().to_dict() == {part: min(parts.count(part), most) for part in set(parts)}
    assert set(small.table["path"]) <= set(large.table["path"])
    assert small.expected == len(small.table)


def test_limit_takes_clips_that_are_there(dataset, tmp_path):
    manifest = read_manifest(*dataset())
    (tmp_path / "data" / "tones" / "d.wav").touch()
    assert manifest.limit(1).table["path"].tolist() == ["d.wav"]


def test_digest_covers_labels_splits_and_groups(dataset):
    columns = ("path", "label", "split", "group")
    rows = [(*row, "g") for row in ROWS]
    relabelled = [("c.wav", "high", "train", "g"), *rows[1:]]
    moved = [("c.wav", "low", "valid", "g"), *rows[1:]]
    regrouped = [("c.wav", "low", "train", "h"), *rows[1:]]
    digests = [read_manifest(*dataset(each, columns)).digest for each in (rows, relabelled, moved, regrouped)]
    assert len(set(digests)) == 4
    assert read_manifest(*dataset(rows[::-1], columns)).digest == digests[0]


def test_clip_without_a_group_is_its_own(dataset):
    for how in ((), ([(*row, "") for row in ROWS], ("path", "label", "split", "group"))):
        assert read_manifest(*dataset(*how)).groups.tolist() == ["a.wav", "b.wav", "c.wav", "d.wav"]


def test_another_table_in_the_data_folder_is_not_taken_for_the_tasks(dataset, tmp_path):
    task, data = dataset()
    (data / "tones").rename(data / "other")
    assert find_root(task, data / "other") is None


def test_folder_that_cannot_be_looked_into_is_one_clear_error(dataset, tmp_path):
    task, _ = dataset()
    with pytest.raises(DataError, match="cannot look into .*: File name too long"):
        read_manifest(task, tmp_path / ("x" * 5000))
