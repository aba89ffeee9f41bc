"""Bringing a store up to date: which shards are finished and fresh, and filling the others in threads.

Decoding and resampling release the interpreter lock, so threads keep all cores busy. The caller holds the store's lock.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from evar.data import shards
from evar.data.shards import Shard
from evar.files import storage_errors
from evar.progress import Progress

CLIP = None  # the event of one clip being done


class _Stopped(Exception):
    """The run ends early; raised in the threads so that they leave their clips."""


def finished(folder: Path, sources: Sequence[str]) -> list[Shard | None]:
    """A shard each `shards.CLIPS` sources; None where it is not there, damaged, or older than a source."""
    found: list[Shard | None] = []
    for number, part in enumerate(_parts(sources)):
        shard = shards.load(folder, number, len(part))
        found.append(shard if shard is not None and shard.fresh(part) else None)
    return found


def finish(folder: Path, sources: Sequence[str], rate: int, *, workers: int, progress: Progress) -> list[Shard | None]:
    """Write the shards that are missing, and return all. Whatever ends it early, finished shards stay.

    Raises StorageError where the disk refuses.
    """
    ready, parts = finished(folder, sources), _parts(sources)
    _remove(folder, ".shard-*.part", ())
    missing = [number for number, shard in enumerate(ready) if shard is None]
    if not missing:  # another process did it meanwhile
        return ready
    events: SimpleQueue[Future[None] | None] = SimpleQueue()
    stop = threading.Event()

    def on_clip() -> None:
        if stop.is_set():
            raise _Stopped
        events.put(CLIP)

    def fill(number: int) -> None:
        before = shards.load(folder, number, len(parts[number]))  # older than a source: what has not changed is kept
        ready[number] = shards.write(folder, number, parts[number], rate, on_clip, before)

    done = len(sources) - sum(len(parts[number]) for number in missing)
    with (
        progress("prepare", total=len(sources), unit="clip", initial=done) as advance,
        ThreadPoolExecutor(max(1, workers), thread_name_prefix="prepare") as pool,
    ):
        try:
            for number in missing:
                pool.submit(fill, number).add_done_callback(events.put)
            left = len(missing)
            while left:
                event = events.get()
                if event is None:
                    advance(1)
                else:
                    event.result()
                    left -= 1
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    _remove(folder, "shard-*.pcm", {shard.pcm.name for shard in ready if shard is not None})
    return ready


def _parts(sources: Sequence[str]) -> list[Sequence[str]]:
    return [sources[start : start + shards.CLIPS] for start in range(0, len(sources), shards.CLIPS)]


def _remove(folder: Path, pattern: str, keep: set[str] | tuple[()]) -> None:
    """What a killed run or an older version of a shard left behind."""
    with storage_errors(folder):
        for path in folder.glob(pattern):
            if path.name not in keep:
                path.unlink(missing_ok=True)
