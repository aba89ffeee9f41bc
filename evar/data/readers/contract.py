"""What a reader is: it knows one native layout of a dataset and turns it into a table of clips.

A plug-in is one file of this folder; its name is a task's `reader`. It exports

    open_reader(**options) -> Reader

whose keyword arguments are the task's `options`. A reader opens tables and lists folders, never clips: what is missing
or broken on disk is found when the store is prepared, so the table always holds what the dataset promises.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from evar.data.task import Task

COLUMNS = ("path", "labels", "part", "group", "seconds")


@dataclass(frozen=True)
class Reading:
    """What a reader found.

    table:    a row a clip, in any order, with the columns
              path (relative to the dataset's folder; into a Parquet file or a tar as in data/containers.py; of a clip
              that a list names and that is not there, where it would lie), labels (tuple of class names), part (split
              or fold), group (text: what must not straddle train and validation), seconds (float: what the table
              promises, NaN where it says nothing); and, where labels are known in part, absent (tuple of names of the
              classes that the clip is known not to have)
    classes:  the dataset's own class list in its own order, whatever is missing; None where it has none
    remarks:  what a user should know before believing a score, a line each
    """

    table: pd.DataFrame
    classes: tuple[str, ...] | None = None
    remarks: tuple[str, ...] = ()


class Reader(ABC):
    """A reader of one layout.

    wanted:    what shows that a folder is the dataset's, in words
    places:    folders below the dataset's own in which its tables may lie
    nests:     names of the folders inside the task's in which archives and mirrors put the dataset
    distinct:  whether `wanted` distinguishes this dataset from every other
    """

    wanted: str
    places: tuple[str, ...] = ("",)
    nests: tuple[str, ...] = ()
    distinct: bool = True

    @abstractmethod
    def holds(self, folder: Path) -> bool:
        """Whether `folder` is the dataset's own: what `wanted` says lies in it."""

    @abstractmethod
    def read(self, root: Path, task: "Task") -> Reading:
        """Read the dataset whose own folder is `root`.

        Raises DataError, with file, line or column, where it is not what the layout promises.
        """

    def find(self, folder: Path) -> Path | None:
        """The dataset's own folder: `folder` or one of its `nests`; None where it is neither."""
        return next((place for place in (folder, *(folder / name for name in self.nests)) if self.holds(place)), None)
