"""`split_folders`: SPLIT/CLASS/CLIP.wav, as many archives are packed. Every clip is a group of its own."""

from pathlib import Path

import pandas as pd

from evar.base.errors import DataError
from evar.data.readers.clip_files import clip_files
from evar.data.readers.contract import Reader, Reading
from evar.data.task import Task


def open_reader() -> Reader:
    """It has no options."""
    return SplitFolders()


class SplitFolders(Reader):
    """Reads the names of the files."""

    wanted = "a folder train/"
    distinct = False

    def holds(self, folder: Path) -> bool:
        return (folder / "train").is_dir()

    def read(self, root: Path, task: Task) -> Reading:
        listing = clip_files(root)
        parts = [path.split("/") for path in listing.paths if path.count("/") == 2]
        if not parts:
            raise DataError(f"{root}: no audio at SPLIT/CLASS/CLIP")
        table = pd.DataFrame(parts, columns=["part", "label", "name"])
        table["path"] = table["group"] = ["/".join(each) for each in parts]
        table["labels"] = table["label"].map(lambda name: (name,))
        table["seconds"] = float("nan")
        return Reading(table[["path", "labels", "part", "group", "seconds"]], remarks=listing.remarks)
