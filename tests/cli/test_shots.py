"""`--shots`: a row a number, their curve, and what cannot be."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from evar.cli import main
from tests.tones import write_tones


@pytest.fixture
def here(tmp_path):
    write_tones(tmp_path, clips=5)
    return tmp_path


def evaluate(*arguments, task="tones.yaml"):
    return main(["--task", task, "--encoder", "logmel", *arguments])


def rows():
    return pd.read_csv("results/leaderboard.csv")


def test_shots_give_a_row_each_that_is_never_ranked_and_one_curve(here, capsys):
    assert evaluate("--shots", "4,1", "--draws", "2") == 0
    out, err = capsys.readouterr()
    assert "(1-shot, 2 draws, not ranked" in out
    assert rows()["shots"].tolist() == [1, 4]
    assert rows()["draws"].tolist() == [2, 2]
    assert rows()["ranked"].tolist() == ["no", "no"]
    assert rows()["embeddings_key"].nunique() == 1
    assert list(json.loads(rows().loc[1, "setting"])) == ["test draw 1", "test draw 2"]
    (picture,) = Path("results/plots").glob("*-shots.svg")
    assert str(picture) in err
    assert "training clips a class" in picture.read_text()


def test_draws_are_averaged_per_clip_and_each_one_is_kept(here):
    assert evaluate("--shots", "2", "--draws", "3", "--probe", "m2d_paper(lr=0.01, epochs=3)") == 0
    row = rows().iloc[0]
    draws, seeds = json.loads(row["draw_scores"]), json.loads(row["seeds"])
    assert (len(draws), len(seeds)) == (3, 3)
    with np.load(f"results/runs/{row['run']}.npz") as kept:
        correct = kept["logits"].argmax(axis=2) == kept["targets"]
    table = correct.mean(axis=1).reshape(3, 3)  # draw, seed
    assert draws == pytest.approx(table.mean(axis=1).tolist(), abs=1e-5)
    assert seeds == pytest.approx(table.mean(axis=0).tolist(), abs=1e-5)
    assert row["score"] == pytest.approx(correct.mean(), abs=1e-5)
    assert row["low"] <= row["score"] <= row["high"]


def test_folds_have_few_shots_of_their_own_in_every_round(here, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds")
    task = write_tones(folder, folds=3, clips=3)
    assert evaluate("--shots", "2", "--draws", "2", "--data", str(folder / "data"), task=str(task)) == 0
    assert list(json.loads(rows().loc[0, "parts"])) == ["0", "1", "2"]
    assert len(json.loads(rows().loc[0, "setting"])) == 6
    assert rows().loc[0, "n"] == 27


def test_class_with_fewer_clips_than_shots_is_reported_and_counted(here, capsys):
    table = Path("data/tones/clips.csv")
    lines = table.read_text().splitlines()
    table.write_text("\n".join(line for line in lines if not line.startswith(("train-low-003", "train-low-004"))))
    assert evaluate("--shots", "3,5", "--draws", "1") == 0
    out, err = capsys.readouterr()
    assert "tones: 1 class with fewer than 5 training clips: low" in err
    assert "(5-shot, 1 draw, 1 class with fewer clips, not ranked" in out
    assert rows()["short_classes"].tolist() == [0, 1]


def test_multi_label_task_has_no_shots_and_says_so(here, capsys):
    facts = yaml.safe_load(Path("tones.yaml").read_text())
    Path("many.yaml").write_text(yaml.safe_dump({**facts, "kind": "multi-label", "metric": "mAP"}))
    assert evaluate("--shots", "2", task="many.yaml") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "task many is multi-label: --shots draws clips of one class each" in line
    assert not Path("results/leaderboard.csv").exists()


def test_draws_without_shots_are_a_mistake(here, capsys):
    assert evaluate("--draws", "3") == 2
    assert "draws says how often the clips of shots are drawn: give shots too" in capsys.readouterr().err
