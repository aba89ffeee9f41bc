"""What lies behind a row: its classes, confusions, hardest clips, how its setting was chosen, and its provenance.

Predictions of several seeds count alike: a share is the mean over seeds. Predictions that are missing or broken are
said in the run's place on the page.
"""

from dataclasses import dataclass
from pathlib import Path

from evar.base.errors import DataError
from evar.leaderboard.page.classes import Classes, classes_of
from evar.leaderboard.page.clips import HardClip, hardest_clips
from evar.leaderboard.page.confusion import Confusion, confusion_of
from evar.leaderboard.page.selection import Selection, selection_of
from evar.leaderboard.runs import Kept, read_predictions
from evar.leaderboard.text_tables import per_cent
from evar.result import Result


@dataclass(frozen=True)
class Behind:
    """What the predictions show. confusion: None for clips with several labels."""

    classes: Classes
    confusion: Confusion | None
    hardest: tuple[HardClip, ...]
    selection: Selection | None


@dataclass(frozen=True)
class ShownRun:
    """A row with what lies behind it; behind: None where its predictions cannot be read, which `missing` explains."""

    name: str
    row: Result
    why_apart: str
    behind: Behind | None
    missing: str

    @property
    def score(self) -> str:
        """The score with its interval, per cent."""
        return f"{per_cent(self.row.score)} % [{per_cent(self.row.low)}, {per_cent(self.row.high)}]"

    @property
    def provenance(self) -> dict[str, str]:
        """Every column of the leaderboard."""
        return self.row.row()

    @property
    def remarks(self) -> str:
        """What a reader of the score should know."""
        row = self.row
        said = [
            (f"not ranked: {self.why_apart}", bool(self.why_apart)),
            ("random weights", row.random_weights),
            ("setting at the grid's edge", row.at_edge),
            ("not converged", not row.converged),
            (f"{row.groups} groups, too few to claim a difference", row.few_groups),
            (f"{row.classes_left_out} classes without a positive clip left out", row.classes_left_out > 0),
        ]
        return ", ".join(remark for remark, holds in said if holds)


def open_run(results: Path, row: Result, name: str, why_apart: str) -> ShownRun:
    """The run of a row; reads its predictions."""
    try:
        return ShownRun(name, row, why_apart, _behind(read_predictions(results, row.run), row), "")
    except DataError as error:
        return ShownRun(name, row, why_apart, None, str(error))


def _behind(kept: Kept, row: Result) -> Behind:
    confusion = confusion_of(kept) if kept.predictions.targets.ndim == 1 else None
    return Behind(classes_of(kept), confusion, hardest_clips(kept), selection_of(kept.curves, row.setting))
