"""AudioSet: names of files, the official tables, and what is said of a copy."""

import re

import pytest

from evar.base.errors import DataError
from evar.data.manifest import read_manifest
from evar.data.task import load_task
from evar.testing.trees import touch
from tests.data.readers.trees.audioset import CLASSES, LISTS, mid, write_classes, write_list

TASK = load_task("as20k").model_copy(update={"expects": None})
TRAIN = [("--4gqARaEJE", "0.000", "10.000", f"{mid(2)},{mid(0)}"), ("_-abcdefghi", "30.000", "40.000", mid(1))]
TEST = [("YabcdefghiY", "22.700", "30.000", mid(0))]
TASK_FOLDER = "AudioSet"


@pytest.fixture
def root(tmp_path):
    """The three tables, for three segments and four classes."""
    folder = tmp_path / TASK_FOLDER
    folder.mkdir()
    write_classes(folder / CLASSES, 4)
    write_list(folder / "balanced_train_segments.csv", TRAIN)
    write_list(folder / "eval_segments.csv", TEST)
    return folder


def read(root):
    return read_manifest(TASK, root)


def path_of(root, video):
    table = read(root).table
    (path,) = table["path"][table["group"] == video]
    return path


@pytest.mark.parametrize(
    ("video", "name"),
    [
        ("--4gqARaEJE", "Y--4gqARaEJE_0.000_10.000.wav"),
        ("--4gqARaEJE", "--4gqARaEJE_0_10000.flac"),
        ("--4gqARaEJE", "--4gqARaEJE_0.wav"),
        ("--4gqARaEJE", "--4gqARaEJE.wav"),
        ("--4gqARaEJE", "Y--4gqARaEJE.mp3"),
        ("_-abcdefghi", "_-abcdefghi_30000_40000.wav"),
        ("_-abcdefghi", "Y_-abcdefghi_30.000.ogg"),
        ("_-abcdefghi", "_-abcdefghi_000030.flac"),
        ("_-abcdefghi", "_-abcdefghi_30-40.wav"),
        ("YabcdefghiY", "YabcdefghiY.wav"),
        ("YabcdefghiY", "YYabcdefghiY_22_30.wav"),
        ("YabcdefghiY", "YabcdefghiY_22700_30000.wav"),
        ("YabcdefghiY", "YabcdefghiY_22.700.opus"),
    ],
)
def test_name_of_a_downloader_is_matched(root, video, name):
    touch(root, [f"any/folder/{name}"])
    assert path_of(root, video) == f"any/folder/{name}"


@pytest.mark.parametrize(
    "name",
    ["--4gqARaEJE_30.wav", "--4gqARaEJE_30000_40000.wav", "Y--4gqARaEJE_10.000_20.000.wav", "--4gqARaEJE_500_510.flac"],
)
def test_segment_at_another_start_is_no_match_and_is_reported(root, name):
    touch(root, [name])
    assert path_of(root, "--4gqARaEJE") == "--4gqARaEJE.wav"
    assert read(root).remarks == (f"1 files hold another segment than the list's, by their names: {name}",)


@pytest.mark.parametrize(
    "name", ["x--4gqARaEJE.wav", "--4gqARaEJE_a.wav", "--4gqARaEJE_0_10_mono.wav", "4gqARaEJE.wav"]
)
def test_other_names_are_no_clips_and_are_reported(root, name):
    touch(root, [name])
    assert path_of(root, "--4gqARaEJE") == "--4gqARaEJE.wav"
    assert read(root).remarks == (f"1 audio files have names without an id: {name}",)


def test_id_that_appears_twice_is_read_once_and_reported(root):
    touch(root, ["b/--4gqARaEJE.wav", "a/Y--4gqARaEJE_0_10.wav", "--4gqARaEJE_30.wav"])
    manifest = read(root)
    assert len(manifest.table) == 3
    assert manifest.remarks == (
        "1 clips lie there more than once; the ones read are a/Y--4gqARaEJE_0_10.wav",
        "1 files hold another segment than the list's, by their names: --4gqARaEJE_30.wav",
    )


def test_columns_are_the_class_lists_whatever_is_there(root):
    manifest = read(root)
    assert manifest.classes == tuple(f"Sound {number}, of some kind" for number in range(4))
    targets = dict(zip(manifest.table["group"], manifest.targets.tolist(), strict=True))
    assert targets["--4gqARaEJE"] == [True, False, True, False]


def test_classes_are_in_the_order_of_the_index_not_of_the_lines(root):
    lines = (root / CLASSES).read_text().splitlines()
    (root / CLASSES).write_text("\n".join([lines[0], *lines[:0:-1]]))
    assert read(root).classes[0] == "Sound 0, of some kind"


def test_seconds_are_end_less_start(root):
    assert dict(zip(read(root).table["group"], read(root).table["seconds"], strict=True))["YabcdefghiY"] == 7.3


@pytest.mark.parametrize("place", ["metadata", "csv"])
def test_tables_may_lie_in_a_folder_of_their_own(root, place):
    (root / place).mkdir()
    for name in (CLASSES, *LISTS.values()):
        (root / name).rename(root / place / name)
    touch(root, ["--4gqARaEJE.wav"])
    assert path_of(root, "--4gqARaEJE") == "--4gqARaEJE.wav"
    assert read(root.parent).root == root


@pytest.mark.parametrize("name", [CLASSES, *LISTS.values()])
def test_missing_table_says_where_to_put_it(root, name):
    (root / name).unlink()
    with pytest.raises(DataError, match=rf"no {name} in {re.escape(str(root))}: put the official one there, from http"):
        read(root)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            ("--4gqARaEJE", "0.000", "10.000", "/m/none"),
            r"eval_segments.csv, line 4: label '/m/none' is not in class_lab",
        ),
        (
            ("4gqARaEJE", "0.000", "10.000", mid(0)),
            r"line 4: .* '4gqARaEJE' is not the id of a video \(11 characters\)",
        ),
        (("--4gqARaEJ1", "zero", "10.000", mid(0)), r"line 4: .* could not convert string to float"),
        (("--4gqARaEJE", "0.000", "10.000", mid(0)), r"ids that the lists hold twice: --4gqARaEJE"),
    ],
)
def test_fault_in_a_list_names_the_line(root, row, said):
    write_list(root / "eval_segments.csv", [row])
    with pytest.raises(DataError, match=said):
        read(root)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("index,mid\n0,/m/000\n", r"class_labels_indices.csv: no column display_name"),
        ("index,mid,display_name\n0,a,A\n2,b,B\n", r"column index must hold each of 0 to 1 once"),
        ("index,mid,display_name\n0,a,A\n1,a,B\n", r"column mid holds 'a' twice"),
        ("index,mid,display_name\n0,a,A\n1,b,A\n", r"column display_name holds 'A' twice"),
    ],
)
def test_fault_in_the_class_list_names_the_column(root, text, said):
    (root / CLASSES).write_text(text)
    with pytest.raises(DataError, match=said):
        read(root)


def test_official_lists_have_22160_and_20371_segments_706_of_them_short(shared):
    manifest = read_manifest(load_task("as20k"), shared / "metadata" / "audioset")
    assert manifest.table["part"].value_counts().to_dict() == {"train": 22160, "test": 20371}
    assert (manifest.table["seconds"] < 10).sum() == 706
    assert len(manifest.classes) == 527
    assert manifest.classes[0] == "Speech"
