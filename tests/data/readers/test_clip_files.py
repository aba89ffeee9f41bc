"""Which files count as clips, and which one of several."""

import os

import pytest

from evar.data.readers.clip_files import clip_files, one_each
from evar.testing.trees import touch


def stem(path):
    return path.rpartition(".")[0]


def test_audio_is_found_at_any_depth_in_rising_order(tmp_path):
    touch(tmp_path, ["b/c/z.flac", "b/a.WAV", "a.mp3", "notes.txt", "b/a.json", "b/c.wav/inner.wav"])
    assert clip_files(tmp_path).paths == ["a.mp3", "b/a.WAV", "b/c.wav", "b/c/z.flac"]


def test_hidden_copies_that_macos_leaves_are_no_clips(tmp_path):
    touch(tmp_path, ["a.wav", "._a.wav", "__MACOSX/._a.wav", ".trash/b.wav"])
    assert clip_files(tmp_path).paths == ["a.wav"]


def test_names_that_are_no_text_are_found(tmp_path):
    name = os.fsdecode(b"\xff\n \xc3\xa4.wav")
    touch(tmp_path, [f"Wörter 日本/{name}"])
    assert clip_files(tmp_path).paths == [f"Wörter 日本/{name}"]


def test_linked_folders_are_entered_once_and_a_circle_ends(tmp_path):
    touch(tmp_path, ["disk/far.wav", "data/near/a.wav"])
    (tmp_path / "disk" / "back").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "far").symlink_to(tmp_path / "disk")
    (tmp_path / "data" / "again").symlink_to("near")
    (tmp_path / "data" / "nowhere").symlink_to("gone")
    assert clip_files(tmp_path / "data").paths == ["far/far.wav", "near/a.wav"]


def test_dataset_that_is_a_link_itself_is_walked(tmp_path):
    touch(tmp_path, ["disk/a.wav"])
    (tmp_path / "data").symlink_to("disk")
    assert clip_files(tmp_path / "data").paths == ["a.wav"]


def test_folder_that_cannot_be_listed_is_reported(tmp_path, monkeypatch):
    touch(tmp_path, ["closed/a.wav", "b.wav"])
    scandir = os.scandir

    def refusing(folder):
        if folder.endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr("evar.data.readers.clip_files.os.scandir", refusing)
    listing = clip_files(tmp_path)
    assert listing.paths == ["b.wav"]
    assert listing.remarks == ("folders that cannot be listed: closed/ (Permission denied)",)


@pytest.mark.parametrize(
    ("paths", "read"),
    [
        (["a.mp3", "a.wav", "a.flac"], "a.wav"),
        (["a.m4a", "a.mp3"], "a.mp3"),
        (["a.m4a"], "a.m4a"),
        (["a.OGG", "a.Wav"], "a.Wav"),
    ],
)
def test_of_several_files_of_a_clip_the_best_kind_is_read(paths, read):
    assert one_each(paths, stem)[0] == {"a": read}


def test_of_equal_kinds_the_first_path_is_read_and_reported():
    paths = ["y/a.wav", "x/a.wav", "x/b.wav"]
    chosen, remarks = one_each(paths, lambda path: stem(path)[2:])
    assert chosen == {"a": "x/a.wav", "b": "x/b.wav"}
    assert remarks == ("1 clips lie there more than once; the ones read are x/a.wav",)
