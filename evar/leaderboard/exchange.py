"""Results in the shapes of other harnesses: the HEAR kit's JSON and MTEB's.

Tasks keep names of our own, `evar/us8k`: the protocols (splits, selection, cropping) are not theirs, and a score under
their task's name would claim that they are. Scores are shares. Both shapes are a file a task in a folder an encoder
(with its options, weights and output) and probe. Names that would be the same end in a hash of what they name.

- HEAR: MODULE/TASK/test.predicted-scores.json: {fold: {"test_score": .., "test_NAME": ..}}, with `aggregated_scores`
  (mean and standard deviation over folds) where there are several. Source: heareval 2021.1.3, task_predictions.py.
- MTEB: MODEL/REVISION/TASK.json, a `TaskResult`; the revision is the weights' digest. Source: mteb 2.26,
  results/task_result.py.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from evar.result import Result

HEAR_NAMES = {"accuracy": "top1_acc", "mAP": "mAP"}  # what the kit calls our metrics
NO_REVISION = "no_revision_available"  # MTEB's word


def task_name(row: Result) -> str:
    """The task's name for others."""
    return f"evar/{row.task}"


def to_hear(rows: Iterable[Result]) -> dict[PurePosixPath, str]:
    """Path below the output folder -> JSON, for each row."""
    return {
        PurePosixPath(folder, task, "test.predicted-scores.json"): _hear(row) for row, folder, task in _placed(rows)
    }


def to_mteb(rows: Iterable[Result]) -> dict[PurePosixPath, str]:
    """Path below the output folder -> JSON, for each row."""
    return {
        PurePosixPath(folder, row.weights_digest[:40] or NO_REVISION, f"{task}.json"): _mteb(row)
        for row, folder, task in _placed(rows)
    }


def _hear(row: Result) -> str:
    metric = f"test_{HEAR_NAMES.get(row.metric, row.metric)}"
    told: dict[str, Any] = {name: {"test_score": score, metric: score} for name, score in row.parts.items()}
    if len(row.parts) > 1:
        scores = list(row.parts.values())
        mean, spread = float(np.mean(scores)), float(np.std(scores, ddof=1))
        told["aggregated_scores"] = {
            f"{name}_{what}": value
            for name in ("test_score", metric)
            for what, value in (("mean", mean), ("std", spread))
        }
    told |= {"score_mode": "max", "hparams": row.probe_options, "task": task_name(row), "provenance": _provenance(row)}
    return json.dumps(told, indent=4, ensure_ascii=False)


def _mteb(row: Result) -> str:
    scores = {"main_score": row.score, row.metric: row.score, "low": row.low, "high": row.high}
    told = {
        "dataset_revision": row.table_digest[:40] or NO_REVISION,
        "task_name": task_name(row),
        "mteb_version": None,
        "scores": {"test": [{**scores, **_provenance(row), "hf_subset": "default", "languages": ["zxx-Zxxx"]}]},
        "evaluation_time": row.embed_seconds + row.probe_seconds,
        "kg_co2_emissions": None,
        "date": row.time,
    }
    return json.dumps(told, indent=2, ensure_ascii=False)


def _provenance(row: Result) -> dict[str, Any]:
    names = (
        "run",
        "encoder",
        "encoder_options",
        "weights",
        "output",
        "probe",
        "probe_options",
        "protocol",
        "metric",
        "low",
        "high",
        "n",
        "coverage",
        "evar",
    )
    return {f"evar_{name}": getattr(row, name) for name in names}


def _placed(rows: Iterable[Result]) -> list[tuple[Result, str, str]]:
    """Each row with the folder of its encoder and the name of its task."""
    rows = list(rows)
    folders = _distinct({_identity(row): _folder(row) for row in rows})
    tasks = _distinct({row.task: _slug(task_name(row)) for row in rows})
    return [(row, folders[_identity(row)], tasks[row.task]) for row in rows]


def _distinct(names: Mapping[str, str]) -> dict[str, str]:
    """What is named -> its name, with a hash of what is named where several would share it, on any file system."""
    shared = Counter(name.lower() for name in names.values())
    return {
        what: name if shared[name.lower()] == 1 else f"{name}-{hashlib.sha256(what.encode()).hexdigest()[:8]}"
        for what, name in names.items()
    }


def _identity(row: Result) -> str:
    """All that tells the rows of one folder from those of another."""
    names = ("encoder", "encoder_options", "weights", "weights_digest", "output", "probe", "probe_options")
    return json.dumps({name: getattr(row, name) for name in names}, sort_keys=True)


def _folder(row: Result) -> str:
    output = "" if row.output == "last" else f"-{row.output}"
    return _slug(f"{row.encoder}{output}-{row.probe}-{row.weights_digest[:8]}")


def _slug(name: str) -> str:
    """A file name: letters, digits and `.-+_` stay, a slash becomes two underscores as in MTEB."""
    return re.sub(r"[^\w.+-]+", "_", name.replace("/", "__"), flags=re.ASCII).strip("_.") or "unnamed"
