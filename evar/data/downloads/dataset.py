"""A task's dataset, from nothing to its folder below the data folder; one that is there is left as it is.

    download(task, data, Fetcher())

DATA/downloads holds archives on their way, their halves and a lock for each dataset, so that two processes never do the
same work. An archive that a person puts there is taken as if it had been fetched, and like that deleted once unpacked.
It is unpacked into a hidden folder beside its place and renamed: a dataset's folder is whole or not there.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from evar.base.errors import DataError, UsageError
from evar.base.files import locked
from evar.data.downloads.fetch import Fetcher
from evar.data.downloads.hub import fetch
from evar.data.downloads.sources import DatasetSource, RemoteFile, read_sources
from evar.data.downloads.unpack import ANOTHER, unpacked
from evar.data.manifest import find_root, open_reader
from evar.data.readers.clip_files import clip_files
from evar.data.readers.hub import HubReader
from evar.data.task import Task

log = logging.getLogger(__name__)


def download(task: Task, data: Path, fetcher: Fetcher) -> None:
    """Have the task's dataset below `data`, as far as it may be fetched without an account.

    Raises DataError where a file cannot be had or is a wrong one, and, with a paragraph on how, where audio must be got
    by hand; UsageError where nothing is known to fetch; StorageError where the disk refuses or has no room.
    """
    reader = open_reader(task)
    if isinstance(reader, HubReader) and reader.repo:
        if task.file.exists():  # others were fetched to know what the task is
            fetch(reader.repo, reader.revision, reader.choose)
        return
    root = find_root(task, data)
    known = read_sources()
    source = known.get(task.folder)
    if source is None and root is None:
        raise UsageError(
            f"task {task.name}: no address is known for {task.folder!r}; "
            f"--download can fetch {', '.join(sorted(known))}"
        )
    if source is None or (root is not None and source.archive):
        log.info(f"{task.title}: found in {root}, nothing to download")
        return
    target = (root or data / task.folder).resolve()
    with locked(data / "downloads" / target.name, f"waiting for a process that fetches {target}"):
        if source.archive is None:
            _have_tables(source, target, open_reader(task).places, fetcher)
        elif find_root(task, data) is None:  # another process may have been faster
            _have_archive(source.archive, data / "downloads", target, task, fetcher)


def _have_tables(source: DatasetSource, target: Path, places: Sequence[str], fetcher: Fetcher) -> None:
    """Every table in one of the `places` below `target`, then the paragraph about the audio unless there is some."""
    fault = None
    for file in source.files:
        there = [target / place / file.name for place in places if (target / place / file.name).exists()]
        try:
            fetcher.fetch(file, there[0] if there else target / file.name)
        except DataError as error:
            fault = error
            log.warning(str(error))
    if not clip_files(target, "any").paths:
        raise DataError(str(source.by_hand).replace("{folder}", str(target))) from fault
    if fault is not None:
        raise DataError(f"{target}: not every table is there, or not the official one") from fault


def _have_archive(file: RemoteFile, downloads: Path, target: Path, task: Task, fetcher: Fetcher) -> None:
    wanted = open_reader(task).wanted
    if target.exists() and any(target.iterdir()):
        raise DataError(f"{target} is there, but holds no {wanted}: move it away to have {task.title} fetched")
    log.info(f"fetching {task.title} into {target}; its licence: {task.licence or 'not stated'}")
    archive = downloads / file.name
    fetcher.fetch(file, archive)
    with unpacked(archive, target) as folder:
        whole = folder / str(file.unpack)
        if open_reader(task).find(whole) is None:
            raise DataError(f"{archive} does not hold {task.title}: it has no {wanted}; {ANOTHER}")
        whole.replace(target)
