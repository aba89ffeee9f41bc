"""EVAR: linear evaluation of frozen audio encoders.

One command embeds a dataset with a frozen encoder, fits a probe on the embeddings and adds one row to a leaderboard;
`evar.evaluate(task, module)` does it for a network in memory. `docs/architecture.md` shows how the pieces fit together.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evar.base.progress import show_progress as show_progress
    from evar.from_python import evaluate as evaluate

__version__ = "0.1.0"


_PUBLIC = {"evaluate": "evar.from_python", "show_progress": "evar.base.progress"}


def __getattr__(name: str) -> Any:
    """The public names, each imported when it is first asked for: `import evar` alone stays light."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'evar' has no attribute {name!r}")
