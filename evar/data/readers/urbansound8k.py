"""`urbansound8k`: the native layout, `metadata/UrbanSound8K.csv` and `audio/foldN/`, or Kaggle's, both side by side.

Part = the official fold; group = the Freesound recording (`fsID`) that a clip was cut from; seconds = end - start.
The folds keep a recording's clips together, but for 5 of its 1,297 recordings.
Source: Salamon, Jacoby, Bello: A Dataset and Taxonomy for Urban Sound Research, ACM MM 2014.
"""

from pathlib import Path

import pandas as pd

from evar.base.errors import DataError
from evar.data.readers.contract import Reader, Reading
from evar.data.readers.table_files import read_csv, require_columns
from evar.data.task import Task

TABLES = ("metadata/UrbanSound8K.csv", "UrbanSound8K.csv")


def open_reader() -> Reader:
    """It has no options."""
    return UrbanSound8K()


class UrbanSound8K(Reader):
    """Reads the one CSV of the dataset."""

    wanted = " or ".join(TABLES)
    nests = ("UrbanSound8K", "urbansound8k")

    def holds(self, folder: Path) -> bool:
        return any((folder / name).is_file() for name in TABLES)

    def read(self, root: Path, task: Task) -> Reading:
        file = next(root / name for name in TABLES if (root / name).is_file())
        table = read_csv(file)
        require_columns(table, ["slice_file_name", "fsID", "start", "end", "fold", "class"], file)
        try:
            seconds = table["end"].astype(float) - table["start"].astype(float)
        except ValueError as error:
            raise DataError(f"{file}: start and end must be seconds: {error}") from error
        audio = "" if next(root.glob("fold[0-9]*"), None) and not (root / "audio").is_dir() else "audio/"
        return Reading(
            pd.DataFrame(
                {
                    "path": audio + "fold" + table["fold"] + "/" + table["slice_file_name"],
                    "labels": table["class"].map(lambda name: (name,)),
                    "part": table["fold"],
                    "group": table["fsID"],
                    "seconds": seconds,
                }
            )
        )
