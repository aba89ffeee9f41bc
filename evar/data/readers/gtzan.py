"""`gtzan`: the native layout, `genres/GENRE/GENRE.NNNNN.wav` (or .au), and the task's own `split_file`.

Mirrors call the folder `genres_original` or nest it. The dataset has no split: the split file lists (clip, genre,
split), and clips that it does not list are left out. Group = the clip: the artists stand in no file of the dataset.
Source: Tzanetakis, Cook, IEEE TSAP 2002; split: Kereliuk, Sturm, Larsen, IEEE TMM 2015.
"""

from pathlib import Path, PurePosixPath

import pandas as pd

from evar.base.errors import DataError, UsageError, few
from evar.data.readers.clip_files import clip_files, one_each
from evar.data.readers.contract import Reader, Reading
from evar.data.readers.table_files import read_csv, require_columns
from evar.data.task import Task


def open_reader() -> Reader:
    """It has no options."""
    return GTZAN()


class GTZAN(Reader):
    """Finds the split file's clips."""

    wanted = "folders of genres with GENRE.NNNNN.wav or .au"
    nests = ("genres", "genres_original", "Data/genres_original", "gtzan/genres", "GTZAN/genres", "gtzan",
             "gtzan/genres_original", "gtzan/Data/genres_original")  # fmt: skip

    def holds(self, folder: Path) -> bool:
        return next(folder.glob("*/*.[0-9][0-9][0-9][0-9][0-9].*"), None) is not None

    def read(self, root: Path, task: Task) -> Reading:
        if task.split_file is None:
            raise UsageError(f"{task.file}: reader gtzan needs the key split_file, a CSV with clip, genre and split")
        file = task.file.parent / task.split_file
        split = read_csv(file)
        require_columns(split, ["clip", "genre", "split"], file)
        listing = clip_files(root)
        found, twice = one_each(listing.paths, lambda path: PurePosixPath(path).stem)
        if len(split) and not set(split["clip"]) & set(found):
            raise DataError(f"{root}: no clip of {file} lies there (such as {few(split['clip'], 1)})")
        clips = split["clip"]
        return Reading(
            pd.DataFrame(
                {
                    "path": clips.map(found).fillna(split["genre"] + "/" + clips + ".wav"),
                    "labels": split["genre"].map(lambda genre: (genre,)),
                    "part": split["split"],
                    "group": clips,
                    "seconds": float("nan"),
                }
            ),
            remarks=(*listing.remarks, *twice),
        )
