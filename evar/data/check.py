"""Checking a task before a score is believed: what this copy lacks, repeats, leaks or cannot teach.

    report = make_report(manifest, store)      # reads only these two; nothing is decoded
    report.problem                       # "" where the task can be scored

Duplicates are exact and, as groups, judged on the usable clips (`leaks.py`).
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from evar.base.errors import DataError, few, shown
from evar.data.audio import QUIET_PEAK
from evar.data.leaks import find_leaks
from evar.data.manifest import Manifest, Rows
from evar.data.opening import MISSING
from evar.data.promised import short_clips
from evar.data.report import Class, Clipped, Durations, Fault, PartCount, Quiet, Report, Short
from evar.data.sample_file import SAMPLE
from evar.data.store import Store

CLIPPED_SHARE = 1e-3  # of the samples; a clip that was normalised touches full scale once or twice
DECODERS = {"audio": "soundfile", "image": "Pillow"}

T = TypeVar("T")


def make_report(manifest: Manifest, store: Store, min_coverage: float | None = None) -> Report:
    """What can be said about the clips of `manifest`, which `store` holds in the same order.

    min_coverage: the share of the task's clips that must be usable; None for the task's own.
    """
    task = manifest.task
    wanted = task.min_coverage if min_coverage is None else min_coverage
    usable, clips = store.index.iloc[store.usable], manifest.keep(store.usable)
    clipped = usable[usable["clipped"] > CLIPPED_SHARE].sort_values("clipped", ascending=False, kind="stable")
    quiet = usable[(usable["peak"] > 0) & (usable["peak"] <= QUIET_PEAK)]  # a clip of zeros is silent in its file too
    lacking = usable[usable["lacking"] > 0].sort_values("lacking", ascending=False, kind="stable")
    lacking = lacking.assign(promised=lacking["duration"] + lacking["lacking"])
    return Report(
        task=task.name,
        title=task.title,
        protocol=task.protocol,
        modality=task.modality,
        seconds=task.seconds,
        root=str(manifest.root),
        part_kind="fold" if task.folds else "split",
        found=len(usable),
        expected=manifest.expected,
        coverage=len(usable) / manifest.expected if manifest.expected else 0.0,
        min_coverage=wanted,
        parts=_parts(manifest, store),
        classes=_classes(manifest, store),
        quarantined=_faults(store),
        waiting=len(store.waiting),
        leaks=find_leaks(clips, store, most=None),
        known=float(np.mean(clips.targets != -1)) if "absent" in clips.table and len(clips.table) else None,
        untaught=untaught(clips),
        clipped=_each(Clipped, clipped, "clipped"),
        quiet=_each(Quiet, quiet.sort_values("peak", kind="stable"), "peak"),
        short=_each(Short, short_clips(store.index, manifest.table["seconds"]), "promised", "duration"),
        lacking=_each(Short, lacking, "promised", "duration"),
        durations=None if task.modality == "image" else _durations(usable["duration"]),
        rates=_counts(usable["original_rate"]),
        channels=_counts(usable["channels"]),
        decoders={str(name) or DECODERS[task.modality]: int(n) for name, n in usable["decoder"].value_counts().items()},
        store=str(store.folder),
        store_rate=store.rate,
        store_bytes=int(store.index["length"].sum()) * SAMPLE.itemsize,
        digest=store.digest,
        remarks=manifest.remarks,
        pitfalls=tuple(task.pitfalls),
        problem=problem(manifest, store, wanted),
    )


def problem(manifest: Manifest, store: Store, min_coverage: float) -> str:
    """Why these clips cannot be scored, in one line that says what to do; "" where they can."""
    there, expected = len(store.usable), manifest.expected
    coverage = there / expected if expected else 0.0
    if there == 0:
        return f"none of {expected:,} {manifest.task.noun} can be used: {_first(manifest.root, store.quarantined)}"
    if coverage < min_coverage:
        option = f"; --min-coverage {np.floor(coverage * 1000) / 1000:g} scores what is there"
        return (
            f"{expected - there:,} of {expected:,} {manifest.task.noun} are missing or broken "
            f"(coverage {coverage:.1%}, asked for {min_coverage:.1%}){option}"
        )
    clips = manifest.keep(store.usable)
    try:
        rounds = clips.rounds()
    except DataError as error:
        return str(error)
    for each in rounds:
        taught = np.flatnonzero(_class_counts(clips, each.train))
        if len(taught) < 2:
            classes = f"one class, {clips.classes[taught[0]]}" if len(taught) else "no class"
            tested = _tested_in(clips, [each.name])
            return f"all training {clips.task.noun}{tested} are of {classes}: at least two classes are needed"
    return ""


def untaught(clips: Manifest) -> tuple[str, ...]:
    """What is tested and no probe can learn, a line a kind; nothing where there are too few parts for any round.

    Classes without a training clip, and labels that all training clips have.
    """
    try:
        rounds = clips.rounds()
    except DataError:
        return ()
    of_which = " of which they are known" if "absent" in clips.table else ""
    absent, always = dict[str, list[str]](), dict[str, list[str]]()
    for each in rounds:
        train, test = (_class_counts(clips, rows) for rows in (each.train, each.test))
        always_there = (
            (clips.targets[each.train] != 0).all(axis=0) if clips.targets.ndim == 2 else train == len(each.train)
        )
        for where, found in ((absent, train == 0), (always, (train > 0) & always_there)):
            for number in np.flatnonzero(found & (test > 0)):
                where.setdefault(clips.classes[number], []).append(each.name)
    lines = (
        ("classes are tested, and no training clip is of them", absent),
        (f"labels are on every training clip{of_which}, so no probe can learn where they are absent", always),
    )
    return tuple(
        f"{len(found):,} {what}: {few(shown(name) + _tested_in(clips, names) for name, names in found.items())}"
        for what, found in lines
        if found
    )


def _class_counts(clips: Manifest, rows: Rows) -> Rows:
    """(class,) how many of these clips are of each class."""
    targets = clips.targets[rows]
    return (targets == 1).sum(axis=0) if targets.ndim == 2 else np.bincount(targets, minlength=len(clips.classes))


def _tested_in(clips: Manifest, rounds: Sequence[str]) -> str:
    """The rounds of these names in words; nothing where there is but one."""
    return f" (testing fold {few(rounds)})" if clips.task.folds else ""


def _first(root: Path, lost: pd.DataFrame) -> str:
    """What the first clip lacks."""
    path, reason = lost[["path", "reason"]].iloc[0]
    place = root / path
    return f"looked for {place}{_meant(root, place)}" if reason == MISSING else f"{place} ({reason})"


def _meant(root: Path, place: Path) -> str:
    """What a file that is not at `place` may be instead."""
    below = place.relative_to(root).as_posix() if place.is_relative_to(root) else str(place)
    if "\\" in below and (root / below.replace("\\", "/")).exists():
        return ", which is there with / in place of \\: write the table's paths so"
    if (root.parent / below).exists():
        return f", which lies in {root.parent}: paths in the table start at its own folder"
    names = {place.name.casefold(), place.stem.casefold()}
    near = [file for file in place.parent.glob("*") if {file.name.casefold(), file.stem.casefold()} & names]
    return f", there is {near[0].name}: paths in the table end as the files do" if near else ""


def _parts(manifest: Manifest, store: Store) -> tuple[PartCount, ...]:
    part, expects = manifest.table["part"], manifest.task.expects
    counted = (expects.parts if expects else None) or {}
    listed, found = part.value_counts(), part.iloc[store.usable].value_counts()
    return tuple(
        PartCount(name, int(found.get(name, 0)), int(listed.get(name, 0)), counted.get(name))
        for name in manifest.task.parts
    )


def _classes(manifest: Manifest, store: Store) -> tuple[Class, ...]:
    listed = _by_class_and_part(manifest)
    found = _by_class_and_part(manifest.keep(store.usable))
    expected = (manifest.task.expects.of_class if manifest.task.expects else None) or {}
    return tuple(
        Class(name, tuple(map(int, here)), tuple(map(int, there)), expected.get(name))
        for name, here, there in zip(manifest.classes, found.to_numpy(), listed.to_numpy(), strict=True)
    )


def _by_class_and_part(manifest: Manifest) -> pd.DataFrame:
    """Clips by class (row) and part (column)."""
    labels = manifest.table[["labels", "part"]].explode("labels")
    counts = labels.groupby(["labels", "part"]).size().unstack(fill_value=0)
    return counts.reindex(index=list(manifest.classes), columns=manifest.task.parts, fill_value=0)


def _faults(store: Store) -> tuple[Fault, ...]:
    """Quarantined clips by reason, numbers aside; the most frequent first."""
    lost = store.quarantined
    kinds = lost["reason"].map(lambda reason: re.sub(r"\d[\d,.]*", "#", reason))
    faults = [Fault(str(clips["reason"].iloc[0]), tuple(clips["path"])) for _, clips in lost.groupby(kinds, sort=False)]
    return tuple(sorted(faults, key=lambda fault: -len(fault.paths)))


def _each(kind: Callable[..., T], clips: pd.DataFrame, *columns: str) -> tuple[T, ...]:
    """An item of that kind for each clip: its path and these columns."""
    numbers = zip(*(clips[column].astype(float) for column in columns), strict=True)
    return tuple(kind(path, *values) for path, values in zip(clips["path"], numbers, strict=True))


def _durations(seconds: "pd.Series[float]") -> Durations | None:
    if seconds.empty:
        return None
    return Durations(float(seconds.min()), float(seconds.median()), float(seconds.max()), float(seconds.sum()))


def _counts(values: "pd.Series[int]") -> dict[int, int]:
    return {int(value): int(count) for value, count in values.value_counts().sort_index().items()}  # type: ignore[call-overload]
