"""A task made of a folder for each class: what is taken in, how it is split, and what is refused."""

import os

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from evar.base.errors import DataError, UsageError
from evar.data.manifest import read_manifest
from evar.data.new_task import new_task
from evar.data.task import load_task

RATE = 16_000


def write_clip(path, seconds=0.1):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        soundfile.write(file, np.full(round(seconds * RATE), 0.1), RATE, format="WAV")


@pytest.fixture
def sounds(tmp_path):
    """Three classes of twenty clips by five speakers."""
    folder = tmp_path / "my sounds"
    for label in ("bark", "no", "7"):
        for number in range(20):
            write_clip(folder / label / f"anna{number % 5}_{number}.wav")
    return folder


def table_of(made):
    return pd.read_csv(made.table, dtype=str)


def test_the_task_reads_as_it_was_written(sounds):
    made = new_task(sounds)
    assert (made.file.name, made.table.name) == ("my_sounds.yaml", "my_sounds.csv")
    manifest = read_manifest(load_task(str(made.file)), sounds)
    assert manifest.classes == made.classes == ("7", "bark", "no")
    assert manifest.table["part"].value_counts().to_dict() == made.parts == {"train": 48, "valid": 6, "test": 6}
    assert manifest.task.expects.parts == made.parts
    assert (manifest.table["group"] == manifest.table["path"]).all()
    for label in made.classes:
        rows = manifest.table[manifest.table["labels"] == (label,)]
        assert rows["path"].str.startswith(f"{label}/").all()
        assert rows["part"].value_counts().to_dict() == {"train": 16, "valid": 2, "test": 2}


def test_a_second_machine_writes_the_same_bytes(sounds):
    first = [made.read_bytes() for made in (new_task(sounds).file, new_task(sounds, name="again").table)]
    (sounds / "my_sounds.yaml").unlink()
    (sounds / "my_sounds.csv").unlink()
    assert new_task(sounds).file.read_bytes() == first[0]
    assert (sounds / "my_sounds.csv").read_bytes() == first[1]


def test_groups_are_kept_whole(sounds):
    made = new_task(sounds, group_by=r"/(anna\d)_")
    table = table_of(made)
    assert made.groups == 5
    assert set(table["group"]) == {f"anna{number}" for number in range(5)}
    assert (table.groupby("group")["split"].nunique() == 1).all()
    assert made.parts == {"train": 36, "valid": 12, "test": 12}


def test_folds_replace_the_splits(sounds):
    made = new_task(sounds, folds=4)
    assert made.parts == {"1": 15, "2": 15, "3": 15, "4": 15}
    task = load_task(str(made.file))
    assert (task.folds, task.splits) == (["1", "2", "3", "4"], None)
    assert "fold" in table_of(made)


def test_only_audio_below_a_class_is_a_clip(sounds):
    write_clip(sounds / "loose.wav")
    write_clip(sounds / "bark" / "session 2" / "DEEP.WAV")
    write_clip(sounds / "bark" / "._anna.wav")
    write_clip(sounds / ".trash" / "gone.wav")
    (sounds / "bark" / "notes.txt").write_text("")
    (sounds / "bark" / "back").symlink_to(sounds)
    made = new_task(sounds)
    paths = set(table_of(made)["path"])
    assert len(paths) == 61
    assert "bark/session 2/DEEP.WAV" in paths
    assert made.classes == ("7", "bark", "no")


@pytest.mark.parametrize("name", ['comma, "quote".wav', "new\nline.wav", "日本 é.wav", " space .wav", "#;'.wav"])
def test_any_text_is_a_name(sounds, name):
    write_clip(sounds / "ja: {x}" / name)
    for number in range(3):
        write_clip(sounds / "ja: {x}" / f"{number}.wav")
    made = new_task(sounds)
    manifest = read_manifest(load_task(str(made.file)), sounds)
    assert f"ja: {{x}}/{name}" in set(manifest.table["path"])
    assert "ja: {x}" in manifest.classes


def test_seconds_are_what_nearly_all_clips_do_not_exceed(sounds):
    for number in range(3):
        write_clip(sounds / "bark" / f"long_{number}.wav", 1.0)
    assert new_task(sounds, name="a").seconds == 0.1
    for number in range(10):
        write_clip(sounds / "bark" / f"middle_{number}.wav", 0.52)
    assert new_task(sounds, name="b").seconds == 0.6
    assert load_task(str(new_task(sounds, name="c", seconds=2.5).file)).seconds == 2.5


def test_clips_that_cannot_be_read_are_listed_and_named(sounds):
    clips = sounds / "bark"
    assert new_task(sounds, name="whole").unreadable == ()
    (clips / "anna0_0.wav").write_bytes(b"")
    for path in (sounds / "no").iterdir():
        path.write_bytes(b"not to be decoded")
    (clips / "anna1_1.wav").write_bytes((clips / "anna1_1.wav").read_bytes()[:-1000])
    (clips / "anna2_2.wav").unlink()
    os.mkfifo(clips / "anna2_2.wav")
    (clips / "anna3_3.wav").unlink()
    (clips / "anna3_3.wav").symlink_to("anna3_3.wav")
    made = new_task(sounds)
    assert len(table_of(made)) == 60
    assert made.classes == ("7", "bark", "no")
    faults = dict(fault.rstrip(")").split(" (", 1) for fault in made.unreadable)
    assert faults["bark/anna0_0.wav"] == "empty: zero bytes"
    assert faults["bark/anna1_1.wav"] == "its header promises 0.100 s, 0.069 s could be decoded"
    assert faults["bark/anna2_2.wav"] == "is no regular file"
    assert "symbolic links" in faults["bark/anna3_3.wav"]
    assert len(faults) == 4 + 20


def test_classes_of_too_few_groups_are_reported(sounds):
    for number in range(2):
        write_clip(sounds / "rare" / f"{number}.wav")
    made = new_task(sounds)
    assert made.alone == ("rare",)
    assert set(table_of(made).query("label == 'rare'")["split"]) == {"train"}


@pytest.mark.parametrize("there", ["my_sounds.yaml", "my_sounds.csv"])
def test_nothing_is_overwritten(sounds, there):
    (sounds / there).write_text("mine")
    with pytest.raises(UsageError, match=f"{there} would be overwritten"):
        new_task(sounds)
    assert (sounds / there).read_text() == "mine"
    assert len(list(sounds.glob("my_sounds.*"))) == 1


@pytest.mark.parametrize(("how", "said"), [
    ({"name": "a/b"}, "--name must be of letters, digits, . _ and -, not 'a/b'"),
    ({"name": "a,b"}, "not 'a,b'"),
    ({"name": ""}, "not ''"),
    ({"name": "us8k"}, "us8k is the name of a task that comes with evar: give another one by --name"),
    ({"group_by": "("}, "'(' is no regular expression: missing ), unterminated subpattern"),
    ({"group_by": "anna"}, "has no group: put parentheses"),
    ({"group_by": r"/(anna[1-4])"}, "finds no group in 12 paths: '7/anna0_0.wav', "),
])  # fmt: skip
def test_what_does_not_fit_is_refused_and_nothing_written(sounds, how, said):
    with pytest.raises(UsageError) as error:
        new_task(sounds, **how)
    assert said in str(error.value)
    assert not list(sounds.glob("*.*"))


def test_a_folder_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(UsageError, match="no folder .*nowhere"):
        new_task(tmp_path / "nowhere")


def test_too_little_to_split_is_reported(tmp_path):
    (tmp_path / "s").mkdir()
    with pytest.raises(DataError, match="s: no audio in a folder of it: at least two classes are needed"):
        new_task(tmp_path / "s")
    Image.new("RGB", (8, 8)).save(tmp_path / "s" / "picture.png")
    with pytest.raises(DataError, match=r"clip\.wav \(for images write the YAML file by hand\)"):
        new_task(tmp_path / "s")
    write_clip(tmp_path / "s" / "a" / "1.wav")
    with pytest.raises(DataError, match="s: audio in a alone: at least two classes are needed, each a folder"):
        new_task(tmp_path / "s")
    write_clip(tmp_path / "s" / "b" / "1.wav")
    with pytest.raises(DataError, match="2 groups cannot be divided over 3 parts"):
        new_task(tmp_path / "s")
    write_clip(tmp_path / "s" / "c" / "1.wav")
    with pytest.raises(DataError, match="no group is left for valid, test"):
        new_task(tmp_path / "s")


def test_a_folder_without_one_decodable_clip_is_reported(sounds):
    for path in sounds.glob("*/*"):
        path.write_text("no audio")
    with pytest.raises(DataError, match="none of .* clips decodes: 7/anna0_0.wav "):
        new_task(sounds)


@pytest.mark.parametrize(("clip", "said"), [
    (os.fsdecode(b"bark/caf\xe9.wav"), r"not UTF-8 .* rename 'bark/caf\\udce9.wav'"),
    (" /1.wav", "whose name is blank is no class: rename ' '"),
])  # fmt: skip
def test_names_that_a_table_cannot_hold_are_reported_and_nothing_is_written(sounds, clip, said):
    write_clip(sounds / clip)
    with pytest.raises(DataError, match=said):
        new_task(sounds)
    assert not list(sounds.glob("*.*"))
