"""Datasets of the Hugging Face Hub in a folder: which files, columns and labels are read, and how clips inside files
come to the decoder. Fetching them: `tests/data/downloads/test_hub.py`.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml

from evar.base.errors import DataError, EvarError, UsageError
from evar.data import audio, parquet
from evar.data.check import make_report
from evar.data.manifest import read_manifest
from evar.data.opening import MISSING
from evar.data.readers import hub_layout
from evar.data.store import prepare
from evar.data.task import load_task
from tests.data import hub_sets
from tests.data.hub_sets import NAMES, RATE, clips, tar, tone, two_splits, write

FOLDS = ["1", "2", "3"]
CLIPS = 6  # of a class in a folder


@pytest.fixture
def read(tmp_path):
    """Plant a dataset and read it by a task; gives its manifest."""

    def read(files, parts=("train", "test"), kind="single-label", reader="hub", **options):
        shutil.rmtree(tmp_path / "data" / "set", ignore_errors=True)
        write(tmp_path / "data" / "set", files)
        metric = "accuracy" if kind == "single-label" else "mAP"
        parts = {"splits" if "train" in parts else "folds": list(parts)}
        task = {"kind": kind, "metric": metric, "reader": reader, "folder": "set", "seconds": 0.2, "options": options}
        file = tmp_path / "tones.yaml"
        file.write_text(yaml.safe_dump(task | parts))
        return read_manifest(load_task(str(file)), tmp_path / "data")

    return read


@pytest.fixture
def stored(tmp_path):
    """The store of a manifest."""

    def stored(manifest, workers=2):
        paths = manifest.clips["path"].tolist()
        return prepare(manifest.root, paths, RATE, tmp_path / "cache", workers=workers)

    return stored


def labels(manifest, part=None):
    table = manifest.table if part is None else manifest.table[manifest.table["part"] == part]
    return ["+".join(names) for names in table["labels"]]


def assert_as_files(store, contents, folder):
    """Samples in the store are those of these files, decoded one by one."""
    for row, content in enumerate(contents):
        place = folder / "alone"
        place.write_bytes(content)
        np.testing.assert_array_equal(store.samples(row), audio.read(place, RATE).samples)


def test_clips_in_parquet_files_decode_as_files_do_and_each_row_group_is_read_once(read, stored, tmp_path, monkeypatch):
    groups, cells = [], parquet.cells
    monkeypatch.setattr("evar.data.containers.KEPT_BYTES", 1)  # two row groups are kept all the same
    monkeypatch.setattr(parquet, "cells", lambda *place: groups.append(place) or cells(*place))
    manifest = read(two_splits(12, 8), group="speaker")
    assert (manifest.classes, len(manifest.table), groups) == (("low", "high"), 20, [])
    assert manifest.table["part"].value_counts().to_dict() == {"train": 12, "test": 8}
    store = stored(manifest, workers=1)
    assert len(store.usable) == store.decoded == 20
    assert sorted(Path(file).name + str(group) for file, _, group in groups) == sorted(
        [f"test-00000-of-00001.parquet{n}" for n in range(3)]
        + [f"train-0000{shard}-of-00002.parquet{n}" for shard in (0, 1) for n in (0, 1)]
    )
    rows = clips(20)
    assert_as_files(store, [row[0] for row in [*rows[12:], *rows[:12]]], tmp_path)
    assert labels(manifest, "train") == ["low", "high"] * 6
    assert manifest.table["group"].tolist() == [row[2] for row in [*rows[12:], *rows[:12]]]
    again = stored(manifest, workers=2)
    assert (again.decoded, again.digest, len(groups)) == (0, store.digest, 7)
    assert len(manifest.limit(3).table) == 6


def test_of_parquet_files_that_were_written_again_only_what_changed_is_decoded(read, stored, monkeypatch):
    files = two_splits(6, 6)
    before = stored(read(files))
    rows = [(tone(0, 77, "FLAC"), 0, ""), *clips(3)[1:]]
    changed = {**files, "data/train-00000-of-00002.parquet": hub_sets.parquet(rows)}
    decoded, read_audio = [], audio.read
    monkeypatch.setattr(audio, "read", lambda path, *more: decoded.append(str(path)) or read_audio(path, *more))
    after = stored(read(changed))
    assert {Path(path).parents[1].name for path in decoded} == {"train-00000-of-00002.parquet"}
    assert (len(after.usable), after.digest != before.digest) == (12, True)


def test_rows_without_audio_or_with_broken_audio_are_quarantined_and_the_others_go_on(read, stored):
    rows = clips(8)
    rows[1] = (b"RIFF????WAVE", *rows[1][1:])
    rows[2] = (None, *rows[2][1:])
    rows[3] = (b"", *rows[3][1:])
    files = {"train.parquet": hub_sets.parquet(rows), "test.parquet": hub_sets.parquet(clips(4))}
    manifest = read(files)
    store = stored(manifest)
    reasons = dict(zip((path[-1] for path in store.quarantined["path"]), store.quarantined["reason"], strict=True))
    assert set(reasons) == {"1", "2", "3"}
    assert (reasons["2"], reasons["3"]) == ("its row holds nothing in audio", "empty: zero bytes")
    report = make_report(manifest, store)
    assert (report.found, report.expected) == (9, 12)
    assert "3 of 12 clips are missing or broken" in report.problem


def test_audio_beside_a_parquet_file_is_found_by_its_path(read, stored):
    beside = {f"data/{n}.wav": tone(n % 2, n) for n in range(4)}
    table = hub_sets.parquet([(None, n % 2, "") for n in range(4)])
    assert (
        len(stored(read({"data/train.parquet": table, **beside, "test.parquet": hub_sets.parquet(clips(2))})).usable)
        == 6
    )


def test_a_cut_file_is_one_line_and_a_damaged_row_group_quarantines_its_clips(read, stored, tmp_path):
    files = two_splits(6, 6)
    whole = files["data/train-00000-of-00002.parquet"]
    with pytest.raises(
        DataError, match=r"train-00000-of-00002.parquet is no Parquet file, or is cut .*: fetch it again"
    ):
        read({**files, "data/train-00000-of-00002.parquet": whole[: len(whole) // 2]})
    damaged = bytearray(files["data/test-00000-of-00001.parquet"])
    damaged[4:40] = bytes(36)  # the header of the first page of audio
    store = stored(read({**files, "data/test-00000-of-00001.parquet": bytes(damaged)}))
    assert len(store.quarantined) == 3
    assert store.quarantined["reason"].str.startswith("its row group is cut or damaged").all()
    del files["data/train-00001-of-00002.parquet"]
    with pytest.raises(DataError, match="1 of 2 files of split train are there"):
        read(files)


CARD = """---
license: [mit]
configs:
- config_name: clean
  data_files:
  - {split: train, path: "clean/*.parquet"}
  - {split: exam, path: ["exam/a.parquet", "exam/b*"]}
- config_name: noisy
  data_files: noisy/**/train.parquet
dataset_info:
- config_name: clean
  features:
  - {name: kind, dtype: {class_label: {names: {'1': zwei, '0': eins}}}}
---
# Tones
"""


def test_the_card_says_which_files_are_of_which_split_and_what_classes_are_called(read):
    plain = {"names": None, "more": {"kind": pa.array([0, 1, -1, 0])}}
    some = hub_sets.parquet(clips(4), **plain)
    files = {"README.md": CARD, "clean/x.parquet": some, "exam/a.parquet": some, "exam/b1.parquet": some,
             "noisy/deep/er/train.parquet": some, "unused.parquet": some}  # fmt: skip
    exam = {"train": "train", "test": "exam"}
    manifest = read(files, config="clean", label="kind", splits=exam)
    assert manifest.classes == ("eins", "zwei")
    assert manifest.table["part"].value_counts().to_dict() == {"train": 3, "test": 6}  # -1 is no label
    assert labels(manifest, "train") == ["eins", "zwei", "eins"]
    assert manifest.remarks[0] == "3 clips have no label and are left out"
    for options, error in {
        "{}": "choose a config, or '*' for all: clean, noisy",
        "{config: claen}": "no config 'claen': did you mean clean?",
        "{config: clean, label: knid, splits: {train: train, test: exam}}": "no column 'knid': did you mean kind?",
        "{config: clean, label: kind, splits: {train: train, test: exams}}": "no split 'exams': did you mean exam?",
        "{config: clean, label: kind}": "as in splits={'train': 'train', 'test': 'exam'}",
        "{config: clean, label: kind, splits: {train: train, tset: exam}}": "did you mean test?",
        "{config: clean, label: kind, splits: {train: train, test: exam}, without: [ein]}": "no label 'ein': did you",
        "{config: clean, revision: main}": "repo and revision go together",
        "{repo: a/b, revision: main}": "revision must be a commit of 40 digits, since branches move, not 'main'",
    }.items():
        with pytest.raises(EvarError, match="^[^\n]*$") as caught:
            read(files, **yaml.safe_load(options))
        assert error in str(caught.value), options


def test_splits_go_by_names_and_folds_by_a_column_or_by_the_group(read):
    some = hub_sets.parquet(clips(40), more={"fold": pa.array([1, 2, 3, 1] * 10)})
    names = {"en/train/0000.parquet": some, "en/validation/0000.parquet": some, "en/test/0000.parquet": some}
    counts = {"train": 40, "valid": 40, "test": 40}
    assert read(names, counts).table["part"].value_counts().to_dict() == counts
    one = {"all.parquet": some}
    assert read(one, FOLDS, fold="fold").table["part"].value_counts().to_dict() == {"1": 20, "2": 10, "3": 10}
    dealt = read(one, FOLDS, group="speaker").table
    assert (dealt.groupby("group")["part"].nunique() == 1).all()
    assert dealt.equals(read(one, FOLDS, group="speaker").table)
    with pytest.raises(UsageError, match="option splits must name the split that folds are made of: test, train, val"):
        read(names, FOLDS)
    manifest = read(names, FOLDS, splits="test")
    assert set(manifest.table["path"].str.partition("/")[2].str.partition("/")[0]) == {"test"}
    assert manifest.remarks == (
        "splits that are not used: train, validation",
        "a column speaker is not read; the option group takes it",
        "a column fold is not read; the option fold takes it",
    )
    with pytest.raises(UsageError, match="train and test are not among its splits train"):
        read(one)


def test_lists_of_labels_make_a_multi_label_task_and_a_separator_divides_text(read):
    lists = pa.array([["a", "b"], ["b"], [], None])
    text = pa.array(["a,b", "b", "", None])
    for column, options in ((lists, {}), (text, {"separator": ","})):
        one = hub_sets.parquet(clips(4), names=None, more={"tags": column})
        manifest = read({"train.parquet": one, "test.parquet": one}, kind="multi-label", label="tags", **options)
        assert labels(manifest, "train")[:2] == ["a+b", "b"]
        assert manifest.classes == ("a", "b")
    other = hub_sets.parquet(clips(4), names=None, more={"tag": text})
    with pytest.raises(DataError, match=r"test.parquet: no column tag, which other files of the dataset have"):
        read({"train.parquet": other, "a/test.parquet": other, "test.parquet": one}, label="tag", separator=",")
    with pytest.raises(DataError, match="a clip has a list of labels: the task's kind must be multi-label"):
        read({"train.parquet": one, "test.parquet": one}, label="tags", separator=",")


def test_several_columns_of_audio_ask_for_one_and_plain_bytes_are_audio_too(read, stored, tmp_path):
    rows = clips(4)
    second = pa.array([{"bytes": row[0], "path": None} for row in rows[::-1]])
    both = {"train.parquet": hub_sets.parquet(rows, more={"speech": second, "noise": second})}
    renamed = {path.replace("train", "test"): content for path, content in both.items()} | both
    assert len(stored(read(renamed)).usable) == 8  # the one that the Hub's metadata mark
    store = stored(read(renamed, audio="speech"))
    assert_as_files(store, [row[0] for row in rows[::-1]] * 2, tmp_path)
    plain = hub_sets.parquet(rows, as_struct=False)
    assert_as_files(
        stored(read({"train.parquet": plain, "test.parquet": plain})), [row[0] for row in rows] * 2, tmp_path
    )
    with pytest.raises(UsageError, match="column label holds no audio; those that may are audio, speech, noise"):
        read(renamed, audio="label")


def test_a_folder_of_audio_is_labelled_by_its_folders_or_by_its_table(read, stored):
    folders = {f"{split}/{name}/{n}.wav": tone(label, n)
               for split in ("train", "test") for label, name in enumerate(NAMES) for n in range(CLIPS)}  # fmt: skip
    manifest = read(folders)
    assert labels(manifest, "test") == ["high"] * CLIPS + ["low"] * CLIPS
    lines = [{"file_name": path.removeprefix("train/"), "note": "x" if "low" in path else "y"}
             for path in folders if path.startswith("train/")]  # fmt: skip
    lines.append({"file_name": "low/gone.wav", "note": "x"})
    table = "\n".join(map(json.dumps, lines))
    manifest = read({**folders, "train/metadata.jsonl": table}, FOLDS, label="note", splits="train")
    assert (len(manifest.table), manifest.classes) == (2 * CLIPS + 1, ("x", "y"))
    store = stored(manifest)
    assert dict(zip(store.quarantined["path"], store.quarantined["reason"], strict=True)) == {
        "train/low/gone.wav": MISSING
    }


def test_tars_of_webdataset_decode_as_files_do(read, stored, tmp_path):
    rows = clips(8)

    def shard(numbers):
        members = {}
        for n in numbers:
            members[f"x/{n:03}.flac"] = rows[n][0]
            members[f"x/{n:03}.cls"] = str(rows[n][1]).encode()
            members[f"x/{n:03}.json"] = json.dumps({"speaker": rows[n][2], "tags": ["a", "b"][: n % 2 + 1]}).encode()
        return tar(members)

    files = {"shards/train-000000.tar": shard(range(4)), "shards/eval-000000.tar": shard(range(4, 8))}
    manifest = read(files, reader="webdataset", group="speaker")
    assert labels(manifest) == ["0", "1"] * 4
    assert manifest.table["path"][0] == "shards/eval-000000.tar/x/004.flac"
    assert manifest.table["group"].tolist() == [row[2] for row in [*rows[4:], *rows[:4]]]
    store = stored(manifest)
    assert_as_files(store, [row[0] for row in [*rows[4:], *rows[:4]]], tmp_path)
    assert stored(read(files, reader="hub")).digest == store.digest
    assert labels(read(files, kind="multi-label", reader="webdataset", label="tags")) == ["a", "a+b"] * 4
    swapped = {"train": "shards/e*.tar", "test": ["shards/t*.tar"]}
    assert set(read(files, reader="webdataset", splits=swapped).table["part"][:4]) == {"train"}
    with pytest.raises(UsageError, match="no column 'tag': did you mean tags?"):
        read(files, reader="webdataset", label="tag")
    with pytest.raises(DataError, match=r"train-000000.tar: .*cut"):
        read({**files, "shards/train-000000.tar": shard(range(4))[:9000]}, reader="webdataset")
    with pytest.raises(DataError, match="it is no uncompressed tar"):
        read({**files, "shards/train-000000.tar": b"\x1f\x8b" + bytes(600)}, reader="webdataset")


def test_a_dataset_that_a_program_reads_says_where_its_parquet_files_are():
    with pytest.raises(DataError, match=r"tones.py, which is not executed: try the revision refs/convert/parquet"):
        hub_layout.find_layout(["README.md", "tones.py", "data.zip"], hub_layout.Card(), None, "a/b")


def test_without_pyarrow_one_line_says_what_to_install(read, monkeypatch):
    monkeypatch.setattr(parquet, "installed", lambda: False)
    with pytest.raises(UsageError, match=r"datasets in Parquet files need pyarrow: pip install 'evar-audio\[hub\]'"):
        read(two_splits(2, 2))
