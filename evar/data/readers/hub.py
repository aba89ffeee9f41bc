"""`hub`: a dataset of the Hugging Face Hub, in its cache on this machine or in a folder of the same layout.

Audio, or images, lie in a column of Parquet files, in tars, or in folders. The card (README.md) and the names of files
say which are of which split; `--download` fetches those alone. Names of classes come from the files or from the card.
Where the task has folds and no column says which, a clip's fold follows from its group by the hash of `split.dealt`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Never

import pandas as pd

from evar.base.errors import DataError, UsageError, did_you_mean, few
from evar.data import parquet, tar
from evar.data.downloads import hub
from evar.data.readers.clip_files import ANY, ENDINGS, clip_files
from evar.data.readers.contract import Reader, Reading
from evar.data.readers.hub_layout import Layout, find_layout, part_of, read_card
from evar.data.readers.shards import Columns, folder_rows, holds_images, parquet_rows, tar_rows
from evar.data.split import dealt
from evar.data.task import Task

FOLDS = ["1", "2", "3", "4", "5"]  # of a dataset that has one split
COMMIT = re.compile(r"[0-9a-f]{40}")
PARTS = ("train", "valid", "test")
TELLING = {"fold": "fold"} | dict.fromkeys(
    "speaker speaker_id artist artist_id subject recording session".split(), "group"
)
"""Name of a column -> the option that it is likely meant for; without it clips of a speaker are on both sides."""

Splits = str | dict[str, str | list[str]]


def open_reader(
    repo: str | None = None,
    revision: str | None = None,
    config: str | None = None,
    audio: str | None = None,
    image: str | None = None,
    label: str | None = None,
    group: str | None = None,
    fold: str | None = None,
    splits: Splits | None = None,
    without: list[str] | None = None,
    separator: str | None = None,
) -> Reader:
    """See docs/datasets.md.

    repo, revision: OWNER/NAME and a commit of 40 digits; without them a folder alone is read. config: "*" for all.
    audio or image, label, group, fold: columns. splits: {part: split, or several}, or the one that folds are made of.
    without: labels whose clips are left out. separator: stands between the labels of one text.
    """
    if (repo is None) != (revision is None):
        _refuse("repo and revision go together")
    if repo is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        _refuse(f"repo must be OWNER/NAME, not {repo!r}")
    if revision is not None and not COMMIT.fullmatch(revision):
        what = f"revision must be a commit of 40 digits, since branches move, not {revision!r}"
        _refuse(f"{what}: --task hub:{repo} says which it is now")
    check_parts(splits, "hub")
    if audio is not None and image is not None:
        _refuse("audio and image are of two tasks: give one of them")
    columns = Columns(audio, image, label, group, fold, separator)
    return HubReader(repo, revision, config, columns, splits, tuple(without or ()))


@dataclass(frozen=True)
class Labelled:
    """Clips that have a label.

    table: as `shards.py` gives it, and part; classes: their names where the dataset lists them; unlabelled: how many
    others there are.
    """

    table: pd.DataFrame
    classes: tuple[str, ...]
    unlabelled: int


@dataclass(frozen=True)
class HubReader(Reader):
    """Reads the splits that a task asks for; the fields are the options."""

    repo: str | None = None
    revision: str | None = None
    config: str | None = None
    columns: Columns = Columns()  # noqa: RUF009  frozen
    splits: Splits | None = None
    without: tuple[str, ...] = ()
    distinct = False
    endings: ClassVar[tuple[str, ...]] = (".parquet", ".tar", *ANY)

    @property
    def wanted(self) -> str:  # type: ignore[override]
        """The revision in the Hub's cache, or files of its kinds."""
        where = f"{self.repo}@{self.revision} in the Hub's cache, or " if self.repo else ""
        return f"{where}Parquet files, tars, audio files or images"

    def holds(self, folder: Path) -> bool:
        return any(path.name.lower().endswith(self.endings) for path in folder.rglob("*"))

    def find(self, folder: Path) -> Path | None:
        if self.repo and self.revision and (snapshot := hub.cached(self.repo, self.revision)):
            return snapshot
        return super().find(folder)

    def layout(self, root: Path) -> Layout:
        """The files that are read. Raises UsageError for a wrong config, DataError where there are none."""
        return find_layout(clip_files(root, all_files=True).paths, read_card(root), self.config, self.place(root))

    def choose(self, paths: Sequence[str], root: Path) -> list[str]:
        """Which of the dataset's files are to be fetched; its card lies in `root`. Raises as `layout` does."""
        return find_layout(paths, read_card(root), self.config, self.place(root)).wanted

    def place(self, root: Path) -> str:
        """The dataset, for errors."""
        return self.repo or str(root)

    def parts(self, layout: Layout, root: Path, folds: bool | None = None) -> Mapping[str, Sequence[str]]:
        """Part of the task -> splits that are it; of folds all splits under "". folds: None to go by what is there.

        Raises UsageError where the options do not say it.
        """
        there, place = list(layout.files), self.place(root)
        if folds is None:
            one = len(there) == 1 and self.splits is None
            folds = one or self.columns.fold is not None or isinstance(self.splits, str)
        if folds:
            if isinstance(self.splits, dict):
                raise UsageError(f"{place}: folds are made of one split: option splits must be its name")
            if self.splits is None and len(there) > 1 and self.columns.fold is None:
                raise UsageError(f"{place}: option splits must name the split that folds are made of: {few(there, 20)}")
            parts: dict[str, Sequence[str]] = {"": there if self.splits is None else [self.splits]}
        elif isinstance(self.splits, dict):
            parts = {part: [names] if isinstance(names, str) else names for part, names in self.splits.items()}
        else:
            parts = {part: found for part in PARTS if (found := [name for name in there if part_of(name) == part])}
            if not {"train", "test"} <= set(parts):
                train = parts.get("train", there)[0]
                example = {"train": train, "test": next((name for name in there if name != train), "...")}
                raise UsageError(
                    f"{place}: train and test are not among its splits {few(there, 20)}: say which they are, as in "
                    f"splits={example}, or name the one that folds are made of"
                )
        for name in (name for names in parts.values() for name in names):
            if name not in there:
                hint = f": {hint}" if (hint := did_you_mean(name, there)) else ""
                raise UsageError(f"{place}: no split {name!r}{hint} (there: {few(there, 20)})")
        return parts

    def modality(self, root: Path, layout: Layout) -> str:
        """What the files hold: that of the column that an option names, else audio where there is any."""
        first = str(root / next(iter(layout.files.values()))[0])
        if layout.kind == "parquet" and self.columns.audio is None:
            return "image" if self.columns.image or holds_images(parquet.schema(first)) else "audio"
        if layout.kind == "tar":
            return "audio" if any(name.lower().endswith(ENDINGS["audio"]) for name in tar.members(first)) else "image"
        return "image" if layout.kind == "image" else "audio"

    def rows(
        self, root: Path, parts: Mapping[str, Sequence[str]], layout: Layout, modality: str = "audio"
    ) -> "Labelled":
        """The clips of these parts that have a label. Raises UsageError, DataError."""
        layout.require_shards(root)
        tables, listed = [], list[str]()
        of_all = folder_rows(root, [], self.columns, layout.tables)[0] if layout.tables else None
        there = {path: split for split, paths in layout.files.items() for path in paths}
        for part, splits in parts.items():
            if of_all is not None:  # the tables list clips of all splits, and some whose files are not there
                own = [(there.get(path) or layout.split_of(path)) in splits for path in of_all["path"].tolist()]
                table, names = of_all[own] if len(layout.files) > 1 else of_all, None
            else:
                files = list(dict.fromkeys(path for split in splits for path in layout.files[split]))
                table, names = self._read(root, files, layout, modality)
            tables.append(table.assign(part=part))
            listed += [name for name in names or () if name not in listed]
        table = pd.concat(tables, ignore_index=True)
        seen = {name for cell in set(table["label"].dropna()) for name in ((cell,) if isinstance(cell, str) else cell)}
        if strange := [name for name in self.without if name not in seen]:
            hint = did_you_mean(strange[0], seen) or f"labels there: {few(sorted(seen), 20)}"
            raise UsageError(f"{self.place(root)}: option without names no label {strange[0]!r}: {hint}")
        gone = set(self.without)
        keep = [cell is not None and not gone & ({cell} if isinstance(cell, str) else set(cell))
                for cell in table["label"].tolist()]  # fmt: skip
        unlabelled = sum(cell is None for cell in table["label"].tolist())
        classes = tuple(name for name in listed if name not in gone)
        return Labelled(table[keep].reset_index(drop=True), classes, unlabelled)

    def _read(
        self, root: Path, files: Sequence[str], layout: Layout, modality: str
    ) -> tuple[pd.DataFrame, tuple[str, ...] | None]:
        if layout.kind == "parquet":
            return parquet_rows(root, files, self.columns, read_card(root), self.config, modality)
        if layout.kind == "tar":
            return tar_rows(root, files, self.columns, modality)
        return folder_rows(root, files, self.columns, ())

    def read(self, root: Path, task: Task) -> Reading:
        layout = self.layout(root)
        parts = self.parts(layout, root, folds=task.folds is not None)
        found = self.rows(root, parts, layout, task.modality)
        table = found.table
        lists = [type(cell) is tuple for cell in table["label"]]
        if task.kind == "single-label" and any(lists):
            raise DataError(f"{self.place(root)}: a clip has a list of labels: the task's kind must be multi-label")
        group = table["group"] if "group" in table else pd.Series("", index=table.index)
        table["group"] = group.where(group != "", table["path"])
        if task.folds:
            shares = dict.fromkeys(task.folds, 1)
            own = self.columns.fold is not None
            table["part"] = table["fold"] if own else [dealt(name, shares) for name in table["group"]]
        table["labels"] = [cell if isinstance(cell, tuple) else (cell,) for cell in table["label"].tolist()]
        table["seconds"] = float("nan")
        clips = table[["path", "labels", "part", "group", "seconds"]]
        return Reading(clips, found.classes or None, tuple(self._remarks(root, found, layout, parts)))

    def _remarks(
        self, root: Path, found: "Labelled", layout: Layout, parts: Mapping[str, Sequence[str]]
    ) -> Iterator[str]:
        if found.unlabelled:
            yield f"{found.unlabelled:,} clips have no label and are left out"
        if self.repo and self.revision and hub.cached(self.repo, self.revision) != root:
            yield f"taken from {root}: nothing says that it is {self.repo} at {self.revision}"
        if unread := [split for split in layout.files if not any(split in names for names in parts.values())]:
            yield f"splits that are not used: {few(unread)}"
        if layout.kind == "parquet":
            first = next(iter(layout.files.values()))[0]
            for column in parquet.schema(str(root / first)).kinds:
                option = TELLING.get(column.casefold())
                if option and getattr(self.columns, option) is None and (option == "group" or "" in parts):
                    yield f"a column {column} is not read; the option {option} takes it"


def check_parts(splits: Splits | None, reader: str) -> None:
    """Raise UsageError where the option names what is no part of a task."""
    if isinstance(splits, dict) and (strange := [part for part in splits if part not in PARTS]):
        hint = did_you_mean(strange[0], PARTS) or f"valid: {', '.join(PARTS)}"
        _refuse(f"splits names no part of a task {strange[0]!r}: {hint}", reader)


def _refuse(reason: str, reader: str = "hub") -> Never:
    raise UsageError(f"options of reader {reader}: {reason}")
