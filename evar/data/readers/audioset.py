"""`audioset`: the official CSV tables and audio files in any folders, named by the 11 characters of their video's id.

    balanced_train_segments.csv  eval_segments.csv   three comment lines, then `ID, start, end, "mid,mid"` (seconds)
    unbalanced_train_segments.csv                    the same: training clips too, if the option `unbalanced` is true
    class_labels_indices.csv                         index,mid,display_name: the order of the columns, always all
    anything/Y--4gqARaEJE_0.000_10.000.wav           an optional Y, the id, the start and end in s or ms or neither

Tables may lie in `metadata/` or `csv/`. Group = the video; seconds = end - start. A listed segment without a file stays
a row, named `ID.wav`; a file whose name states another start than the list holds another segment and is left out.
Source: Gemmeke et al.: Audio Set, ICASSP 2017; https://research.google.com/audioset/download.html
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evar.base.errors import DataError, few
from evar.data.readers.clip_files import clip_files, one_each
from evar.data.readers.contract import COLUMNS, Reader, Reading
from evar.data.readers.table_files import read_csv, read_lines, require_columns
from evar.data.task import Task

LISTS = {"balanced_train_segments.csv": "train", "eval_segments.csv": "test"}  # file -> split
UNBALANCED = {"unbalanced_train_segments.csv": "train"}
CLASSES = "class_labels_indices.csv"
PLACES = ("", "metadata", "csv")  # of the tables in the dataset's folder
ADDRESS = "http://storage.googleapis.com/us_audioset/youtube_corpus/v1/csv"

ID = re.compile(r"[A-Za-z0-9_-]{11}")
NAME = re.compile(rf"Y?(?P<id>{ID.pattern})(?:[_-](?P<start>\d+(?:\.\d+)?)(?:[_-]\d+(?:\.\d+)?)?)?")


def open_reader(unbalanced: bool = False) -> Reader:
    """unbalanced: whether the large list's clips are for training too (AudioSet-2M)."""
    return AudioSet(LISTS | UNBALANCED, tuple(UNBALANCED)) if unbalanced else AudioSet(LISTS, (*LISTS, CLASSES))


class AudioSet(Reader):
    """Finds the files of the listed segments."""

    places = PLACES
    nests = ("audioset", "audioset_20k")

    def __init__(self, lists: dict[str, str], shown_by: tuple[str, ...]) -> None:
        self.lists, self.shown_by = lists, shown_by
        self.wanted = f"{', '.join(lists)} and {CLASSES} (from {ADDRESS}/)"

    def holds(self, folder: Path) -> bool:
        return any((folder / place / name).is_file() for place in PLACES for name in self.shown_by)

    def read(self, root: Path, task: Task) -> Reading:
        classes = _read_classes(_table(root, CLASSES))
        lists = [_read_list(_table(root, name), part, classes) for name, part in self.lists.items()]
        segments = pd.concat(lists, ignore_index=True)
        if (twice := segments["group"][segments["group"].duplicated()]).size:
            raise DataError(f"{root}: ids that the lists hold twice: {few(twice)}")
        listing = clip_files(root)
        ids, stated = _names(listing.paths)
        row = pd.Index(segments["group"]).get_indexer(pd.Index(ids))  # -1: not listed
        same = _same_start(stated, segments["start"].to_numpy()[row])
        mine = {path: name for path, name, mine in zip(listing.paths, ids, (row >= 0) & same, strict=True) if mine}
        found, several = one_each(mine, mine.get)
        segments["path"] = [found.get(name, f"{name}.wav") for name in segments["group"]]
        other = [listing.paths[number] for number in np.flatnonzero((row >= 0) & ~same)]
        strange = [path for path, name in zip(listing.paths, ids, strict=True) if not name]
        remarks = {
            f"{len(other):,} files hold another segment than the list's, by their names: {few(other)}": other,
            f"{len(strange):,} audio files have names without an id: {few(strange)}": strange,
        }
        said = [remark for remark, files in remarks.items() if files]
        return Reading(segments[list(COLUMNS)], tuple(classes.values()), (*listing.remarks, *several, *said))


def _table(root: Path, name: str) -> Path:
    """Where the official table lies. Raises DataError that says where to put it."""
    files = [root / place / name for place in PLACES]
    if there := [file for file in files if file.is_file()]:
        return there[0]
    raise DataError(f"no {name} in {root}: put the official one there, from {ADDRESS}/{name}")


def _read_classes(file: Path) -> dict[str, str]:
    """Map mid to display name, in the order of the index."""
    table = read_csv(file)
    require_columns(table, ["index", "mid", "display_name"], file)
    table = table.sort_values("index", key=lambda index: pd.to_numeric(index, errors="coerce"))
    if table["index"].tolist() != [str(number) for number in range(len(table))]:
        raise DataError(f"{file}: column index must hold each of 0 to {len(table) - 1} once")
    for column in ("mid", "display_name"):
        if (twice := table[column][table[column].duplicated()]).size:
            raise DataError(f"{file}: column {column} holds {few(map(repr, twice))} twice")
    return dict(zip(table["mid"], table["display_name"], strict=True))


def _read_list(file: Path, part: str, classes: dict[str, str]) -> pd.DataFrame:
    """A list's segments: group (the video's id), labels, part, start and seconds. Few sets of labels, shared."""
    ids, labels, seconds = [], [], []
    known: dict[str, tuple[str, ...]] = {}
    for number, line in read_lines(file):
        if line.startswith("#"):
            continue
        try:
            name, start, end, mids = next(csv.reader([line], skipinitialspace=True))
            if not ID.fullmatch(name):
                raise ValueError(f"{name!r} is not the id of a video (11 characters)")
            if mids not in known:
                known[mids] = tuple(classes[mid] for mid in mids.split(","))
            ids.append(name)
            labels.append(known[mids])
            seconds.append((float(start), float(end)))
        except KeyError as error:
            raise DataError(f"{file}, line {number}: label {error} is not in {CLASSES}") from error
        except ValueError as error:
            raise DataError(f"{file}, line {number}: {line!r} is not 'ID, start, end, \"mid,mid\"': {error}") from error
    begins, ends = np.array(seconds, dtype=np.float64).reshape(-1, 2).T
    table = {"group": ids, "labels": labels, "part": part, "start": begins, "seconds": (ends - begins).round(3)}
    return pd.DataFrame(table)


def _names(paths: Sequence[str]) -> tuple[list[str], NDArray[np.float64]]:
    """Of each file's name the video's id ("": none) and the start that it states (NaN: none)."""
    ids, stated = [], np.full(len(paths), np.nan)
    for number, path in enumerate(paths):
        match = NAME.fullmatch(path.rpartition("/")[2].rpartition(".")[0])
        ids.append(match["id"] if match else "")
        if match and match["start"]:
            stated[number] = float(match["start"])
    return ids, stated


def _same_start(stated: NDArray[np.float64], start: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether starts of names (in seconds, perhaps without decimals, or milliseconds, or NaN) are the list's."""
    return np.isnan(stated) | (abs(stated - start) < 1) | (abs(stated - 1000 * start) < 1)
