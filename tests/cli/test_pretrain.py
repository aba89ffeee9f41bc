"""`evar pretrain` as it is typed: folders and tasks, rows while it trains, a kill, two processes."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evar.cli import main
from evar.pretrain.journal import journal_in
from tests import forked
from tests.pretrain import runs
from tests.tones import write_tones

ROOT = Path(__file__).parents[2]
NAME = "m2d_vit_tiny-80x64p16x16"
OPTIONS = {"preset": "tiny", **runs.SETTINGS, "precision": "float32", "device": "cpu", "workers": 1}


def how(*given):
    """Options of a quick run, but for those that are given."""
    named = {f"--{name.replace('_', '-')}": str(value) for name, value in OPTIONS.items()}
    return [*(word for name, value in named.items() if name not in given for word in (name, value)), *given]


HOW = how()


@pytest.fixture
def here(tmp_path):
    """The working folder, with audio."""
    runs.write_audio(tmp_path / "audio")
    return tmp_path


def log_of(folder):
    return [(row.step, row.loss, row.gradient_norm) for row in journal_in(folder).read()]


def test_folder_gives_checkpoint_encoder_log_and_curve(here, capsys):
    (here / "audio" / "deeper").mkdir()
    (here / "audio" / "deeper" / "broken.wav").write_bytes(b"no audio")
    (here / "audio" / "notes.txt").write_text("no audio either")
    assert main(["pretrain", "audio", *HOW, "--save-as", "float16"]) == 0
    said = capsys.readouterr().err
    assert "1 of 17 files quarantined: deeper/broken.wav" in said
    assert "16 files, 0.00 hours at 16000 Hz" in said
    assert "loss 1." in said
    run = here / "runs" / NAME
    assert {path.name for path in run.iterdir()} == {
        f"{NAME}.pth",
        f"{NAME}.safetensors",
        "log.csv",
        "loss.svg",
        "run.lock",
    }
    assert len(log_of(run)) == 10
    assert main(["pretrain", "audio", *how("--frames", "96", "--out", str(run))]) == 2
    assert f"holds another run, {NAME}.pth, {NAME}.safetensors: give another --out" in capsys.readouterr().err


def test_encoder_is_scored_while_it_trains_in_rows_with_their_step(here):
    task = str(write_tones(here, clips=3))
    line = ["pretrain", "--task", task, "--eval-task", task, "--eval-every", "1", "--data", "data", "--out", "run"]
    assert main([*line, *HOW]) == 0
    lines = (here / "results" / "leaderboard.csv").read_text().splitlines()
    rows = list(csv.DictReader(lines))
    steps = [int(row["step"]) for row in rows]
    total = len(log_of(here / "run"))
    assert steps == [total // 2, total]
    assert [row["ranked"] for row in rows] == ["no", "yes"]
    assert rows[0]["weights"] == f"{NAME}-step{total // 2:07}.safetensors"
    assert rows[0]["embeddings_key"] != rows[1]["embeddings_key"]


def test_tasks_training_clips_are_all_that_is_read(here, capsys):
    task = str(write_tones(here, clips=3))
    assert main(["pretrain", "--task", task, "--data", "data", "--out", "run", *how("--epochs", "1")]) == 0
    assert "9 files, " in capsys.readouterr().err


def test_fold_task_says_that_test_clips_are_trained_on(here, capsys):
    task = str(write_tones(here, clips=2, folds=3))
    assert main(["pretrain", "audio", "--task", task, "--data", "data", "--out", "run", *how("--epochs", "1")]) == 0
    said = capsys.readouterr().err
    assert "so test clips are trained on too" in said
    assert "34 files, " in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say what to train on: evar pretrain FOLDER, or --task NAME"),
        (["nowhere"], "no folder nowhere"),
        (["empty"], "empty holds no audio files"),
        (["broken"], "no usable audio: 1 file, all quarantined or empty"),
        (["audio", "--mask-ratio", "2"], "--mask-ratio: must be a number below 1, not '2'"),
        (
            ["audio", "--mask-ration", "0.6"],
            "unknown option of evar pretrain '--mask-ration': did you mean --mask-ratio",
        ),
        (["audio", "--preset", "huge"], "unknown preset 'huge'"),
        (["audio", "--checkpoint-minutes", "0"], "must be a positive number of minutes, not '0'"),
        (["audio", "--precision", "float16"], "cannot be trained in without loss scaling"),
        (["audio", "--eval-task", "us9k"], "unknown task 'us9k'"),
        (["audio", "--eval-task", "us8k"], "not found"),
        (["audio", "--from", "nowhere.pth"], "nowhere.pth"),
        (["audio", "--from", "tinny"], "did you mean tiny"),
        (["audio", "--from", "tiny", "--size", "base"], "--size is tiny by --from m2d_vit_tiny-80x208p16x16-261129"),
        (["audio", "--batch-size", "4096"], "fewer than the 4,096 of a step"),
    ],
)
def test_mistake_gives_one_line_and_exit_code_2(here, capsys, arguments, said):
    (here / "empty").mkdir()
    (here / "broken").mkdir()
    (here / "broken" / "broken.wav").write_bytes(b"no audio")
    assert main(["pretrain", *how(*arguments)]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("evar: error: ")]
    assert len(lines) == 1
    assert said in lines[0]


def started(said, *more):
    """A pre-training in a process of its own."""
    return forked.start(Path.cwd(), ["pretrain", "audio", *how(*more)], said)


def test_killed_run_goes_on_from_its_last_checkpoint(here):
    """SIGKILL at a moment of its own choosing, right after some checkpoint appeared."""
    assert main(["pretrain", "audio", *HOW, "--out", "whole"]) == 0
    often = ["--checkpoint-minutes", "1e-9"]
    killed = started("said", "--out", "killed", *often)
    file = here / "killed" / f"{NAME}.pth"
    while not file.exists():
        assert killed.is_alive()
        time.sleep(0.01)
    killed.kill()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert main(["pretrain", "audio", *HOW, "--out", "killed", *often, "--resume"]) == 0  # the lock died with it
    assert log_of(here / "killed") == log_of(here / "whole")
    runs.assert_equal(file, here / "whole" / f"{NAME}.pth")


TAKEN = "evar: error: another evar pretrain is writing into link: wait until it ends, or give another --out"


@pytest.fixture
def endless(here):
    """A pre-training into `run` that is killed at the end of the test."""
    process = started("said", "--out", "run", "--epochs", "100000")
    try:
        while not (here / "run" / "log.csv").exists():
            assert process.is_alive()
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.join()


def test_second_run_into_one_folder_ends_at_once_and_the_first_goes_on(here, endless, call):
    (here / "link").symlink_to("run")
    os.kill(endless.pid, signal.SIGSTOP)  # it holds the folder all the same, and leaves the cores to the others
    second = ["pretrain", "audio", *how("--out", "link", "--seed", "1")]
    for more in ([], ["--resume"]):
        assert call(*second, *more) == (2, "", f"{TAKEN}\n")
    first, other = forked.team(here, second, "two")
    first.join(60)
    other.kill()  # as torchrun does where one fails
    other.join()
    assert first.exitcode == 2
    assert (here / "two").read_text().splitlines() == [TAKEN]
    before = len(log_of(here / "run"))
    os.kill(endless.pid, signal.SIGCONT)
    while len(log_of(here / "run")) == before:
        assert endless.is_alive()
        time.sleep(0.01)
    endless.kill()
    endless.join()
    assert not (here / "run" / f"{NAME}.pth").exists()
    steps = [step for step, _, _ in log_of(here / "run")]
    assert steps == list(range(len(steps)))


def test_two_processes_have_the_loss_curve_of_one(here):
    """Over gloo, in float32: crops and masks belong to samples, so halves of a batch add up to the batch."""
    assert main(["pretrain", "audio", *HOW, "--out", "one"]) == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, str(ROOT / "run_eval.py"), "pretrain", "audio", *how("--out", "two")]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    one, two = log_of(here / "one"), log_of(here / "two")
    assert len(one) == len(two) == 10
    for (_, loss, norm), (_, expected, expected_norm) in zip(two, one, strict=True):
        assert loss == pytest.approx(expected, rel=1e-5)
        assert norm == pytest.approx(expected_norm, rel=1e-4)
    assert done.stderr.count("trained: ") == 1
