"""Leaderboard rows for tests of what is shown of them."""

import typing
from typing import Any

from evar.data.task import official_digest
from evar.result import Result


def make_row(**changes: Any) -> Result:
    """A ranked row of a whole run by the logistic probe; the run's name tells task and encoder unless it is given."""
    samples: dict[Any, Any] = {str: "", float: 0.5, int: 3, bool: False, dict: {}, list: []}
    values: dict[str, Any] = {
        name: samples.get(typing.get_origin(kind) or kind) for name, kind in typing.get_type_hints(Result).items()
    }
    values |= {"time": "2026-11-01T00:00:00Z", "task": "us8k", "encoder": "m2d", "output": "last", "probe": "logistic"}
    values |= {"metric": "accuracy", "coverage": 1.0, "ranked": True, "protocol": "10-fold cross-validation"}
    values |= {"protocol_version": 1, "low": 0.4, "high": 0.6}
    values |= changes
    values["store_digest"] = values["store_digest"] or values["task"]
    values["task_digest"] = changes.get("task_digest", official_digest(values["task"]) or "")
    values["run"] = values["run"] or f"{values['task']}-{values['encoder']}-{values['time']}"
    return Result(**values)
