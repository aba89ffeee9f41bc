"""What lies in the cache: prepared stores and embeddings, their size, what they belong to, and what may go."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from evar.base.files import KEY, locked, remove_unfinished, storage_errors, unheld
from evar.base.json_file import read_json

SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class Item:
    """One folder of the cache.

    kind:      "store" or "embeddings"
    owner:     what it belongs to, for people
    size:      bytes on disk
    used:      when it, or embeddings of the store, were last written or opened; seconds since the epoch
    leftover:  why it is of no use any more; "" where it is
    store:     the folder's name of the store that embeddings were made of
    code:      what code outside this package the embeddings depend on, see `Identity`
    """

    kind: Literal["store", "embeddings"]
    folder: Path
    owner: str
    size: int
    used: float
    leftover: str
    store: str = ""
    code: str = ""


@dataclass(frozen=True)
class Pruned:
    """What `prune` removed, what it kept because a process uses it, and the bytes that are left."""

    removed: list[Item]
    kept: list[Item]
    left: int


def inventory(cache: Path) -> list[Item]:
    """Everything in the cache, largest first."""
    stores = [_store(folder) for folder in _folders(cache / "stores")]
    names = {item.folder.name for item in stores if not item.leftover}
    latest: dict[str, float] = {}
    embeddings = [_embeddings(folder, names) for folder in _folders(cache / "embeddings")]
    for item in embeddings:
        latest[item.store] = max(latest.get(item.store, 0.0), item.used)
    stores = [replace(item, used=max(item.used, latest.get(item.folder.name, 0.0))) for item in stores]
    return sorted([*stores, *embeddings], key=lambda item: (-item.size, item.folder))


def prune(
    cache: Path, *, older_than_days: int | None = None, everything: bool = False, most: int | None = None
) -> Pruned:
    """Delete leftovers, what was not used for `older_than_days`, or all; never what a process uses.

    most: then also what was used longest ago, until stores and embeddings take at most so many bytes. Embeddings go
    before the store that they were made of. Two at once take turns. Raises StorageError where the disk refuses.
    """
    if not cache.is_dir():
        return Pruned([], [], 0)
    before = time.time() - older_than_days * SECONDS_A_DAY if older_than_days is not None else None
    with locked(cache / "prune", f"waiting for another process that prunes {cache}"):
        _remove_left_over(cache)
        items = inventory(cache)
        due = [item for item in items if everything or item.leftover or (before is not None and item.used < before)]
        rest = [] if most is None else [item for item in items if item not in due]
        left, removed, kept = sum(item.size for item in items), [], []
        for item in due + sorted(rest, key=lambda item: (item.used, item.kind == "store")):
            if most is not None and left <= most and item not in due:
                break
            if remove(item):
                removed.append(item)
            elif item.folder.exists():
                kept.append(item)
                continue
            left -= item.size
    return Pruned(removed, kept, left)


def remove(item: Item, *, even_if_held: bool = False) -> bool:
    """Delete one folder; False where it is gone, or a process writes to it or has mapped what lies in it.

    even_if_held: also where it is mapped; the maps stay with who has them. Raises StorageError where the disk refuses.
    """
    lock = FileLock(item.folder.with_name(item.folder.name + ".lock"))
    with storage_errors(item.folder):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        try:
            with unheld(() if even_if_held else _files(item.folder)) as free:
                if free:
                    item.folder.unlink() if item.folder.is_symlink() else shutil.rmtree(item.folder)
                return free
        except FileNotFoundError:
            return False
        finally:
            lock.release()


def forget(cache: Path, key: str) -> None:
    """Delete the embeddings of this key (see `Embeddings`), whose weights nobody will ask for again, and their lock."""
    for folder in (cache / "embeddings").glob(f"*-{key[:16]}"):
        if folder.is_dir() and read_json(folder / KEY).get("key") is not None:
            remove(_embeddings(folder, set()), even_if_held=True)
        with contextlib.suppress(OSError):
            folder.with_name(folder.name + ".lock").unlink()


def _remove_left_over(cache: Path) -> None:
    """Delete, all over the cache, the temporary files that killed processes left."""
    for folder, _, _ in os.walk(cache):
        remove_unfinished(Path(folder))


def _folders(place: Path) -> Iterator[Path]:
    return (folder for folder in sorted(place.glob("*")) if folder.is_dir())


def _files(folder: Path) -> Iterator[Path]:
    return (Path(place, name) for place, _, names in os.walk(folder) for name in names)


def _store(folder: Path) -> Item:
    key = read_json(folder / KEY)
    root = key.get("root", "")
    leftover = "" if key and Path(root).exists() else f"its dataset {root} is gone" if root else "it has no key"
    rate = f"{key.get('rate', '?')} {'pixels' if key.get('modality') == 'image' else 'Hz'}"
    return Item("store", folder, f"{root} at {rate}, {key.get('clips', '?')} clips", *_use(folder), leftover)


def _embeddings(folder: Path, stores: set[str]) -> Item:
    content, record = read_json(folder / KEY), read_json(folder / "done.json")
    key, store = content.get("key", {}), content.get("store", "?")
    owner = f"{key.get('encoder', '?')} {key.get('precision', '')} on {store}"
    owner += "" if record else " (unfinished)"
    leftover = "" if store in stores else "its store is gone" if key else "it has no key"
    return Item("embeddings", folder, owner, *_use(folder), leftover, store, key.get("code", ""))


def _use(folder: Path) -> tuple[int, float]:
    """(bytes, last use) of a folder."""
    states = []
    for file in _files(folder):
        with contextlib.suppress(OSError):  # it has just gone
            states.append(file.stat())
    return sum(state.st_size for state in states), max((state.st_mtime for state in states), default=0.0)
