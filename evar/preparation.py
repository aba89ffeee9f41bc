"""The first half of the pipeline: from a task's dataset to decoded clips that may be scored.

evar.prepare("us8k", data="/data")       # decoded once, for a sample rate, or for a size of images
evar.check("us8k", data="/data")         # what this copy lacks, repeats or leaks
"""

import logging
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from evar.base.errors import DataError, EvarError, UsageError, counted, few
from evar.config import Config, config_of
from evar.data import ffmpeg
from evar.data import store as stores
from evar.data.check import make_report, problem, untaught
from evar.data.downloads.dataset import download
from evar.data.downloads.fetch import Fetcher
from evar.data.groups import groups
from evar.data.leaks import Leaks, find_leaks
from evar.data.manifest import Manifest, find_root, read_manifest
from evar.data.named_tasks import load_tasks
from evar.data.opening import MISSING
from evar.data.promised import Promised, short_clips
from evar.data.report import Report
from evar.data.sample_file import SAMPLE
from evar.data.store import Store
from evar.data.task import Task, load_task, package_of, task_files
from evar.near_duplicates.record import NearDuplicates, find, known

log = logging.getLogger(__name__)

RATES = {"audio": 16_000, "image": 224}  # Hz and pixels, of most encoders
SPANS = {"audio": (1000, 192_000, "Hz"), "image": (16, 2048, "pixels")}  # from, to


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

    @cached_property
    def leaks(self) -> dict[str, int | None]:
        """Test clips by what they share with the other side of the split; None of near-duplicates not looked for."""
        found, near = self._found
        counts = {kind: found.counts[kind] for kind in ("duplicates", "groups", "silent")}
        return {"duplicates": counts.pop("duplicates"), "near_duplicates": len(near.clips) if near else None, **counts}

    def note_findings(self) -> None:
        """Note a line for each kind of leak that there is, and for what training clips cannot teach."""
        found, near = self._found
        texts = found.texts | ({"near_duplicates": near.text} if near else {})
        names = {"near_duplicates": "near-duplicates"}
        if self.clips.task.modality == "image":
            names["silent"] = "blank"
        leaking = [f"{names.get(kind, kind)}: {text}" for kind, text in texts.items() if self.leaks[kind]]
        for text in (*leaking, *untaught(self.clips)):
            log.warning(f"{self.manifest.task.name}: {text}")

    @cached_property
    def _found(self) -> tuple[Leaks, NearDuplicates | None]:
        return find_leaks(self.clips, self.store), known(self.clips, self.store)


@dataclass(frozen=True)
class Checked:
    """What `check` found out about a task's copy; near_duplicates: None where nobody looked for them."""

    report: Report
    near_duplicates: NearDuplicates | None


@dataclass(frozen=True)
class ListedTask:
    """A task that can be named, and groups that it is in.

    package: "evar", another package with its version, or the path of a task file of the working folder
    data:    where its dataset was found, that it was not, or how its file is broken
    """

    task: str
    title: str = ""
    clips: int | None = None
    classes: int | None = None
    metric: str = ""
    protocol: str = ""
    groups: tuple[str, ...] = ()
    package: str = ""
    data: str = ""


def prepare(
    task: str | Path | Task,
    rate: int | None = None,
    *,
    download: bool = False,
    config: Config | None = None,
    **settings: Any,
) -> list[Prepared]:
    """Decode each task's clips at `rate` into the store, once.

    rate: Hz, or pixels of an image's side; None for that of most encoders, 16,000 or 224
    download: first fetch what is missing and may be fetched without an account

    Raises UsageError, DataError where the dataset is not there, StorageError where the cache cannot be written.
    """
    config = config_of(settings, config)
    tasks = load_tasks(task, config.data, fetch=download)
    return [prepare_task(each, _rate(each, rate), config, fetch=download) for each in tasks]


def check(
    task: str | Path | Task,
    rate: int | None = None,
    *,
    near_duplicates: bool = False,
    config: Config | None = None,
    **settings: Any,
) -> list[Checked]:
    """What each task's copy lacks, repeats or leaks, and whether it can be scored; decodes what is not decoded yet.

    rate: as of `prepare`
    near_duplicates: also look for copies across the split of other gain, polarity, start or coding: minutes for a large
    task, kept for later runs; of audio alone

    Raises UsageError, DataError where the dataset is not there, StorageError where the cache cannot be written.
    """
    config, checked = config_of(settings, config), []
    tasks = load_tasks(task, config.data)
    if near_duplicates and (images := [each.name for each in tasks if each.modality == "image"]):
        raise UsageError(f"near-duplicates are looked for in audio alone, and {few(images)} is of images")
    for each in tasks:
        manifest = read_manifest(each, config.data)
        store = _decoded(manifest, _rate(each, rate), config)
        report, clips = make_report(manifest, store, config.min_coverage), manifest.keep(store.usable)
        near = find(clips, store, workers=config.workers) if near_duplicates else known(clips, store)
        checked.append(Checked(report, near))
    return checked


def list_tasks(config: Config | None = None, **settings: Any) -> list[ListedTask]:
    """Every task: its size, metric, protocol, and whether its dataset is found."""
    config, listed = config_of(settings, config), []
    for name, file in task_files().items():
        package = package_of(file)
        try:
            task = load_task(str(file))
        except UsageError as error:
            listed.append(ListedTask(name, package=package, data=f"broken: {error}"))
            continue
        rows, classes = (task.expects.rows, task.expects.classes) if task.expects else (None, None)
        found = _found(task, config.data)
        member_of = tuple(group for group, each in groups().items() if name in each.tasks)
        listed.append(
            ListedTask(name, task.title, rows, classes, task.metric, task.protocol, member_of, package, found)
        )
    return listed


def prepare_task(task: Task, rate: int, config: Config, *, fetch: bool = False) -> Prepared:
    """Read the task's table and decode its clips at `rate`, or find them decoded. fetch: first what is missing."""
    begin = time.perf_counter()
    if fetch:
        download(task, config.data, Fetcher())
    manifest = read_manifest(task, config.data)
    for remark in manifest.remarks:
        log.warning(f"{task.name}: {remark}")
    if config.limit is not None:
        manifest = manifest.limit(config.limit)
    manifest.rounds()  # a split without clips is an error now, not after hours of decoding
    store = _decoded(manifest, rate, config)
    lost = store.quarantined.drop(store.waiting.index)
    if len(broken := lost[lost["reason"] != MISSING]):
        reasons = [f"{path} ({reason})" for path, reason in zip(broken["path"], broken["reason"], strict=True)]
        log.warning(f"{task.name}: {counted(len(broken), 'file')} quarantined: {few(reasons)}")
    if len(store.waiting):
        log.warning(f"{task.name}: {ffmpeg.advice(len(store.waiting))}")
    if len(short := short_clips(store.index, manifest.clips["seconds"])):
        what = f"{counted(len(short), 'file')} over 0.5 s shorter than the table says"
        log.warning(f"{task.name}: {what}: {few(short['path'])}")
    there = len(store.usable)
    return Prepared(manifest, store, there / manifest.expected, min(store.decoded, there), time.perf_counter() - begin)


def require_coverage(prepared: Prepared, config: Config) -> None:
    """Raise DataError where too little of the task is there to score it, with what is lost and what to do about it."""
    task, root = prepared.manifest.task, prepared.manifest.root
    wanted = task.min_coverage if config.min_coverage is None else config.min_coverage
    if why := problem(prepared.manifest, prepared.store, wanted):
        lost = prepared.store.quarantined
        names = [f"{path} ({reason})" for path, reason in zip(lost["path"], lost["reason"], strict=True)]
        raise DataError(
            f"task {task.name}: {why}{f'; lost below {root}: {few(names)}' if names and prepared.coverage else ''}"
        )


def _rate(task: Task, rate: int | None) -> int:
    """The rate that is asked for, or most encoders'. Raises UsageError for one that cannot be meant."""
    least, most, unit = SPANS[task.modality]
    if rate is not None and not least <= rate <= most:
        raise UsageError(f"task {task.name}: a rate must be from {least} to {most} {unit}, not {rate}")
    return rate or RATES[task.modality]


def _decoded(manifest: Manifest, rate: int, config: Config) -> Store:
    paths, task = manifest.clips["path"].tolist(), manifest.task
    clip_bytes = task.samples(rate) * SAMPLE.itemsize if task.modality == "image" else 0
    promised = Promised(manifest.clips["seconds"].to_numpy(), task.seconds, clip_bytes)
    return stores.prepare(
        manifest.root, paths, rate, config.cache, task.modality, workers=config.workers, promised=promised
    )


def _found(task: Task, data: Path) -> str:
    try:
        root = find_root(task, data)
    except EvarError as error:
        return f"broken: {error}"
    return f"found in {root}" if root else f"not in {data}"
