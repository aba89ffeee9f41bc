"""A task's clips as one table, and the rounds of training and test rows that its protocol asks for.

Rows are in the order of their paths, so that nothing depends on the order of a folder or of a CSV. Labels live here
and after the embeddings; signal code sees `Manifest.clips` only.
"""

import hashlib
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evar.base import plugins, provenance
from evar.base.errors import DataError, UsageError, did_you_mean, few
from evar.base.spec import check_options
from evar.config import DATA
from evar.data.containers import outer
from evar.data.downloads.sources import read_sources
from evar.data.readers.clip_files import clip_files
from evar.data.readers.contract import Reader
from evar.data.task import BUNDLED, Task

log = logging.getLogger(__name__)

Rows = NDArray[np.int64]
MIDI_NUMBERS = {str(number).zfill(width) for number in range(128) for width in (1, 2, 3)}


@dataclass(frozen=True)
class Round:
    """Rows of one fit-and-test: `train`, official `valid` (None where the task has none) and `test`.

    name: the test fold's name, or "test".
    """

    name: str
    train: Rows
    valid: Rows | None
    test: Rows


@dataclass(frozen=True)
class Manifest:
    """The clips of a task.

    table:    a row a clip: path (relative to `root`), labels (tuple of class names), part (split or fold), group,
              seconds (as the dataset's own table promises; NaN where it says nothing), and where labels are known in
              part absent (tuple of class names that the clip is known not to have)
    classes:  fixed once for all parts, whatever is missing
    expected: how many clips a complete copy has
    remarks:  what the reader found out about this copy, a line each
    """

    task: Task
    root: Path
    table: pd.DataFrame
    classes: tuple[str, ...]
    expected: int
    remarks: tuple[str, ...] = ()

    @property
    def clips(self) -> pd.DataFrame:
        """The view without labels: path, part, seconds."""
        return self.table[["path", "part", "seconds"]]

    @cached_property
    def targets(self) -> NDArray[np.int64] | NDArray[np.bool_] | NDArray[np.int8]:
        """(clip,) class numbers; of a multi-label task (clip, class) bool, or int8 with -1 for what is unknown."""
        number = {name: index for index, name in enumerate(self.classes)}
        labels = self.table["labels"]
        if self.task.kind == "single-label":
            return np.fromiter((number[only] for (only,) in labels), np.int64, len(labels))
        targets = np.zeros((len(labels), len(self.classes)), dtype=np.bool_)
        targets[_places(labels, number)] = True
        if "absent" not in self.table:
            return targets
        partly = np.where(targets, 1, -1).astype(np.int8)
        partly[_places(self.table["absent"], number)] = 0
        return partly

    @cached_property
    def pitches(self) -> NDArray[np.int64] | None:
        """(class,) MIDI numbers, where the task says that its classes are pitches."""
        return np.array([int(name) for name in self.classes]) if self.task.pitches else None

    @cached_property
    def part_numbers(self) -> Rows:
        """(clip,) the place of each clip's part among the task's."""
        return pd.Index(self.task.parts).get_indexer(pd.Index(self.table["part"])).astype(np.int64)

    @property
    def groups(self) -> NDArray[np.str_]:
        """(clip,) names of the groups."""
        return self.table["group"].to_numpy(dtype=np.str_)

    @cached_property
    def digest(self) -> str:
        """sha256 of all that the clips' own table decides: paths, labels, parts, groups, classes."""
        names = ["path", "labels", "part", "group", *(["absent"] if "absent" in self.table else [])]
        columns = (self.table[name].tolist() for name in names)
        return provenance.hash_rows(zip(*columns, strict=True), self.classes)

    @property
    def random_crops(self) -> NDArray[np.bool_]:
        """(clip,) True where a longer clip is cropped at random: a fixed split's training clips."""
        if self.task.folds:
            return np.zeros(len(self.table), dtype=np.bool_)
        return (self.table["part"] == "train").to_numpy(dtype=np.bool_)

    def keep(self, rows: Rows) -> "Manifest":
        """The manifest of these rows alone; classes and the expected number stay."""
        return replace(self, table=self.table.iloc[rows].reset_index(drop=True))

    def limit(self, most: int) -> "Manifest":
        """At most `most` clips a part of those whose files are there; a larger limit holds a smaller one's."""
        there = self.keep(np.flatnonzero([Path(outer(str(self.root / path))).exists() for path in self.table["path"]]))
        return there._limited(most)

    def _limited(self, most: int) -> "Manifest":
        order = self.table["path"].map(lambda path: hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest())
        rank = order.groupby(self.table["part"]).rank(method="first")
        kept = self.keep(np.flatnonzero(rank <= most))
        return replace(kept, expected=len(kept.table))

    def rounds(self) -> list[Round]:
        """The fit-and-test rounds: one a fold that has clips, or the one of a fixed split.

        Raises DataError where too few parts have clips.
        """
        numbers = self.part_numbers
        rows = {part: np.flatnonzero(numbers == number) for number, part in enumerate(self.task.parts)}
        there = {part: own for part, own in rows.items() if len(own)}
        if self.task.folds:
            if len(there) < 3:
                raise DataError(f"task {self.task.name}: clips in {len(there)} folds, at least 3 are needed")
            return [
                Round(part, np.flatnonzero(numbers != numbers[test[0]]), None, test) for part, test in there.items()
            ]
        if missing := sorted(set(rows) - set(there)):
            raise DataError(f"task {self.task.name}: no clips in split {', '.join(missing)} of {self.root}")
        return [Round("test", there["train"], there.get("valid"), there["test"])]


def _places(labels: Iterable[tuple[str, ...]], number: dict[str, int]) -> tuple[Rows, Rows]:
    """The clip and the class (label,) of each label."""
    counts = np.fromiter((len(names) for names in labels), np.int64)
    columns = np.fromiter((number[name] for names in labels for name in names), np.int64)
    return np.repeat(np.arange(len(counts)), counts), columns


def open_reader(task: Task) -> Reader:
    """The reader that a task names. Raises UsageError that names the task's file."""
    try:
        function = plugins.load("reader", task.reader)
        check_options("reader", task.reader, function, task.options)
        reader: Reader = function(**task.options)
    except UsageError as error:
        raise UsageError(f"{task.file}: {error}") from error
    return reader


def find_root(task: Task, data: Path) -> Path | None:
    """The dataset's folder: below `data`, `data` itself, or beside a task file outside the tree; None where absent.

    Raises DataError where a folder may not be looked into.
    """
    return next(iter([*_held(task, _below(task, data)), *_held(task, _beside(task))]), None)


def require_data(task: Task, data: Path) -> None:
    """Raise DataError, with how to get it, where the task's dataset is in none of its places."""
    if find_root(task, data) is None:
        raise _not_found(task, open_reader(task), data)


def _held(task: Task, places: list[Path]) -> list[Path]:
    """The dataset's folders in these places. Raises DataError where one may not be looked into."""
    reader = open_reader(task)
    try:
        return [root for folder in places if (root := reader.find(folder))]
    except OSError as error:
        raise DataError(f"task {task.name}: cannot look into {error.filename}: {error.strerror}") from error


def read_manifest(task: Task, data: Path) -> Manifest:
    """Read the task's table from its dataset. Raises DataError where it is absent or not what the task expects."""
    reader, below, beside = open_reader(task), _held(task, _below(task, data)), _held(task, _beside(task))
    if not (root := next(iter(below + beside), None)):
        raise _not_found(task, reader, data)
    if below and beside and not root.samefile(beside[0]):
        log.warning(f"task {task.name}: taken from {root}, not from {beside[0]}, which holds {reader.wanted} too")
    if not below and data != DATA and task.folder != ".":
        log.info(f"task {task.name}: taken from {root}, which lies beside {task.file.name}: {data} does not hold it")
    reading = reader.read(root, task)
    table = reading.table.sort_values("path", ignore_index=True)
    classes = tuple(task.classes or reading.classes or sorted({name for names in table["labels"] for name in names}))
    expected = max(len(table), task.expects.rows if task.expects else 0)
    manifest = Manifest(task, root, table, classes, expected, reading.remarks)
    _check(manifest)
    return manifest


def _beside(task: Task) -> list[Path]:
    """The dataset's folder beside a task's file that is not of the package."""
    return [] if task.file.parent == BUNDLED.resolve() else [task.file.parent / task.folder]


def _below(task: Task, data: Path) -> list[Path]:
    """Folders below `data`. That itself only where nobody else's dataset could be taken for the task's."""
    itself = [data] if open_reader(task).distinct or data.resolve().name == task.folder else []
    return [data / task.folder, *itself]


def _not_found(task: Task, reader: Reader, data: Path) -> DataError:
    """The dataset is nowhere: what lies there instead."""
    places = [*_below(task, data), *_beside(task)]
    tables = [file for place in places for file in sorted(place.glob("*.csv"))] if task.reader == "table" else []
    clips = [path for place in places if place.is_dir() for path in clip_files(place, task.modality).paths[:1]]
    folders = {each.name for place in places for each in place.parent.glob("*/")} - {task.folder}
    if "files" in task.options and clips:
        hint = f"there is {few(clips)}; "
    elif tables:
        hint = f"options: {{table: {tables[0].name}}} in {task.file.name} takes {tables[0]}, or "
    elif not data.is_dir() and data != DATA:
        hint = f"there is no folder {data}: "
    else:
        hint = did_you_mean(task.folder, sorted(folders)).replace("?", ", or ")
    return DataError(
        f"task {task.name}: {task.title} not found: looked for {reader.wanted} in {few(map(str, places))}; "
        f"{hint}give --data (or EVAR_DATA) the folder that holds {task.folder}/{_from_where(task)}"
    )


def _from_where(task: Task) -> str:
    """Where the dataset may be had, as far as that is known."""
    if task.folder in read_sources():
        return f"; `evar prepare --task {task.name} --download` fetches what may be fetched"
    address = re.search(r"https?://[^\s;]+", task.source or "")
    return f"; get it from {address[0]}" if address else ""


def _check(manifest: Manifest) -> None:
    """Raise DataError where the table contradicts the task: parts, labels, a clip listed twice, too many rows."""
    task, table = manifest.task, manifest.table
    place, part = f"task {task.name}: {manifest.root}", "fold" if task.folds else "split"
    parts = set(table["part"].unique())
    if strange := sorted(parts - set(task.parts)):
        hint = f": {hint}" if (hint := did_you_mean(strange[0], task.parts)) else ""
        raise DataError(
            f"{place}: unknown {part} {few(map(repr, strange))}{hint} (the task has {', '.join(task.parts)})"
        )
    said = [table[column] for column in ("labels", "absent") if column in table]
    if strange := sorted({name for column in said for names in column for name in names} - set(manifest.classes)):
        hint = did_you_mean(strange[0], manifest.classes) or f"it has {few(manifest.classes)}"
        raise DataError(f"{place}: labels that are none of the task's classes: {few(map(repr, strange))}: {hint}")
    if len(said) > 1 and any(both := [not set(names).isdisjoint(other) for names, other in zip(*said, strict=True)]):
        raise DataError(
            f"{place}: clips with one class in both labels and absent: {few(map(repr, table['path'][both]))}"
        )
    if task.pitches and (strange := [name for name in manifest.classes if name not in MIDI_NUMBERS]):
        raise DataError(f"{place}: classes that are no pitches, MIDI numbers from 0 to 127: {few(map(repr, strange))}")
    if (twice := table["path"][table["path"].duplicated()]).size:
        raise DataError(f"{place}: clips listed twice: {few(map(repr, twice))}")
    if len(manifest.classes) < 2:
        raise DataError(f"{place}: at least two classes are needed, found {few(manifest.classes) or 'none'}")
    if task.expects is None:
        if task.folds and (empty := [fold for fold in task.folds if fold not in parts]):
            raise DataError(f"{place}: no clips in fold {few(empty)}: take it out of folds in {task.file}, or add some")
        return
    if len(manifest.classes) != task.expects.classes:
        raise DataError(f"{place}: {len(manifest.classes)} classes, the task expects {task.expects.classes}")
    counts = table["part"].value_counts()
    if more := [part for part, most in (task.expects.parts or {}).items() if counts.get(part, 0) > most]:
        raise DataError(f"{place}: more clips than expected in {few(more)}: not what {task.file.name} expects")
    if len(table) > task.expects.rows:
        raise DataError(f"{place}: {len(table):,} clips, {task.file.name} expects {task.expects.rows:,}")
