"""`urbansound8k`: the native layout, `metadata/UrbanSound8K.csv` and `audio/foldN/`.

Part = the official fold; group = the Freesound recording (`fsID`) that a clip was cut from; seconds = end - start.
Source: Salamon, Jacoby, Bello: A Dataset and Taxonomy for Urban Sound Research, ACM MM 2014.
"""

from pathlib import Path

import pandas as pd

from evar.data.readers.contract import Reader
from evar.data.readers.table import read_csv, require_columns
from evar.data.task import Task
from evar.errors import DataError


def open_reader() -> Reader:
    """It has no options."""
    return UrbanSound8K()


class UrbanSound8K(Reader):
    """Reads the one CSV of the dataset."""

    def marker(self, folder: Path) -> Path:
        return folder / "metadata" / "UrbanSound8K.csv"

    def read(self, root: Path, task: Task) -> pd.DataFrame:
        file = self.marker(root)
        table = read_csv(file)
        require_columns(table, ["slice_file_name", "fsID", "start", "end", "fold", "class"], file)
        try:
            seconds = table["end"].astype(float) - table["start"].astype(float)
        except ValueError as error:
            raise DataError(f"{file}: start and end must be seconds: {error}") from error
        return pd.DataFrame(
            {
                "path": "audio/fold" + table["fold"] + "/" + table["slice_file_name"],
                "labels": table["class"].map(lambda name: (name,)),
                "part": table["fold"],
                "group": table["fsID"],
                "seconds": seconds,
            }
        )
