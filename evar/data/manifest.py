"""A task's clips as one table, and the rounds of training and test rows that its protocol asks for.

Rows are in the order of their paths, so that nothing depends on the order of a folder or of a CSV. Labels live here
and after the embeddings; signal code sees `Manifest.clips` only.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evar.data.task import Task
from evar.errors import DataError, few, unknown

Rows = NDArray[np.int64]
VALID = "valid"
TEST = "test"
TRAIN = "train"


@dataclass(frozen=True)
class Round:
    """Rows of one fit-and-test: `train`, official `valid` (None where the task has none) and `test`.

    name: the test fold's name, or "test".
    """

    name: str
    train: Rows
    valid: Rows | None
    test: Rows


@dataclass(frozen=True)
class Manifest:
    """The clips of a task. `table` has a row a clip and the columns

    path (relative to `root`, POSIX), part (split or fold, as text), group (recording, speaker, ...), seconds (as the
    table promises; NaN where it says nothing), labels (tuple of class numbers).
    """

    task: Task
    root: Path
    table: pd.DataFrame
    classes: tuple[str, ...]

    @property
    def clips(self) -> pd.DataFrame:
        """The view without labels: row, path, part, seconds."""
        return pd.DataFrame({"row": np.arange(len(self.table)), **self.table[["path", "part", "seconds"]]})
