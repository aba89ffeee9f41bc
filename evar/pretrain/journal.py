"""The rows of a pre-training's log; see `training/journal.py`."""

from dataclasses import dataclass
from pathlib import Path

from evar.training.journal import Journal, StepRow


@dataclass(frozen=True)
class PretrainingRow(StepRow):
    """One step; ema_decay: of the target network."""

    ema_decay: float


def journal_in(folder: Path) -> Journal[PretrainingRow]:
    """The log of the run in a folder."""
    return Journal(folder, PretrainingRow)
