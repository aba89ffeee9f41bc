"""log.csv of a run: one row a step, with what the step was and what came of it.

Numbers are written with all digits of a float32.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from evar.base.files import storage_errors, write_atomic

NAME = "log.csv"


@dataclass(frozen=True)
class StepRow:
    """One step, from 0. epoch: passes done before it; gradient_norm: before clipping."""

    step: int
    epoch: float
    loss: float
    learning_rate: float
    gradient_norm: float
    clips_per_second: float


Row = TypeVar("Row", bound=StepRow)


class Journal(Generic[Row]):
    """The log of the run in `folder`, with rows of a `kind`. Raises StorageError where it cannot be used."""

    def __init__(self, folder: Path, kind: type[Row]) -> None:
        self.path, self.kind = folder / NAME, kind

    @property
    def header(self) -> str:
        """Its first line."""
        return ",".join(field.name for field in dataclasses.fields(self.kind)) + "\n"

    def begin(self, before: Sequence[Row] = ()) -> None:
        """Start it with these rows of an earlier part of the run; whatever else was there is gone."""
        write_atomic(self.path, self.header + "".join(map(_line, before)))

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows at the end."""
        with storage_errors(self.path), self.path.open("a", encoding="ascii") as file:
            file.write("".join(map(_line, rows)))

    def read(self, steps: int | None = None) -> list[Row]:
        """The rows before step number `steps` (None: all); of a line that was cut off by a kill nothing."""
        with storage_errors(self.path):
            if not self.path.exists():
                return []
            lines = [line.split(",") for line in self.path.read_text(encoding="ascii").splitlines()[1:]]
        whole = [line for line in lines if len(line) == len(dataclasses.fields(self.kind))]
        rows = [self.kind(int(step), *map(float, others)) for step, *others in whole]
        return rows if steps is None else [row for row in rows if row.step < steps]


def _line(row: StepRow) -> str:
    return ",".join(f"{value:.9g}" for value in dataclasses.astuple(row)) + "\n"
