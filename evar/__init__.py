"""EVAR: linear evaluation of frozen audio encoders.

One command embeds a dataset with a frozen encoder, fits a probe on the embeddings and adds one row to a leaderboard;
`evar.evaluate(task, module)` does it for a network in memory. `docs/architecture.md` shows how the pieces fit together.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evar.base.progress import show_progress as show_progress
    from evar.config import Config as Config
    from evar.data.task import load_task as load_task
    from evar.encoders import open_encoder as open_encoder
    from evar.pipeline import evaluate as evaluate
    from evar.probes import open_probe as open_probe

__version__ = "0.1.0"


_PUBLIC = {
    "Config": "evar.config",
    "evaluate": "evar.pipeline",
    "load_task": "evar.data.task",
    "open_encoder": "evar.encoders",
    "open_probe": "evar.probes",
    "show_progress": "evar.base.progress",
}
"""Name -> the module that defines it."""


def __getattr__(name: str) -> Any:
    """The public names, each imported when it is first asked for: `import evar` alone stays light."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'evar' has no attribute {name!r}")
