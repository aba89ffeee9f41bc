"""GTZAN: the listed split, the folders of mirrors, and the clip that cannot be read."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from evar.base.errors import DataError, UsageError
from evar.config import Config
from evar.data.manifest import read_manifest
from evar.data.task import load_task
from evar.preparation import prepare_task, require_coverage
from evar.testing.trees import touch

TASK = load_task("gtzan")
SPLIT = pd.read_csv(TASK.file.with_name("gtzan.csv"))
NAMES = [f"{genre}/{genre}.{number:05}" for genre in TASK.classes for number in range(100)]


def test_split_is_the_fault_filtered_one_of_930_clips():
    assert SPLIT["split"].value_counts().to_dict() == {"train": 443, "test": 290, "valid": 197}
    assert SPLIT["clip"].is_unique
    assert (SPLIT["clip"].str.partition(".")[0] == SPLIT["genre"]).all()
    assert SPLIT.set_index("clip")["split"]["jazz.00054"] == "train"


def test_split_is_that_of_the_reference_lists(shared):
    for part, clips in SPLIT.groupby("split")["clip"]:
        assert (shared / "metadata" / "gtzan" / f"filtered_{part}.txt").read_text().split() == clips.tolist()


@pytest.mark.parametrize(
    "folder",
    [
        "GTZAN",
        "GTZAN/genres",
        "GTZAN/genres_original",
        "GTZAN/Data/genres_original",
        "GTZAN/gtzan/genres",
        "genres",
        "Data/genres_original",
        ".",
    ],
)
def test_folder_and_formats_of_every_mirror_are_read(tmp_path, folder):
    touch(tmp_path / folder, [name + (".wav", ".au")[number % 2] for number, name in enumerate(NAMES)])
    manifest = read_manifest(TASK, tmp_path)
    assert manifest.root == tmp_path / folder
    assert all((manifest.root / path).is_file() for path in manifest.table["path"])
    assert len(manifest.table) == 930


def test_clips_outside_the_split_are_left_out(tmp_path):
    touch(tmp_path, [f"{name}.wav" for name in NAMES])
    listed = SPLIT["genre"] + "/" + SPLIT["clip"] + ".wav"
    assert read_manifest(TASK, tmp_path).table["path"].tolist() == listed.tolist()


def test_clip_in_two_formats_is_read_once_and_reported(tmp_path):
    touch(tmp_path, [f"{name}.wav" for name in NAMES] + ["jazz/jazz.00000.au"])
    manifest = read_manifest(TASK, tmp_path)
    assert len(manifest.table) == 930
    assert manifest.remarks == ("1 clips lie there more than once; the ones read are jazz/jazz.00000.wav",)


def test_folder_of_other_names_is_reported(tmp_path):
    touch(tmp_path, ["jazz/song.12345.wav"])
    with pytest.raises(DataError, match=r"no clip of .*gtzan.csv lies there \(such as blues.00000"):
        read_manifest(TASK, tmp_path)


def test_task_without_a_split_file_is_reported(tmp_path):
    touch(tmp_path, ["jazz/jazz.00000.wav"])
    with pytest.raises(UsageError, match=r"gtzan.yaml: reader gtzan needs the key split_file"):
        read_manifest(TASK.model_copy(update={"split_file": None}), tmp_path)


def test_unreadable_clip_of_a_common_mirror_is_quarantined_and_the_task_still_runs(tmp_path, notes):
    touch(tmp_path / "data", [f"{name}.wav" for name in NAMES])
    soundfile.write(tmp_path / "clip.wav", np.full(160, 0.1), 16000)
    for file in tmp_path.glob("data/*/*"):
        file.write_bytes((tmp_path / "clip.wav").read_bytes())
    (tmp_path / "data" / "jazz" / "jazz.00054.wav").write_bytes(b"\x00" * 1000)
    config = Config(data=tmp_path / "data", cache=tmp_path / "cache", workers=2)
    prepared = prepare_task(TASK, 16000, config)
    require_coverage(prepared, config)
    assert prepared.coverage == 929 / 930
    assert [line for line in notes if "1 file quarantined: jazz/jazz.00054.wav (" in line]
