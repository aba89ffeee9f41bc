"""EVAR: linear evaluation of frozen audio encoders.

One command embeds a dataset with a frozen encoder, fits a probe on the embeddings and adds one row to a leaderboard;
`evar.evaluate(task, module)` does it for a network in memory. `docs/architecture.md` shows how the pieces fit together.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evar.from_python import evaluate as evaluate

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`evaluate`, imported when it is first asked for: `import evar` alone stays light."""
    if name == "evaluate":
        from evar.from_python import evaluate

        return evaluate
    raise AttributeError(f"module 'evar' has no attribute {name!r}")
