"""The first half of the pipeline: from a task's dataset to decoded clips that may be scored, and how to run."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from evar.base.errors import DataError, few
from evar.base.progress import Advance, Progress
from evar.data.audio import MISSING
from evar.data.check import problem
from evar.data.manifest import Manifest, read_manifest
from evar.data.store import Store, prepare, short_clips
from evar.data.task import Task
from evar.embeddings.runtime import Runtime
from evar.probes.shots import DRAWS
from evar.scoring.leak_list import Leaks
from evar.scoring.leaks import find_leaks


@dataclass(frozen=True)
class Settings:
    """How to run, and where things lie.

    limit: clips a part for a smoke run, None for all; min_coverage: None for the task's own; leaks: whether to look for
    clips that the sides of the split share; shots: numbers of training clips a class, each drawn `draws` times, none
    for all training clips.
    """

    data: Path
    cache: Path
    runtime: Runtime
    workers: int
    seed: int
    limit: int | None = None
    min_coverage: float | None = None
    leaks: bool = True
    shots: tuple[int, ...] = ()
    draws: int = DRAWS


@dataclass(frozen=True)
class Prepared:
    """A task's clips that can be scored, decoded: `decoded` of them just now, which took `seconds`."""

    manifest: Manifest
    store: Store
    coverage: float
    decoded: int
    seconds: float

    @cached_property
    def clips(self) -> Manifest:
        """The manifest of the usable clips alone, in the store's order."""
        return self.manifest.keep(self.store.usable)


def prepare_task(
    task: Task, rate: int, settings: Settings, *, progress: Progress, note: Callable[[str], None]
) -> Prepared:
    """Read the task's table and decode its clips at `rate` Hz, or find them decoded."""
    begin = time.perf_counter()
    manifest = read_manifest(task, settings.data)
    for remark in (*manifest.remarks, *manifest.leaks):
        note(f"{task.name}: {remark}")
    if settings.limit is not None:
        manifest = manifest.limit(settings.limit)
    manifest.rounds()  # a split without clips is told before hours of decoding
    decoded = 0

    @contextlib.contextmanager
    def counted(stage: str, *, total: int, unit: str, initial: int = 0) -> Iterator[Advance]:
        nonlocal decoded
        decoded = total - initial
        with progress(stage, total=total, unit=unit, initial=initial) as advance:
            yield advance

    store = prepare(
        manifest.root,
        manifest.clips["path"].tolist(),
        rate,
        settings.cache,
        workers=settings.workers,
        progress=counted,
        on_wait=lambda what: note(f"{task.name}: {what}"),
    )
    if len(broken := store.quarantined[store.quarantined["reason"] != MISSING]):
        reasons = [f"{path} ({reason})" for path, reason in zip(broken["path"], broken["reason"], strict=True)]
        note(f"{task.name}: {len(broken):,} files are quarantined: {few(reasons)}")
    if len(short := short_clips(store.index, manifest.clips["seconds"])):
        note(f"{task.name}: {len(short):,} files are over 0.5 s shorter than the table says: {few(short['path'])}")
    there = len(store.usable)
    return Prepared(manifest, store, there / manifest.expected, min(decoded, there), time.perf_counter() - begin)


def require_coverage(prepared: Prepared, settings: Settings) -> None:
    """Raise DataError where too little of the task is there to score it, with what is lost and what to do about it."""
    task, root = prepared.manifest.task, prepared.manifest.root
    wanted = task.min_coverage if settings.min_coverage is None else settings.min_coverage
    if why := problem(prepared.manifest, prepared.store, wanted):
        lost = prepared.store.quarantined
        names = [f"{path} ({reason})" for path, reason in zip(lost["path"], lost["reason"], strict=True)]
        raise DataError(f"task {task.name}: {why}{f'; lost below {root}: {few(names)}' if names else ''}")


def look_for_leaks(
    prepared: Prepared, settings: Settings, *, progress: Progress, note: Callable[[str], None]
) -> Leaks | None:
    """What the sides of the split share, None where nobody asks; `note` gets one line where that is anything."""
    if not settings.leaks:
        return None
    name = prepared.manifest.task.name
    leaks = find_leaks(
        prepared.clips,
        prepared.store,
        workers=settings.workers,
        progress=progress,
        on_wait=lambda: note(f"{name}: another process is looking for leaks among these clips; waiting for it"),
    )
    if leaks.warning:
        note(f"{name}: {leaks.warning}")
    return leaks
