"""The first half of the pipeline: from a task's dataset to decoded clips that may be scored."""

import logging
import time
from dataclasses import dataclass
from functools import cached_property

from evar.base.errors import DataError, few
from evar.config import Config
from evar.data import ffmpeg
from evar.data.audio import MISSING
from evar.data.check import problem
from evar.data.leaks import find_leaks
from evar.data.manifest import Manifest, read_manifest
from evar.data.store import Store, prepare, short_clips
from evar.data.task import Task
from evar.near_duplicates.record import known

log = logging.getLogger(__name__)


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


def prepare_task(task: Task, rate: int, config: Config) -> Prepared:
    """Read the task's table and decode its clips at `rate` Hz, or find them decoded."""
    begin = time.perf_counter()
    manifest = read_manifest(task, config.data)
    for remark in manifest.remarks:
        log.warning(f"{task.name}: {remark}")
    if config.limit is not None:
        manifest = manifest.limit(config.limit)
    manifest.rounds()  # a split without clips is told before hours of decoding
    store = prepare(manifest.root, manifest.clips["path"].tolist(), rate, config.cache, workers=config.workers)
    lost = store.quarantined.drop(store.waiting.index)
    if len(broken := lost[lost["reason"] != MISSING]):
        reasons = [f"{path} ({reason})" for path, reason in zip(broken["path"], broken["reason"], strict=True)]
        log.warning(f"{task.name}: {len(broken):,} files are quarantined: {few(reasons)}")
    if len(store.waiting):
        log.warning(f"{task.name}: {ffmpeg.advice(len(store.waiting))}")
    if len(short := short_clips(store.index, manifest.clips["seconds"])):
        log.warning(
            f"{task.name}: {len(short):,} files are over 0.5 s shorter than the table says: {few(short['path'])}"
        )
    there = len(store.usable)
    return Prepared(manifest, store, there / manifest.expected, min(store.decoded, there), time.perf_counter() - begin)


def require_coverage(prepared: Prepared, config: Config) -> None:
    """Raise DataError where too little of the task is there to score it, with what is lost and what to do about it."""
    task, root = prepared.manifest.task, prepared.manifest.root
    wanted = task.min_coverage if config.min_coverage is None else config.min_coverage
    if why := problem(prepared.manifest, prepared.store, wanted):
        lost = prepared.store.quarantined
        names = [f"{path} ({reason})" for path, reason in zip(lost["path"], lost["reason"], strict=True)]
        raise DataError(f"task {task.name}: {why}{f'; lost below {root}: {few(names)}' if names else ''}")


def look_for_leaks(prepared: Prepared) -> dict[str, int | None]:
    """Test clips by what they share with the other side of the split; None of near-duplicates that nobody looked for.

    Notes a line for each kind that there is.
    """
    name, leaks = prepared.manifest.task.name, find_leaks(prepared.clips, prepared.store)
    near = known(prepared.clips, prepared.store)
    counts = {
        "duplicates": leaks.counts["duplicates"],
        "near_duplicates": len(near.clips) if near else None,
        "groups": leaks.counts["groups"],
        "silent": leaks.counts["silent"],
    }
    for kind, text in (leaks.texts | ({"near_duplicates": near.text} if near else {})).items():
        if counts[kind]:
            log.warning(f"{name}: {kind.replace('_', '-')}: {text}")
    return counts
