"""MTEB's JSON, MODEL/REVISION/TASK.json, a `TaskResult`; the revision is the weights' digest. Scores are shares.

Source: mteb 2.26, results/task_result.py.
"""

import json
from pathlib import PurePosixPath

from evar.leaderboard.formats import Format
from evar.leaderboard.formats.other_harnesses import placed, provenance, task_name
from evar.leaderboard.read import Leaderboard
from evar.result import Result

NO_REVISION = "no_revision_available"  # MTEB's word


def write(leaderboard: Leaderboard, width: int) -> dict[PurePosixPath, str]:
    """A file a task, in a folder an encoder (with its options, weights and output) and probe."""
    return {
        PurePosixPath(folder, row.weights_digest[:40] or NO_REVISION, f"{task}.json"): _mteb(row)
        for row, folder, task in placed(leaderboard)
    }


def _mteb(row: Result) -> str:
    scores = {"main_score": row.score, row.metric: row.score, "low": row.low, "high": row.high}
    content = {
        "dataset_revision": row.table_digest[:40] or NO_REVISION,
        "task_name": task_name(row),
        "mteb_version": None,
        "scores": {"test": [{**scores, **provenance(row), "hf_subset": "default", "languages": ["zxx-Zxxx"]}]},
        "evaluation_time": row.embed_seconds + row.probe_seconds,
        "kg_co2_emissions": None,
        "date": row.time,
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def open_format() -> Format:
    """The format."""
    return Format(write, lambda content: b'"evar_run"' in content, place=None, folder=True)
