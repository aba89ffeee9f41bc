"""EVAR: linear evaluation of frozen encoders of audio and images.

One command embeds a dataset with a frozen encoder, fits a probe on the embeddings and adds one row to a leaderboard;
`evar.evaluate(task, module)` does it for a network in memory. `docs/architecture.md` shows how the pieces fit together.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evar.base.progress import show_progress as show_progress
    from evar.callbacks.scorer import TrainingScorer as TrainingScorer
    from evar.cluster.cells import EncoderCall as EncoderCall
    from evar.cluster.sweep import sweep as sweep
    from evar.config import Config as Config
    from evar.data.new_task import new_task as new_task
    from evar.data.task import load_task as load_task
    from evar.encoder_checks import check_encoder as check_encoder
    from evar.encoders import open_encoder as open_encoder
    from evar.finetuning import finetune as finetune
    from evar.leaderboard.comparison import compare as compare
    from evar.leaderboard.imported import import_results as import_results
    from evar.leaderboard.read import read_leaderboard as read_leaderboard
    from evar.leaderboard.runs import load_probe as load_probe
    from evar.leaderboard.runs import read_rows as read_rows
    from evar.pipeline import evaluate as evaluate
    from evar.preparation import check as check
    from evar.preparation import list_tasks as list_tasks
    from evar.preparation import prepare as prepare
    from evar.pretraining import Scoring as Scoring
    from evar.pretraining import pretrain_encoder as pretrain_encoder
    from evar.probes import open_probe as open_probe
    from evar.result import Result as Result

__version__ = "0.1.0"

os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # read as torch starts: what MPS lacks is done on the CPU

_PUBLIC = {
    "Config": "evar.config",
    "EncoderCall": "evar.cluster.cells",
    "Result": "evar.result",
    "Scoring": "evar.pretraining",
    "TrainingScorer": "evar.callbacks.scorer",
    "check": "evar.preparation",
    "check_encoder": "evar.encoder_checks",
    "compare": "evar.leaderboard.comparison",
    "evaluate": "evar.pipeline",
    "finetune": "evar.finetuning",
    "import_results": "evar.leaderboard.imported",
    "list_tasks": "evar.preparation",
    "load_probe": "evar.leaderboard.runs",
    "load_task": "evar.data.task",
    "new_task": "evar.data.new_task",
    "open_encoder": "evar.encoders",
    "open_probe": "evar.probes",
    "prepare": "evar.preparation",
    "pretrain_encoder": "evar.pretraining",
    "read_leaderboard": "evar.leaderboard.read",
    "read_rows": "evar.leaderboard.runs",
    "show_progress": "evar.base.progress",
    "sweep": "evar.cluster.sweep",
}
"""Name -> the module that defines it."""


def __getattr__(name: str) -> Any:
    """The public names, each imported when it is first asked for: `import evar` alone stays light."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'evar' has no attribute {name!r}")
