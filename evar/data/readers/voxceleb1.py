"""`voxceleb1`: the native layout, `idNNNNN/VIDEO/NNNNN.wav` below `wav/` or in halves, and `iden_split.txt`.

The official identification split lists every clip: `1|2|3 idNNNNN/VIDEO/NNNNN.wav` for train, valid and test. Files are
matched by their last three names without the ending, at any depth, so that dev and test may be folders of their own and
the audio of any format. Label = the speaker; group = the video.
Source: Nagrani, Chung, Zisserman: VoxCeleb, Interspeech 2017 (section 5: the test clips are of videos of their own).
"""

import re
from pathlib import Path

import pandas as pd

from evar.base.errors import DataError
from evar.data.readers.clip_files import clip_files, one_each
from evar.data.readers.contract import Reader, Reading
from evar.data.readers.table_files import read_lines
from evar.data.task import Task

SPLIT = "iden_split.txt"
PARTS = {"1": "train", "2": "valid", "3": "test"}
CLIP = re.compile(r"(?:.*/)?(?P<clip>id\d{5}/[^/]+/\d{5})\.\w+", re.DOTALL)
LINE = re.compile(r"(?P<part>[123])\s+(?P<clip>(?P<speaker>id\d{5})/(?P<video>[^/]+)/\d{5})\.wav")


def open_reader() -> Reader:
    """It has no options."""
    return VoxCeleb1()


class VoxCeleb1(Reader):
    """Finds the clips of the identification split."""

    wanted = f"{SPLIT} (https://www.robots.ox.ac.uk/~vgg/data/voxceleb/meta/{SPLIT}, to be put beside wav/)"
    places = ("", "meta")
    nests = ("voxceleb1", "vox1", "wav")

    def holds(self, folder: Path) -> bool:
        return any((folder / place / SPLIT).is_file() for place in self.places)

    def read(self, root: Path, task: Task) -> Reading:
        listing = clip_files(root)
        found, twice = one_each(listing.paths, _clip)
        split = next(file for place in self.places if (file := root / place / SPLIT).is_file())
        rows = [_row(split, number, line) for number, line in read_lines(split)]
        table = pd.DataFrame(rows, columns=["part", "clip", "speaker", "group"])
        return Reading(
            pd.DataFrame(
                {
                    "path": table["clip"].map(found).fillna("wav/" + table["clip"] + ".wav"),
                    "labels": [(speaker,) for speaker in table["speaker"]],
                    "part": table["part"],
                    "group": table["group"],
                    "seconds": float("nan"),
                }
            ),
            classes=tuple(sorted(set(table["speaker"]))),
            remarks=(*listing.remarks, *twice),
        )


def _clip(path: str) -> str | None:
    match = CLIP.fullmatch(path)
    return match["clip"] if match else None


def _row(file: Path, number: int, line: str) -> tuple[str, str, str, str]:
    match = LINE.fullmatch(line)
    if match is None:
        raise DataError(f"{file}, line {number}: {line!r} is not '1|2|3 idNNNNN/VIDEO/NNNNN.wav'")
    return PARTS[match["part"]], match["clip"], match["speaker"], match["video"]
