"""A results folder of made-up rows with predictions, as many as wanted, the same at each call."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from evar.leaderboard.runs import Kept, keep
from evar.probes.predictions import Predictions
from evar.result import Result
from evar.scoring.summary import mean_score
from evar.testing.made_rows import make_row

GRID = ("0.001", "0.01", "0.1", "1")


def make_predictions(score: float, classes: int, clips: int, seed: int, *, several: bool = False) -> Predictions:
    """Predictions of `score` as near as so many clips allow; several: of clips with several labels, of about that."""
    random = np.random.default_rng(seed)
    targets = random.integers(classes, size=clips)
    logits = random.normal(size=(1, clips, classes))
    shuffled = (2 * random.permutation(clips // 2)[:, None] + [0, 1]).ravel()  # a clip of each fold by turns
    right, wrong = np.split(shuffled, [round(score * clips)])
    logits[0, right, targets[right]] += 8
    logits[0, wrong, targets[wrong]] -= 8
    labels = random.random((clips, classes)) < 0.1
    labels[np.arange(clips), targets] = True
    return Predictions(
        logits=logits.astype(np.float32),
        targets=labels if several else targets,
        rows=np.arange(clips),
        groups=np.array([f"g{clip // 4}" for clip in range(clips)]),
        folds=np.array([str(1 + clip % 2) for clip in range(clips)]),
    )


def add(
    results: Path, row: Result, classes: Iterable[str] = ("dog", "cat", "siren"), clips: int = 40, **more: Any
) -> Result:
    """Keep a run with predictions of about its score; the score becomes theirs."""
    names = tuple(classes)
    seed = int.from_bytes(row.run.encode()[-4:], "big")
    predictions = make_predictions(row.score, len(names), clips, seed, **more)
    score = mean_score(predictions, row.metric)
    assert score is not None
    row = dataclasses.replace(row, score=score, low=min(row.low, score), high=max(row.high, score))
    curve = {setting: row.score - 0.05 * abs(k - 2) for k, setting in enumerate(GRID)}
    paths = [f"audio/fold{1 + clip % 2}/{clip:05d}.wav" for clip in range(clips)]
    curves = {"1": curve, "2": {k: v - 0.02 for k, v in curve.items()}}
    keep(results, row, Kept(predictions, paths, names, curves))
    return row


def make_scored(encoder: str, task: str, score: float, number: int, **changes: Any) -> Result:
    """A ranked row with a plausible value in each column that the page shows."""
    values: dict[str, Any] = {
        "run": f"2026110{1 + number % 9}T120000-{number:08x}", "time": f"2026-11-0{1 + number % 9}T12:00:00Z",
        "encoder": encoder, "task": task, "weights": f"{encoder}.pth",
        "weights_digest": f"{sum(map(ord, encoder)):064x}",
        "score": score, "low": score - 0.02, "high": score + 0.015, "n": 40, "groups": 10, "converged": True,
        "parts": {"1": score, "2": score}, "seeds": [score], "setting": {"1": 0.1, "2": 0.1},
        "embed_clips_per_second": 2000.0 * (1.2 - score) + number % 13, "device": "NVIDIA H200",
    }  # fmt: skip
    return make_row(**{**values, **changes})


EVIL = "<script>alert(1)</script>"
SPEECH = tuple(f"word {number}" for number in range(60))  # more than a matrix can show
TASKS = {"us8k": 0.8, "gtzan": 0.7, "as20k": 0.3, "spcv2": 0.9}


def make_results(results: Path) -> None:
    """A board with two probes, tasks of every kind, a layer sweep, a row apart, an evil name and lost predictions."""
    number = 0
    for encoder, lag in (("m2d", 0.0), ("logmel", 0.2), (EVIL, 0.1), ("beats", 0.05)):
        for task, score in TASKS.items():
            if (encoder, task) == ("beats", "gtzan"):
                continue
            number += 1
            metric = "mAP" if task == "as20k" else "accuracy"
            row = make_scored(encoder, task, score - lag, number, metric=metric)
            add(results, row, SPEECH if task == "spcv2" else ("dog", "cat", EVIL), several=task == "as20k")
    number += 1
    add(results, make_scored("m2d", "us8k", 0.75, number, probe="m2d_paper"))
    lost = add(results, make_scored("logmel", "us8k", 0.5, number + 1, probe="m2d_paper"))
    (results / "runs" / f"{lost.run}.npz").unlink()
    add(results, make_scored("m2d", "gtzan", 0.6, number + 2, limit=5, ranked=False))
    for layer in range(4):
        changes = {"output": f"layer{layer:02d}", "sweep": True, "ranked": False}
        add(results, make_scored("m2d", "us8k", 0.6 + 0.05 * layer, number + 3 + layer, **changes))
