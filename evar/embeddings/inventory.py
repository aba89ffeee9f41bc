"""What lies in the cache: prepared stores and embeddings, their size, what they belong to, and what may go."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from evar.base.files import storage_errors

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


def remove(item: Item) -> bool:
    """Delete one folder; False where a process is working on it."""
    lock = FileLock(item.folder.with_name(item.folder.name + ".lock"))
    with storage_errors(item.folder):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        try:
            shutil.rmtree(item.folder)
        finally:
            lock.release()
    return True


def _folders(place: Path) -> Iterator[Path]:
    return (folder for folder in sorted(place.glob("*")) if folder.is_dir())


def _store(folder: Path) -> Item:
    key = _json(folder / "key.json")
    root = key.get("root", "")
    leftover = "" if key and Path(root).exists() else f"its dataset {root} is gone" if root else "it has no key"
    return Item(
        "store", folder, f"{root} at {key.get('rate', '?')} Hz, {key.get('clips', '?')} clips", *_use(folder), leftover
    )


def _embeddings(folder: Path, stores: set[str]) -> Item:
    content, record = _json(folder / "key.json"), _json(folder / "done.json")
    key, store = content.get("key", {}), content.get("store", "?")
    owner = f"{key.get('encoder', '?')} {key.get('precision', '')} on {store}"
    owner += "" if record else " (unfinished)"
    leftover = "" if store in stores else "its store is gone" if key else "it has no key"
    return Item("embeddings", folder, owner, *_use(folder), leftover, key.get("code", ""))


def _use(folder: Path) -> tuple[int, float]:
    """(bytes, last use) of a folder."""
    states = [file.stat() for file in folder.rglob("*") if file.is_file()]
    return sum(state.st_size for state in states), max((max(s.st_mtime, s.st_atime) for s in states), default=0.0)


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
