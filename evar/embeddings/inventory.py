"""What lies in the cache: prepared stores and embeddings, their size, what they belong to, and what may go."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from evar.base.files import is_held, remove_unfinished, storage_errors
from evar.base.json_file import read_json

SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class Item:
    """One folder of the cache.

    kind:      "store" or "embeddings"
    owner:     what it belongs to, for people
    size:      bytes on disk
    used:      when it was last written or read, seconds since the epoch
    leftover:  why it is of no use any more; "" where it is
    code:      what code outside this package the embeddings hinge on, see `Identity`
    """

    kind: Literal["store", "embeddings"]
    folder: Path
    owner: str
    size: int
    used: float
    leftover: str
    code: str = ""


def inventory(cache: Path) -> list[Item]:
    """Everything in the cache, largest first."""
    stores = [_store(folder) for folder in _folders(cache / "stores")]
    names = {item.folder.name for item in stores if not item.leftover}
    embeddings = [_embeddings(folder, names) for folder in _folders(cache / "embeddings")]
    return sorted([*stores, *embeddings], key=lambda item: (-item.size, item.folder))


def prunable(items: list[Item], *, older_than_days: int | None, everything: bool) -> list[Item]:
    """Those that are leftovers, not used for `older_than_days`, or simply all."""
    before = time.time() - older_than_days * SECONDS_A_DAY if older_than_days is not None else None
    return [item for item in items if everything or item.leftover or (before is not None and item.used < before)]


def in_use(item: Item) -> bool:
    """Whether a process has mapped what lies in the folder."""
    return any(map(is_held, _files(item.folder)))


def remove(item: Item) -> bool:
    """Delete one folder; False where a process writes to it, or deletes it. Who has mapped its files keeps the maps."""
    lock = FileLock(item.folder.with_name(item.folder.name + ".lock"))
    with storage_errors(item.folder):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        try:
            item.folder.unlink() if item.folder.is_symlink() else shutil.rmtree(item.folder)
        except FileNotFoundError:
            return False
        finally:
            lock.release()
    return True


def remove_left_over(cache: Path) -> None:
    """Delete, all over the cache, the temporary files that killed processes left."""
    for folder, _, _ in os.walk(cache):
        remove_unfinished(Path(folder))


def _folders(place: Path) -> Iterator[Path]:
    return (folder for folder in sorted(place.glob("*")) if folder.is_dir())


def _files(folder: Path) -> Iterator[Path]:
    return (Path(place, name) for place, _, names in os.walk(folder) for name in names)


def _store(folder: Path) -> Item:
    key = read_json(folder / "key.json")
    root = key.get("root", "")
    leftover = "" if key and Path(root).exists() else f"its dataset {root} is gone" if root else "it has no key"
    return Item(
        "store", folder, f"{root} at {key.get('rate', '?')} Hz, {key.get('clips', '?')} clips", *_use(folder), leftover
    )


def _embeddings(folder: Path, stores: set[str]) -> Item:
    content, record = read_json(folder / "key.json"), read_json(folder / "done.json")
    key, store = content.get("key", {}), content.get("store", "?")
    owner = f"{key.get('encoder', '?')} {key.get('precision', '')} on {store}"
    owner += "" if record else " (unfinished)"
    leftover = "" if store in stores else "its store is gone" if key else "it has no key"
    return Item("embeddings", folder, owner, *_use(folder), leftover, key.get("code", ""))


def _use(folder: Path) -> tuple[int, float]:
    """(bytes, last use) of a folder."""
    states = []
    for file in _files(folder):
        with contextlib.suppress(OSError):  # it has just gone
            states.append(file.stat())
    return sum(state.st_size for state in states), max((max(s.st_mtime, s.st_atime) for s in states), default=0.0)
