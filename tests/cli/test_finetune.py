"""`evar finetune` as it is typed, and `evar.finetune`: rows, files, protocols, mistakes, two processes."""

import csv
import json
from pathlib import Path

import pytest

import evar
from evar.cli import main
from evar.leaderboard.runs import read_rows
from evar.nn.configuration import SIZES
from evar.tuning.recipe import Recipes, table
from tests import forked
from tests.tones import write_tones

ENCODER = "random(model='m2d_vit_tiny-80x64p16x16')"
OPTIONS = ["--epochs", "2", "--batch-size", "8", "--seeds", "2", "--device", "cpu", "--precision", "float32"]


@pytest.fixture
def small(monkeypatch):
    """A ViT-Tiny is one of two narrow blocks."""
    monkeypatch.setitem(SIZES, "tiny", (64, 2))


def line(task, *more, encoder=ENCODER):
    return ["finetune", "--task", str(task), "--encoder", encoder, "--data", "data", *OPTIONS, *more]


def rows(folder=Path("results")):
    return list(csv.DictReader((folder / "leaderboard.csv").read_text().splitlines()))


def test_row_and_checkpoints_that_eval_and_finetune_take(small, tmp_path, call):
    task = write_tones(tmp_path, clips=4)
    code, said, errors = call(*line(task, "--out", "run"))
    assert code == 0, errors
    assert said.startswith("tones  m2d_vit_tiny-80x64p16x16 (random weights)  finetune  accuracy ")
    assert "row added to results/leaderboard.csv" in errors
    assert "12 clips, 1 steps an epoch, 2 in all; 12 clips choose the epoch" in errors
    (row,) = rows()
    assert (row["ranked"], row["probe"], row["n"], row["protocol"]) == ("yes", "finetune", "12", "train/valid/test")
    assert json.loads(row["probe_options"]) == {"batch_size": 8, "epochs": 2, "seeds": 2, "warmup_epochs": 0.2}
    (kept,) = read_rows(Path("results"))
    assert len(kept.seeds) == 2
    assert set(kept.setting) == {"test seed 43", "test seed 44"}
    assert set(kept.setting.values()) <= {1.0, 2.0}
    assert {path.name for path in Path("run").iterdir()} == {"run.lock", "tones-test-seed43", "tones-test-seed44"}
    run = Path("run/tones-test-seed43")
    stem = "m2d_vit_tiny-80x64p16x16-random-weights-tones-test-seed43"
    assert {path.name for path in run.iterdir()} == {f"{stem}.pth", f"{stem}.safetensors", "log.csv", "loss.svg"}
    for verb in ([], ["finetune", "--out", "again", "--epochs", "1", "--seeds", "1", "--batch-size", "8"]):
        words = [*verb, "--task", str(task), "--data", "data", "--device", "cpu"]
        assert main([*words, "--weights", str(run / f"{stem}.safetensors")]) == 0
    assert [row["probe"] for row in rows()] == ["finetune", "logistic", "finetune"]
    code, said, _ = call("leaderboard", "--published", "none")
    assert "fine-tuned: encoder and head trained on the task" in said
    assert "probe logistic, output last" in said
    code, _, errors = call(*line(task, "--out", "run", "--resume"))
    assert (code, len(rows())) == (0, 4)
    assert rows()[3]["score"] == rows()[0]["score"]


def test_folds_are_tuned_one_by_one_and_a_tenth_by_group_chooses_the_epoch(small, tmp_path, notes):
    task = write_tones(tmp_path, clips=8, folds=3)
    (result,) = evar.finetune(
        str(task), ENCODER, options={"epochs": 1, "seeds": 1, "batch_size": 16}, data=tmp_path / "data", device="cpu"
    )
    assert (result.n, result.ranked, len(result.parts)) == (72, True, 3)
    assert [note for note in notes if "44 clips, 2 steps an epoch, 2 in all; 4 clips choose the epoch" in note]
    assert Path("runs/finetune-tones-m2d_vit_tiny-80x64p16x16-random-weights/tones-0-seed43").is_dir()
    assert not Path("results").exists()


def test_best_epoch_on_test_is_a_protocol_of_its_own_that_is_never_ranked(small, tmp_path, call, monkeypatch):
    task = write_tones(tmp_path, clips=4)
    code, _, errors = call(*line(task, "--protocol", "paper"))
    assert code == 2
    assert "--protocol paper repeats as2m, as20k, esc50, whose authors took the best epoch on test: leave it" in errors
    theirs = Recipes(recipes=table().recipes, best_on_test=["tones"])
    monkeypatch.setattr("evar.finetuning.table", lambda: theirs)
    code, said, errors = call(*line(task, "--protocol", "paper"))
    assert code == 0, errors
    assert "not ranked: epoch chosen on test clips, as its authors did" in said
    (row,) = rows()
    assert (row["ranked"], row["protocol"]) == ("no", "train/valid/test, best epoch on test")
    (kept,) = read_rows(Path("results"))
    assert kept.score == pytest.approx(sum(kept.seeds) / 2)
    assert call("leaderboard", "--published", "none")[1].startswith("Not ranked")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--task", "spcv3"], "unknown task 'spcv3'"),
        (["--task", "tones.yaml", "--weights", "nowhere.pth"], "nowhere.pth"),
        (["--task", "tones.yaml", "--encoder", "logmel"], "fine-tuning is of m2d, with its weights, or of random"),
        (["--task", "tones.yaml", "--encoder", "m2d(layers=3)"], "without layers, flat and frames"),
        (["--task", "tones.yaml", "--recipe", "spcv3"], "unknown recipe 'spcv3': did you mean spcv2"),
        (["--task", "tones.yaml", "--protocol", "papers"], "unknown protocol 'papers': did you mean paper"),
        (["--task", "tones.yaml", "--mixup", "-1"], "--mixup: must be a number of at least 0, not '-1'"),
        (["--task", "tones.yaml", "--patch-out", "1"], "'--patch-out': did you mean --patchout"),
        (["--task", "tones.yaml", "--precision", "float16"], "cannot be trained in without loss scaling"),
        (["--task", "tones.yaml", "--out", "results"], "results holds results: a run needs a folder of its own"),
        ([], "the following arguments are required: --task"),
    ],
)
def test_mistake_gives_one_line_and_exit_code_2(tmp_path, call, words, said):
    write_tones(tmp_path, clips=2)
    (tmp_path / "results" / "runs").mkdir(parents=True)
    (tmp_path / "results" / "leaderboard.csv").write_text("")
    code, _, errors = call("finetune", "--data", "data", "--device", "cpu", *words)
    assert code == 2
    assert said in errors
    assert errors.count("evar: error: ") == 1
    assert "Traceback" not in errors


def test_two_processes_have_the_loss_curve_of_one(tmp_path):
    """Over gloo, in float32: both see the whole batch's features, and halves of its gradient add up."""
    task = write_tones(tmp_path, clips=4)
    words = [word if word != "2" else "1" for word in line(task)]
    assert main([*words, "--out", "one"]) == 0
    processes = forked.team(tmp_path, [*words, "--out", "two"], "said")
    for process in processes:
        process.join(120)
    said = Path("said").read_text()
    assert [process.exitcode for process in processes] == [0, 0], said
    logs = [(Path(name) / "tones-test-seed43" / "log.csv").read_text().splitlines()[1:] for name in ("one", "two")]
    for ours, theirs in zip(*([list(map(float, row.split(","))) for row in log] for log in logs), strict=True):
        assert ours[2] == pytest.approx(theirs[2], rel=1e-5)
        assert ours[4] == pytest.approx(theirs[4], rel=1e-3)
    assert said.count("finetune  accuracy") == 1
    assert len(rows()) == 2
