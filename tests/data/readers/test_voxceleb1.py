"""VoxCeleb1: the identification split, matched to files wherever and in whatever format they lie."""

import pytest

from evar.base.errors import DataError
from evar.data.manifest import read_manifest
from evar.data.task import load_task
from evar.testing.trees import touch

TASK = load_task("vc1").model_copy(update={"expects": None})
LINES = [
    ("1", "id10001/-abcdefghi_/00001"),
    ("1", "id10001/-abcdefghi_/00002"),
    ("2", "id10001/_bcdefghij-/00001"),
    ("3", "id10001/cdefghijklm/00001"),
    ("1", "id10270/defghijklmn/00001"),
    ("3", "id10270/efghijklmno/00001"),
]


def write(root, halves=("wav", "wav"), ending="wav", lines=LINES):
    touch(root, [f"{halves['id1027' in clip]}/{clip}.{ending}" for _, clip in lines])
    (root / "iden_split.txt").write_text("".join(f"{part} {clip}.wav\r\n" for part, clip in LINES))
    return root


@pytest.mark.parametrize(
    "halves",
    [
        ("wav", "wav"),
        ("dev/wav", "test/wav"),
        ("vox1_dev_wav/wav", "vox1_test_wav/wav"),
        ("dev", "test"),
        (".", "."),
        ("a/b/c/wav", "wav"),
    ],
)
@pytest.mark.parametrize("ending", ["wav", "flac", "m4a"])
def test_halves_and_formats_are_found_wherever_they_lie(tmp_path, halves, ending):
    manifest = read_manifest(TASK, write(tmp_path / "VoxCeleb1", halves, ending).parent)
    assert all((manifest.root / path).is_file() for path in manifest.table["path"])
    assert len(manifest.table) == len(LINES)


def test_part_is_the_official_one_label_the_speaker_and_group_the_video(tmp_path):
    table = read_manifest(TASK, write(tmp_path)).table.set_index("path")
    assert table["part"].to_dict() == {
        f"wav/{clip}.wav": {"1": "train", "2": "valid", "3": "test"}[part] for part, clip in LINES
    }
    assert table.loc["wav/id10001/-abcdefghi_/00002.wav", ["labels", "group"]].tolist() == [("id10001",), "-abcdefghi_"]


def test_missing_speaker_keeps_its_class_and_its_rows(tmp_path):
    manifest = read_manifest(TASK, write(tmp_path, lines=LINES[:4]))
    assert manifest.classes == ("id10001", "id10270")
    assert "wav/id10270/defghijklmn/00001.wav" in set(manifest.table["path"])


def test_clip_in_both_halves_is_read_once_and_reported(tmp_path):
    write(tmp_path)
    touch(tmp_path, ["dev/wav/id10001/cdefghijklm/00001.wav"])
    manifest = read_manifest(TASK, tmp_path)
    assert len(manifest.table) == len(LINES)
    assert [
        line for line in manifest.remarks if "1 clips lie there more than once; the ones read are wav/id10001" in line
    ]


def test_clips_of_one_video_are_one_group(tmp_path):
    write(tmp_path)
    with (tmp_path / "iden_split.txt").open("a") as lines:
        lines.write("3 id10001/-abcdefghi_/00003.wav\n")
    table = read_manifest(TASK, tmp_path).table
    assert set(table["part"][table["group"] == "-abcdefghi_"]) == {"train", "test"}


def test_copy_without_the_split_says_where_to_get_it(tmp_path):
    touch(tmp_path, [f"VoxCeleb1/wav/{clip}.wav" for _, clip in LINES])
    with pytest.raises(DataError, match=r"looked for iden_split.txt \(https://www.robots.ox.ac.uk/.*beside wav/\) in "):
        read_manifest(TASK, tmp_path)


def test_line_of_another_form_is_named(tmp_path):
    write(tmp_path)
    (tmp_path / "iden_split.txt").write_text("1 id10001/a/00001.wav\n\n4 id10001/a/00002.wav\n")
    with pytest.raises(DataError, match=r"iden_split.txt, line 3: '4 id10001/a/00002.wav' is not '1|2|3 idNNNNN"):
        read_manifest(TASK, tmp_path)


def test_split_that_is_no_text_is_reported(tmp_path):
    (tmp_path / "iden_split.txt").write_bytes(b"1 id10001/\xff")
    with pytest.raises(DataError, match=r"iden_split.txt: not UTF-8 text \(byte 10\)"):
        read_manifest(TASK, tmp_path)


def test_split_in_the_meta_folder_is_found(tmp_path):
    write(tmp_path)
    (tmp_path / "meta").mkdir()
    (tmp_path / "iden_split.txt").rename(tmp_path / "meta" / "iden_split.txt")
    assert len(read_manifest(TASK, tmp_path).table) == len(LINES)
