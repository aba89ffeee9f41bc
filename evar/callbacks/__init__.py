"""Scores while weights are trained: the core for any loop, and its adapters for Lightning and transformers' Trainer.

`TrainingScorer` (`scorer.py`) is all that a plain loop needs. An adapter is imported, and its package with it, when it
is asked for: `from evar.callbacks import LightningScores` or `TrainerScores`.
"""

import importlib
from typing import Any

from evar.callbacks.scorer import TrainingScorer as TrainingScorer

_ADAPTERS = {"LightningScores": "evar.callbacks.lightning", "TrainerScores": "evar.callbacks.trainer"}


def __getattr__(name: str) -> Any:
    """The adapters."""
    if name in _ADAPTERS:
        return getattr(importlib.import_module(_ADAPTERS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
