"""`flowers`: Oxford 102 Flowers in its native layout, `jpg/image_NNNNN.jpg`, `imagelabels.mat` and `setid.mat`.

The official split lists every image: trnid, valid and tstid of setid.mat. Label = the class's number, as the dataset
has it. Group = the image: nothing says which pictures are of one plant.
Source: Nilsback, Zisserman: Automated Flower Classification over a Large Number of Classes, ICVGIP 2008.
"""

from pathlib import Path

import pandas as pd

from evar.base.errors import DataError
from evar.data.readers.contract import Reader, Reading
from evar.data.readers.matlab import read_matlab
from evar.data.task import Task

LABELS, SPLIT = "imagelabels.mat", "setid.mat"
PARTS = {"train": "trnid", "valid": "valid", "test": "tstid"}


def open_reader() -> Reader:
    """It has no options."""
    return Flowers()


class Flowers(Reader):
    """Reads the two lists of the dataset."""

    wanted = f"{LABELS} and {SPLIT}"
    nests = ("flowers-102", "oxford-flowers-102")

    def holds(self, folder: Path) -> bool:
        return (folder / LABELS).is_file() and (folder / SPLIT).is_file()

    def read(self, root: Path, task: Task) -> Reading:
        (labels,) = read_matlab(root / LABELS, "labels")
        lists = read_matlab(root / SPLIT, *PARTS.values())
        rows = [(part, number) for part, numbers in zip(PARTS, lists, strict=True) for number in numbers]
        if strange := [number for _, number in rows if not 1 <= number <= len(labels)]:
            raise DataError(f"{root / SPLIT}: image {strange[0]}, but {LABELS} has {len(labels):,} labels")
        paths = [f"jpg/image_{number:05}.jpg" for _, number in rows]
        return Reading(
            pd.DataFrame(
                {
                    "path": paths,
                    "labels": [(str(labels[number - 1]),) for _, number in rows],
                    "part": [part for part, _ in rows],
                    "group": paths,
                    "seconds": float("nan"),
                }
            )
        )
