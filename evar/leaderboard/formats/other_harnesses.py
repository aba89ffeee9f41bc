"""What the shapes of other harnesses share: names of folders and tasks, and where a score comes from.

Tasks keep names of our own, `evar/us8k`: the protocols (splits, selection, cropping) are not theirs, and a score under
their task's name would claim that they are. Names that would be the same end in a hash of what they name.
"""

import dataclasses
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from evar.base.errors import UsageError
from evar.leaderboard.ranking import subject_of
from evar.leaderboard.read import Leaderboard
from evar.result import Result


def ranked_rows(leaderboard: Leaderboard) -> list[Result]:
    """Ranked rows alone: rows apart would claim too much. Raises UsageError where there is none."""
    if not (rows := leaderboard.unjudged.ranked):
        raise UsageError(f"no ranked row of {leaderboard.results} to export")
    return rows


def task_name(row: Result) -> str:
    """The task's name for others."""
    return f"evar/{row.task}"


def provenance(row: Result) -> dict[str, Any]:
    """Where a row's score comes from."""
    names = (
        "run", "encoder", "encoder_options", "weights", "output", "probe", "probe_options", "protocol", "metric", "low",
        "high", "n", "coverage", "evar",
    )  # fmt: skip
    return {f"evar_{name}": getattr(row, name) for name in names}


def placed(leaderboard: Leaderboard) -> list[tuple[Result, str, str]]:
    """Each ranked row with the folder of its encoder and the name of its task."""
    rows = ranked_rows(leaderboard)
    folders = _distinct({_identity(row): _folder(row) for row in rows})
    tasks = _distinct({row.task: slug(task_name(row)) for row in rows})
    return [(row, folders[_identity(row)], tasks[row.task]) for row in rows]


def by_encoder(leaderboard: Leaderboard) -> dict[str, list[Result]]:
    """Folder -> the ranked rows of an encoder with its weights and options, whatever the probe."""
    rows: dict[str, list[Result]] = {}
    for row in ranked_rows(leaderboard):
        rows.setdefault(json.dumps(dataclasses.astuple(subject_of(row))), []).append(row)
    names = {what: slug(f"{own[0].encoder}-{own[0].weights_digest[:8]}".rstrip("-")) for what, own in rows.items()}
    return {folder: rows[what] for what, folder in _distinct(names).items()}


def _distinct(names: Mapping[str, str]) -> dict[str, str]:
    """What is named -> its name, with a hash of what is named where several would share it, on any file system."""
    shared = Counter(name.lower() for name in names.values())
    return {
        what: name if shared[name.lower()] == 1 else f"{name}-{hashlib.sha256(what.encode()).hexdigest()[:8]}"
        for what, name in names.items()
    }


def _identity(row: Result) -> str:
    """All that distinguishes the rows of one folder from those of another."""
    names = ("encoder", "encoder_options", "weights", "weights_digest", "output", "probe", "probe_options")
    return json.dumps({name: getattr(row, name) for name in names}, sort_keys=True)


def _folder(row: Result) -> str:
    output = "" if row.output == "last" else f"-{row.output}"
    return slug(f"{row.encoder}{output}-{row.probe}-{row.weights_digest[:8]}")


def slug(name: str) -> str:
    """A file name: letters, digits and `.-+_` stay, a slash becomes two underscores as in MTEB."""
    return re.sub(r"[^\w.+-]+", "_", name.replace("/", "__"), flags=re.ASCII).strip("_.") or "unnamed"
