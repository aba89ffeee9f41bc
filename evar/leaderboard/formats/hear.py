"""The HEAR kit's JSON, MODULE/TASK/test.predicted-scores.json: {fold: {"test_score": .., "test_NAME": ..}}.

`aggregated_scores` (mean and standard deviation over folds) stand beside them where there are several. Scores are
shares. Source: heareval 2021.1.3, task_predictions.py.
"""

import json
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from evar.leaderboard.formats import Format
from evar.leaderboard.formats.other_harnesses import placed, provenance, task_name
from evar.leaderboard.read import Leaderboard
from evar.result import Result

HEAR_NAMES = {"accuracy": "top1_acc", "mAP": "mAP"}  # what the kit calls our metrics


def write(leaderboard: Leaderboard, width: int) -> dict[PurePosixPath, str]:
    """A file a task, in a folder an encoder (with its options, weights and output) and probe."""
    return {
        PurePosixPath(folder, task, "test.predicted-scores.json"): _hear(row)
        for row, folder, task in placed(leaderboard)
    }


def _hear(row: Result) -> str:
    metric = f"test_{HEAR_NAMES.get(row.metric, row.metric)}"
    content: dict[str, Any] = {name: {"test_score": score, metric: score} for name, score in row.parts.items()}
    if len(row.parts) > 1:
        scores = list(row.parts.values())
        mean, spread = float(np.mean(scores)), float(np.std(scores, ddof=1))
        content["aggregated_scores"] = {
            f"{name}_{what}": value
            for name in ("test_score", metric)
            for what, value in (("mean", mean), ("std", spread))
        }
    content |= {
        "score_mode": "max",
        "hparams": row.probe_options,
        "task": task_name(row),
        "provenance": provenance(row),
    }
    return json.dumps(content, indent=4, ensure_ascii=False)


def open_format() -> Format:
    """The format."""
    return Format(write, lambda content: b'"evar_run"' in content, place=None, folder=True)
