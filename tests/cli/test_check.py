"""`evar check` as a user runs it: one screen, JSON, and an exit code that says whether the task can be scored."""

import json
from pathlib import Path

import pytest
import soundfile

from evar.cli import main
from evar.cli.check_screen import screen
from evar.data.leaks import Leaks
from evar.data.report import Class, Clipped, Durations, Fault, PartCount, Quiet, Report, Short
from evar.near_duplicates.record import NearDuplicate, NearDuplicates
from tests.tones import write_tones


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with a dataset of its own."""
    monkeypatch.setenv("COLUMNS", "100")
    write_tones(tmp_path, clips=4)
    return tmp_path


def a_report(**more):
    """A report in which everything was found, of `classes` classes."""
    classes = more.pop("classes", 10)
    facts = {
        "task": "toy",
        "title": "Toy",
        "protocol": "train/test",
        "modality": "audio",
        "seconds": 4.0,
        "root": "/data/toy",
        "part_kind": "split",
        "found": 90 * classes,
        "expected": 100 * classes,
        "coverage": 0.9,
        "min_coverage": 0.99,
        "parts": (
            PartCount("train", 50 * classes, 60 * classes, 60 * classes),
            PartCount("test", 40 * classes, 40 * classes, None),
        ),
        "classes": tuple(Class(f"class {n:04}", (50 + n, 40), (60 + n, 40)) for n in range(classes)),
        "quarantined": tuple(Fault(f"reason {n}", tuple(f"{n}/{k}.wav" for k in range(9 - n))) for n in range(7)),
        "waiting": 3,
        "leaks": Leaks(
            {"duplicates": 1, "groups": 2, "silent": 0},
            {"duplicates": "two are equal", "groups": "two straddle", "silent": "one: 'hush\\n.wav'"},
            groups=30,
            duplicates=(),
            straddling=(),
            silent=(),
        ),
        "known": 0.25,
        "untaught": ("one class is tested alone",),
        "clipped": (Clipped("loud.wav", 0.25),),
        "quiet": (Quiet("far.wav", 0.0018),),
        "short": (Short("half.wav", 4.0, 2.0),),
        "lacking": (Short("nearly.wav", 3.0, 2.952), Short("almost.wav", 3.0, 2.999)),
        "durations": Durations(0.5, 4.0, 4.1, 3600.0),
        "rates": {16000: 10, 44100: 80 * classes},
        "channels": {1: 10, 2: 80 * classes},
        "decoders": {"soundfile": 80 * classes, "ffmpeg 7.1": 10},
        "store": "/cache/stores/toy",
        "store_rate": 16000,
        "store_bytes": 12_345_678,
        "digest": "0123456789abcdef",
        "remarks": ("one id appears twice",),
        "pitfalls": ("known fault",),
        "problem": "too little is there",
    }
    return Report(**{**facts, **more})


def some_copies(path="b.wav"):
    return NearDuplicates(
        (NearDuplicate(path, "test", "a.wav", "train", 1, 0.91234, -0.01),), 0, Path("/cache/copies.json")
    )


def test_a_clean_task_fits_a_screen_and_can_be_scored(here, capsys):
    assert main(["check", "--task", "tones.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("tones  Tones, train/valid/test, 0.25 s clips, in ")
    assert "36 of 36 clips (100.0%) in 3 classes" in lines
    assert "split     train  valid  test  all" in lines
    assert "low           4      4     4   12" in lines
    assert lines[-1] == "verdict          can be scored"
    assert len(lines) <= 42
    assert max(map(len, lines)) <= 100


def test_what_cannot_be_scored_is_exit_code_2_with_the_reason(here, capsys):
    for path in Path("data/tones").glob("test-low-*"):
        path.unlink()
    assert main(["check", "--task", "tones.yaml"]) == 2
    out = " ".join(capsys.readouterr().out.split())
    assert "quarantined 4: missing: test-low-000.wav, test-low-001.wav, test-low-002.wav and 1 more" in out
    assert "verdict cannot be scored: 4 of 36 clips are missing or broken (coverage 88.9%, asked for 99.0%); " in out
    assert main(["check", "--task", "tones.yaml", "--min-coverage", "0.888"]) == 0


def test_files_that_need_ffmpeg_are_one_line_of_check_and_of_prepare(here, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(here))
    for path in Path("data/tones").glob("test-low-*"):
        path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    convert = "ffmpeg -i CLIP -f flac NEW && mv NEW CLIP"
    said = (
        "4 files need ffmpeg, which is not installed: install it and run again, or convert each elsewhere and keep its "
        f"name: {convert}"
    )
    assert main(["check", "--task", "tones.yaml"]) == 2
    out = " ".join(capsys.readouterr().out.split())
    assert f"quarantined 4: is MP4 or M4A, for which ffmpeg is needed: install it, or convert: {convert}" in out
    assert out.count(said) == 1
    assert main(["prepare", "--task", "tones.yaml"]) == 0
    err = " ".join(capsys.readouterr().err.split())
    assert f"tones: {said}" in err
    assert " quarantined: " not in err


def test_check_and_eval_agree(here, capsys):
    for path in Path("data/tones").glob("test-low-*"):
        path.unlink()
    for share in ("0.99", "0.888"):
        arguments = ["--task", "tones.yaml", "--min-coverage", share]
        assert main(["check", *arguments]) == main(["eval", "--encoder", "logmel", *arguments])


def test_json_is_one_object_a_task_and_nothing_else(here, capsys):
    (here / "twin.yaml").write_text((here / "tones.yaml").read_text())
    assert main(["check", "--task", "tones.yaml,twin.yaml", "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["task"], second["task"]) == ("tones", "twin")
    assert (first["found"], first["problem"]) == (36, "")
    assert first["digest"] == second["digest"]
    assert first["leaks"]["counts"] == {"duplicates": 0, "groups": 0, "silent": 0}
    assert first["near_duplicates"] is None


def test_near_duplicates_are_found_where_asked_for_and_shown_from_then_on(here, capsys):
    def check(*options):
        assert main(["check", "--task", "tones.yaml", *options]) == 0
        return capsys.readouterr().out

    waveform, rate = soundfile.read("data/tones/train-low-001.wav")
    soundfile.write("data/tones/test-low-001.wav", 0.5 * waveform, rate)
    assert "near-duplicates  not looked for, --near-duplicates does" in check()
    found = check("--near-duplicates")
    assert "near-duplicates  1 test clips nearly equal a clip on the other side of the split: test-low-001.wav" in found
    assert check() == found
    (clip,) = json.loads(check("--json"))["near_duplicates"]["clips"]
    assert (clip["path"], clip["other"]) == ("test-low-001.wav", "train-low-001.wav")


def test_one_task_without_data_does_not_hide_the_others(here, capsys):
    assert main(["check", "--task", "us8k,tones.yaml"]) == 2
    out, err = capsys.readouterr()
    assert "UrbanSound8K not found" in err
    assert "can be scored" in out


def test_it_decodes_for_the_run_that_follows(here):
    assert main(["check", "--task", "tones.yaml", "--rate", "8000"]) == 0
    (folder,) = (path for path in Path("cache/stores").iterdir() if path.is_dir())
    assert folder.name.startswith("tones-8000-")


@pytest.mark.parametrize("width", [60, 80, 100, 160])
@pytest.mark.parametrize("classes", [2, 12, 13, 35, 527, 1251])
def test_the_screen_keeps_to_the_width_and_stays_short(width, classes):
    lines = screen(a_report(classes=classes), some_copies(), width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= (42 if width >= 100 else 65)


def test_every_finding_has_its_place_and_its_example():
    text = screen(a_report(), some_copies(), 400)
    for said in (
        "quarantined      9: reason 0: 0/0.wav, 0/1.wav, 0/2.wav and 6 more",
        "                 18 for 4 more reasons (all with --json)",
        "                 3 files need ffmpeg, which is not installed: install it and run again, or convert each",
        "duplicates       two are equal",
        "near-duplicates  1 test clips nearly equal a clip on the other side of the split: b.wav (test) and a.wav "
        "(train), correlation 0.91 at -0.010 s; all in /cache/copies.json",
        "groups           two straddle",
        "untaught         one class is tested alone",
        "silent           one: 'hush\\n.wav'",
        "clipped          1 clip with over 0.1% of the samples at full scale, worst first: loud.wav (25.0%)",
        "quiet            1 clip below -48 dB of full scale: far.wav (-55 dB)",
        "short            1 clip over 0.5 s shorter than the table promises: half.wav (2.0 of 4.0 s)",
        "                 2 clips a little short by their headers: nearly.wav (48 ms), almost.wav (1 ms)",
        "durations        0.50 s shortest, 4.00 s median, 4.10 s longest, 1.0 h in all",
        "files            10 at 16,000 Hz, 800 at 44,100 Hz; 10 mono, 800 of 2 channels; 10 by ffmpeg 7.1",
        "store            12.3 MB at 16,000 Hz, digest 0123456789ab, in /cache/stores/toy",
        "remarks          one id appears twice",
        "pitfalls         known fault",
        "verdict          cannot be scored: too little is there",
    ):
        assert said in text, said


def test_of_very_many_classes_only_the_extremes_are_named():
    text = " ".join(screen(a_report(classes=527), some_copies(), 100).split())
    assert (
        "classes 527, median 353 clips; fewest: class 0000 90, class 0001 91, class 0002 92; most: class 0526 616"
        in text
    )
    assert "0 classes lack clips in some part" in text


def test_names_that_are_no_text_can_be_printed():
    text = screen(a_report(root="/data/caf\udce9"), some_copies("x\udce9.wav"), 100)
    assert text.encode()
