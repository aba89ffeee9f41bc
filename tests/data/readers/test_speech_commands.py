"""Speech Commands: the hash rule, the lists that must agree with it, and what is no clip."""

import pytest

from evar.base.errors import DataError
from evar.data.manifest import read_manifest
from evar.data.readers.speech_commands import split_of
from evar.data.task import load_task
from evar.testing.trees import touch
from tests.data.readers.trees.speech_commands import official_split

TRAIN, VALID, TEST = "004ae714", "026290a7", "0c40e715"
CLIPS = [f"{word}/{speaker}_nohash_0.wav" for word in ("bed", "zero") for speaker in (TRAIN, VALID, TEST)]
OFFICIAL = {"0c40e715": "test", "0ea0e2f4": "test", "026290a7": "valid", "060cd039": "valid", "099d52ad": "valid"}


@pytest.fixture
def root(tmp_path):
    """A small copy with both lists."""
    touch(tmp_path / "data", CLIPS)
    write_lists(tmp_path / "data")
    return tmp_path / "data"


def write_lists(root, valid=VALID, test=TEST):
    for name, speaker in (("validation_list.txt", valid), ("testing_list.txt", test)):
        (root / name).write_text("".join(f"{clip}\n" for clip in CLIPS if speaker in clip))


def read(root):
    return read_manifest(load_task("spcv2"), root)


def parts(manifest):
    return dict(zip(manifest.table["path"], manifest.table["part"], strict=True))


@pytest.mark.parametrize("speaker", OFFICIAL)
def test_rule_puts_speakers_where_the_official_lists_have_them(speaker):
    assert split_of(speaker) == OFFICIAL[speaker] == official_split(f"{speaker}_nohash_1.wav")


def test_rule_is_the_readmes_for_any_speaker():
    speakers = [f"{number * 40503 % 2**32:08x}" for number in range(2000)]
    assert [split_of(speaker) for speaker in speakers] == [official_split(f"{s}_nohash_0.wav") for s in speakers]


def test_split_is_the_same_with_lists_and_without(root):
    with_lists = parts(read(root))
    for file in root.glob("*.txt"):
        file.unlink()
    assert parts(read(root)) == with_lists
    assert with_lists[CLIPS[0]] == "train"


def test_group_is_the_speaker_and_label_the_word(root):
    table = read(root).table.set_index("path")
    assert table.loc[CLIPS[3]].to_dict() | {"seconds": 0} == {
        "labels": ("zero",),
        "part": "train",
        "group": TRAIN,
        "seconds": 0,
    }


def test_background_noise_and_other_files_are_no_clips(root):
    touch(root, ["_background_noise_/pink_nohash_0.wav", "bed/readme.wav", "bed/more/x_nohash_0.wav", "x_nohash_0.wav"])
    assert len(read(root).table) == len(CLIPS)


def test_listed_clip_that_is_missing_stays_a_row_and_an_unlisted_one_does_not(root):
    for clip in CLIPS[:3]:
        (root / clip).unlink()
    assert set(read(root).table["path"]) == {*CLIPS[1:]}


def test_converted_clips_are_the_listed_ones(root):
    (root / CLIPS[1]).rename(root / CLIPS[1].replace(".wav", ".flac"))
    manifest = read(root)
    assert CLIPS[1].replace(".wav", ".flac") in parts(manifest)
    assert len(manifest.table) == len(CLIPS)


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        (
            {"valid": TEST},
            r"validation_list.txt contradicts .* it lists 2 clips of other splits and lacks 2 of its own",
        ),
        ({"test": TRAIN}, r"testing_list.txt contradicts .* \(bed/004ae714_nohash_0, zero/004ae714_nohash_0, bed/0c40"),
        (
            {"test": "none"},
            r"lists 0 clips of other splits and lacks 2 of its own .* or remove it to split by the rule",
        ),
    ],
)
def test_list_that_contradicts_the_rule_is_refused(root, lists, said):
    write_lists(root, **lists)
    with pytest.raises(DataError, match=said):
        read(root)


def test_line_that_is_no_clip_is_named(root):
    (root / "testing_list.txt").write_text("\nbed/0c40e715_nohash_0.wav\nbed/0c40e715.wav\n")
    with pytest.raises(DataError, match=r"testing_list.txt, line 3: 'bed/0c40e715.wav' is not WORD/SPEAKER_nohash_N"):
        read(root)


def test_word_of_another_version_is_reported(root):
    touch(root, ["learned/004ae714_nohash_0.wav"])
    with pytest.raises(DataError, match="none of the task's classes: 'learned'"):
        read(root)


@pytest.mark.parametrize("folder", [".", "SpeechCommands", "SpeechCommands/speech_commands_v0.02", "Töne/日本"])
@pytest.mark.parametrize("lists", [True, False])
def test_folder_may_be_called_as_archives_and_people_call_it(tmp_path, folder, lists):
    root = tmp_path / folder
    touch(root, CLIPS)
    if lists:
        write_lists(root)
    manifest = read(root if folder.startswith("T") else tmp_path)
    assert manifest.root == root
    assert len(manifest.table) == len(CLIPS)
