"""`evar new-task` as a user runs it: from a folder of sounds to a leaderboard row."""

import pandas as pd
import pytest

from evar.cli import main
from tests.tones import CLASSES, write_tones


@pytest.fixture
def folder(tmp_path):
    """Tones in a folder a class: ten clips each."""
    write_tones(tmp_path / "source", clips=10)
    for label in CLASSES:
        (tmp_path / "sounds" / label).mkdir(parents=True)
        for path in (tmp_path / "source" / "data" / "tones").glob(f"train-{label}-*.wav"):
            path.rename(tmp_path / "sounds" / label / path.name)
    return tmp_path / "sounds"


def test_the_commands_that_it_prints_run_right_away(folder, capsys):
    assert main(["new-task", "sounds"]) == 0
    out = capsys.readouterr().out
    assert "30 clips of 3 classes in 30 groups: train 24, valid 3, test 3; 0.4 s clips" in out
    commands = [line.split("evar ")[1].split() for line in out.splitlines() if " evar " in line]
    assert commands == [["check", "--task", "sounds/sounds.yaml"], ["eval", "--task", "sounds/sounds.yaml"]]
    assert main(commands[0]) == 0
    assert "can be scored" in capsys.readouterr().out
    assert main([*commands[1], "--encoder", "logmel"]) == 0
    (row,) = pd.read_csv("results/leaderboard.csv").itertuples()
    assert (row.task, row.n, row.coverage, row.ranked) == ("sounds", 3, 1, "yes")


def test_folds_and_groups_run_as_well(folder, capsys):
    arguments = "new-task sounds --name five --folds 5 --group-by (\\d+)\\.wav --seconds 0.3"
    assert main(arguments.split()) == 0
    assert "in 10 groups: 1 6, 2 6, 3 6, 4 6, 5 6; 0.3 s clips" in capsys.readouterr().out
    assert main(["--task", "sounds/five.yaml", "--encoder", "logmel"]) == 0
    assert "n=30" in capsys.readouterr().out


def test_clips_that_cannot_be_read_are_named_and_a_second_call_is_refused(folder, capsys):
    for number, path in enumerate(sorted((folder / "low").iterdir())[:4]):
        path.write_bytes(b"" if number else path.read_bytes()[:-3000])
    assert main(["new-task", "sounds"]) == 0
    said = "4 clips cannot be read, listed all the same: low/train-low-000.wav (its header promises 0.200 s, "
    out = capsys.readouterr().out
    assert said in out
    assert "low/train-low-001.wav (empty: zero bytes), low/train-low-002.wav (empty: zero bytes) and 1 more" in out
    assert main(["new-task", "sounds"]) == 2
    assert "would be overwritten: delete them first, or give another --name" in capsys.readouterr().err


def test_a_class_that_cannot_be_everywhere_is_said(folder, capsys):
    for path in sorted((folder / "low").iterdir())[2:]:
        path.unlink()
    assert main(["new-task", "sounds"]) == 0
    assert "too few groups to be in every part: low" in capsys.readouterr().out
