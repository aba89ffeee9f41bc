"""`audioset`: the official CSV tables and audio files in any folders, named by the 11 characters of their video's id.

    balanced_train_segments.csv  eval_segments.csv   three comment lines, then `ID, start, end, "mid,mid"` (seconds)
    class_labels_indices.csv                         index,mid,display_name: the order of the columns, always all
    anything/Y--4gqARaEJE_0.000_10.000.wav           an optional Y, the id, the start and end in s or ms or neither

Tables may lie in `metadata/` or `csv/`. Group = the video; seconds = end - start. A listed segment without a file stays
a row, named `ID.wav`; a file whose name states another start than the list holds another segment and is left out.
Source: Gemmeke et al.: Audio Set, ICASSP 2017; https://research.google.com/audioset/download.html
"""

import csv
import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from evar.base.errors import DataError, few
from evar.data.readers.audio_files import audio_files, one_each
from evar.data.readers.contract import Reader, Reading
from evar.data.readers.table_files import read_csv, read_lines, require_columns
from evar.data.task import Task

LISTS = {"train": "balanced_train_segments.csv", "test": "eval_segments.csv"}
CLASSES = "class_labels_indices.csv"
PLACES = ("", "metadata", "csv")  # of the tables in the dataset's folder
ADDRESS = "http://storage.googleapis.com/us_audioset/youtube_corpus/v1/csv"

ID = re.compile(r"[A-Za-z0-9_-]{11}")
NAME = re.compile(rf"Y?(?P<id>{ID.pattern})(?:[_-](?P<start>\d+(?:\.\d+)?)(?:[_-]\d+(?:\.\d+)?)?)?")


class Segment(NamedTuple):
    """A line of a list; start and end in seconds of the video."""

    id: str
    part: str
    start: float
    end: float
    labels: tuple[str, ...]


def open_reader() -> Reader:
    """It has no options."""
    return AudioSet()


class AudioSet(Reader):
    """Finds the files of the listed segments."""

    wanted = f"{', '.join(LISTS.values())} and {CLASSES} (from {ADDRESS}/)"
    places = PLACES
    nests = ("audioset", "audioset_20k")

    def holds(self, folder: Path) -> bool:
        return any((folder / place / name).is_file() for place in PLACES for name in (*LISTS.values(), CLASSES))

    def read(self, root: Path, task: Task) -> Reading:
        classes = _read_classes(_table(root, CLASSES))
        segments = [each for part, name in LISTS.items() for each in _read_list(_table(root, name), part, classes)]
        starts = {each.id: each.start for each in segments}
        if len(starts) < len(segments):
            ids = pd.Series([each.id for each in segments])
            raise DataError(f"{root}: ids that the lists hold twice: {few(ids[ids.duplicated()])}")
        listing = audio_files(root)
        names = {path: match for path in listing.paths if (match := _listed(path, starts))}
        same = [path for path, match in names.items() if _same_start(match["start"], starts[match["id"]])]
        found, twice = one_each(same, lambda path: names[path]["id"])
        table = pd.DataFrame(
            {
                "path": [found.get(each.id, f"{each.id}.wav") for each in segments],
                "labels": [each.labels for each in segments],
                "part": [each.part for each in segments],
                "group": [each.id for each in segments],
                "seconds": [round(each.end - each.start, 3) for each in segments],
            }
        )
        other = sorted(names.keys() - set(same))
        strange = [path for path in listing.paths if not NAME.fullmatch(PurePosixPath(path).stem)]
        remarks = {
            f"{len(other):,} files hold another segment than the list's, by their names: {few(other)}": other,
            f"{len(strange):,} audio files have names without an id: {few(strange)}": strange,
        }
        said = [remark for remark, files in remarks.items() if files]
        return Reading(table, tuple(classes.values()), (*listing.remarks, *twice, *said))


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


def _read_list(file: Path, part: str, classes: dict[str, str]) -> list[Segment]:
    segments = []
    for number, line in read_lines(file):
        if line.startswith("#"):
            continue
        try:
            name, start, end, mids = next(csv.reader([line], skipinitialspace=True))
            if not ID.fullmatch(name):
                raise ValueError(f"{name!r} is not the id of a video (11 characters)")
            labels = tuple(classes[mid] for mid in mids.split(","))
            segments.append(Segment(name, part, float(start), float(end), labels))
        except KeyError as error:
            raise DataError(f"{file}, line {number}: label {error} is not in {CLASSES}") from error
        except ValueError as error:
            raise DataError(f"{file}, line {number}: {line!r} is not 'ID, start, end, \"mid,mid\"': {error}") from error
    return segments


def _listed(path: str, starts: dict[str, float]) -> re.Match[str] | None:
    """The parts of a file's name, None where its video is not listed."""
    match = NAME.fullmatch(PurePosixPath(path).stem)
    return match if match and match["id"] in starts else None


def _same_start(stated: str | None, start: float) -> bool:
    """Whether a name's start (in seconds, perhaps without decimals, or milliseconds, or not stated) is the list's."""
    return stated is None or abs(float(stated) - start) < 1 or abs(float(stated) - 1000 * start) < 1
