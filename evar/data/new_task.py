"""Making a task of a folder that holds a folder of audio for each class: NAME.yaml and NAME.csv, written into it.

FOLDER/CLASS/.../clip.wav becomes a row with path, label, split (or fold) and group. What starts with a dot, what lies
in FOLDER itself and what has no ending of audio is no clip. Groups are kept whole; split.py divides them.
"""

import csv
import io
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evar.base.errors import DataError, UsageError, few
from evar.base.files import write_atomic
from evar.base.progress import progress
from evar.base.yaml_file import yaml_text
from evar.data import audio
from evar.data.containers import Containers
from evar.data.opening import ClipFault
from evar.data.readers.clip_files import clip_files
from evar.data.split import split_groups
from evar.data.task import official_digest

SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}
PROBED_CLIPS = 50  # opened to learn how long clips are
QUANTILE = 0.95  # of the lengths
MOST_SECONDS = 30.0  # that are proposed; longer clips are cut


@dataclass(frozen=True)
class Clip:
    """One row of the table. path: below the folder, with slashes."""

    path: str
    label: str
    group: str


@dataclass(frozen=True)
class NewTask:
    """What was written.

    parts: clips by split or fold; alone: classes of fewer groups than parts; unreadable: clips, with the reason, that
    cannot be evaluated as they are; the table lists them all the same.
    """

    file: Path
    table: Path
    seconds: float
    classes: tuple[str, ...]
    parts: dict[str, int]
    groups: int
    alone: tuple[str, ...]
    unreadable: tuple[str, ...]


def new_task(
    folder: Path,
    *,
    name: str | None = None,
    folds: int | None = None,
    group_by: str | None = None,
    seconds: float | None = None,
) -> NewTask:
    """Write FOLDER/NAME.yaml and FOLDER/NAME.csv.

    name: the folder's where None; folds: a cross-validation instead of SHARES; group_by: a regular expression whose
    first group, searched for in each path, names the clip's group (None: each clip is its own); seconds: None for what
    QUANTILE of PROBED_CLIPS do not exceed. Raises UsageError where a file of that name is there or the expression does
    not fit, DataError where there is too little to split or nothing decodes.
    """
    folder = folder.resolve()
    file, table = _files(folder, name)
    clips = _grouped(find_clips(folder), group_by)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        counts[clip.group][clip.label] += 1
    shares = {str(fold + 1): 1 / folds for fold in range(folds)} if folds else SHARES
    classes = tuple(sorted({clip.label for clip in clips}))
    if len(classes) < 2:
        there = f"audio in {few(classes)} alone" if classes else "no audio in a folder of it"
        hint = " (for images write the YAML file by hand)" if clip_files(folder, "image").paths else ""
        raise DataError(
            f"{folder}: {there}: at least two classes are needed, each a folder: FOLDER/CLASS/clip.wav{hint}"
        )
    if len(counts) < len(shares):
        raise DataError(f"{folder}: {len(counts)} groups cannot be divided over {len(shares)} parts ({few(shares)})")
    places = split_groups(counts, shares)
    found = Counter(places[clip.group] for clip in clips)
    parts = {part: found[part] for part in shares}
    if empty := [part for part in shares if not parts[part]]:
        raise DataError(f"{folder}: no group is left for {few(empty)}: give classes more groups, or fewer parts")
    seconds = seconds or common_seconds(folder, [clip.path for clip in clips])
    write_atomic(table, _table_text(clips, places, "fold" if folds else "split"))
    write_atomic(file, _task_text(file, classes, parts, seconds, bool(folds)))
    alone = [label for label in classes if sum(label in count for count in counts.values()) < len(shares)]
    return NewTask(file, table, seconds, classes, parts, len(counts), tuple(alone), unreadable(folder, clips))


def find_clips(folder: Path) -> list[Clip]:
    """Every clip, each its own group, in the order of paths. Raises DataError for names that are no text."""
    paths = [path for path in clip_files(folder).paths if "/" in path]
    if blank := [path for path in paths if not _label(path)]:
        name = blank[0].partition("/")[0]
        raise DataError(f"{folder}: a folder whose name is blank is no class: rename {name!r}")
    if strange := [path for path in paths if path != path.encode(errors="replace").decode()]:
        raise DataError(f"{folder}: names that are not UTF-8 cannot stand in a table, rename {few(map(repr, strange))}")
    return [Clip(path, _label(path), path) for path in paths]


def _label(path: str) -> str:
    return path.partition("/")[0].strip()


def unreadable(folder: Path, clips: Sequence[Clip]) -> tuple[str, ...]:
    """Clips that a look at their files shows to be broken, each with the reason; nothing is decoded."""
    faults = []
    with progress("look", total=len(clips), unit="clip") as advance:
        for clip in clips:
            try:
                audio.glance(folder / clip.path)
            except ClipFault as fault:
                faults.append(f"{clip.path} ({fault})")
            advance(1)
    return tuple(faults)


def common_seconds(folder: Path, paths: Sequence[str]) -> float:
    """The length that QUANTILE of the clips do not exceed, rounded up to a tenth, judged by clips spread evenly."""
    step = max(1, len(paths) // PROBED_CLIPS)
    lengths, faults = [], []
    with Containers() as inside:
        for path in paths[::step]:
            try:
                lengths.append(audio.read(folder / path, 16_000, inside).duration)
            except ClipFault as fault:
                faults.append(f"{path} ({fault})")
    if not lengths:
        raise DataError(f"{folder}: none of {len(faults)} clips decodes: {few(faults)}")
    length = sorted(lengths)[math.ceil(QUANTILE * len(lengths)) - 1]
    return min(MOST_SECONDS, math.ceil(length * 10 - 1e-6) / 10)


def _files(folder: Path, name: str | None) -> tuple[Path, Path]:
    if not folder.is_dir():
        raise UsageError(f"no folder {folder}")
    if name is None:
        name = re.sub(r"[^\w.-]+", "_", folder.name)
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith((".", "-")):
        raise UsageError(f"--name must be of letters, digits, . _ and -, not {name!r}")
    if official_digest(name) is not None:
        raise UsageError(f"{name} is the name of a task that comes with evar: give another one by --name")
    files = folder / f"{name}.yaml", folder / f"{name}.csv"
    if there := [str(file) for file in files if os.path.lexists(file)]:
        raise UsageError(f"{' and '.join(there)} would be overwritten: delete them first, or give another --name")
    return files


def _grouped(clips: Sequence[Clip], group_by: str | None) -> list[Clip]:
    if group_by is None:
        return list(clips)
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise UsageError(f"--group-by {group_by!r} is no regular expression: {error}") from error
    if not pattern.groups:
        raise UsageError(f"--group-by {group_by!r} has no group: put parentheses around what names it, as in '^(.+?)_'")
    found = [(clip, pattern.search(clip.path)) for clip in clips]
    if strange := [clip.path for clip, match in found if match is None or not match[1]]:
        raise UsageError(f"--group-by {group_by!r} finds no group in {len(strange):,} paths: {few(map(repr, strange))}")
    return [Clip(clip.path, clip.label, match[1]) for clip, match in found if match is not None]


def _table_text(clips: Sequence[Clip], places: dict[str, str], part: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "label", part, "group"])
    writer.writerows([clip.path, clip.label, places[clip.group], clip.group] for clip in clips)
    return text.getvalue()


def _task_text(file: Path, classes: Sequence[str], parts: dict[str, int], seconds: float, folds: bool) -> str:
    content = {
        "title": file.stem,
        "kind": "single-label",
        "reader": "table",
        "folder": ".",
        "options": {"table": f"{file.stem}.csv"},
        "seconds": seconds,
        "folds" if folds else "splits": list(parts),
        "classes": list(classes),
        "metric": "accuracy",
        "expects": {"rows": sum(parts.values()), "classes": len(classes), "parts": parts},
    }
    return yaml_text(content)
