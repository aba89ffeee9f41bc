"""log.csv of a run: one row a step, with what the step was and what came of it.

Columns: step (from 0), epoch (passes done before it), loss, learning_rate, ema_decay, gradient_norm (before clipping),
clips_per_second. Losses are written with all digits of a float32.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evar.base.files import storage_errors, write_atomic

NAME = "log.csv"


@dataclass(frozen=True)
class StepRow:
    """One step."""

    step: int
    epoch: float
    loss: float
    learning_rate: float
    ema_decay: float
    gradient_norm: float
    clips_per_second: float

    def line(self) -> str:
        """The row as text."""
        return ",".join(f"{value:.9g}" for value in dataclasses.astuple(self)) + "\n"


HEADER = ",".join(field.name for field in dataclasses.fields(StepRow)) + "\n"


def begin(path: Path, before: Sequence[StepRow] = ()) -> None:
    """Start the journal with these rows of an earlier part of the run; whatever else was there is gone."""
    write_atomic(path, HEADER + "".join(row.line() for row in before))


def append(path: Path, rows: Sequence[StepRow]) -> None:
    """Add rows at the end."""
    with storage_errors(path), path.open("a", encoding="ascii") as file:
        file.write("".join(row.line() for row in rows))


def read(path: Path, steps: int | None = None) -> list[StepRow]:
    """The rows before step number `steps` (None: all); of a line that was cut off by a kill nothing. [] without a file.

    Raises StorageError where it cannot be read.
    """
    with storage_errors(path):
        if not path.exists():
            return []
        lines = [line.split(",") for line in path.read_text(encoding="ascii").splitlines()[1:]]
    whole = [line for line in lines if len(line) == len(dataclasses.fields(StepRow))]
    rows = [StepRow(int(step), *map(float, others)) for step, *others in whole]
    return rows if steps is None else [row for row in rows if row.step < steps]
