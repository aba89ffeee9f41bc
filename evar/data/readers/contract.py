"""What a reader is: it knows one native layout of a dataset and turns it into a table of clips.

A plug-in is one file of this folder; its name is a task's `reader`. It exports

    open_reader(**options) -> Reader

whose keyword arguments are the task's `options`. A reader opens tables and lists folders, never audio: what is missing
or broken on disk is found when the store is prepared, so the table always holds what the dataset promises.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from evar.data.task import Task

COLUMNS = ("path", "labels", "part", "group", "seconds")


class Reader(ABC):
    """A reader of one layout."""

    @abstractmethod
    def marker(self, folder: Path) -> Path:
        """The file or folder whose presence shows that `folder` is the dataset's."""

    @abstractmethod
    def read(self, root: Path, task: "Task") -> pd.DataFrame:
        """A row a clip, in any order, with the columns

        path (relative to `root`), labels (tuple of class names), part (split or fold), group (text: what must not
        straddle train and validation), seconds (float: what the table promises, NaN where it says nothing).

        Raises DataError, with file, line or column, where the table is not what the layout promises.
        """
