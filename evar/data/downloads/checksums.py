"""Is a file the one that is meant? By its published checksum, else by the sha256 recorded when it was first used.

A record is `NAME.sha256` beside the file, one line as sha256sum writes and checks it.
"""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from evar.base.files import write_atomic
from evar.base.progress import Progress
from evar.data.downloads.sources import RemoteFile

BLOCK_BYTES = 1 << 20


class WrongBytes(Exception):
    """The file is another one; the text says what it has and what was meant."""


def require_right(
    path: Path, file: RemoteFile, place: Path, *, progress: Progress, note: Callable[[str], None]
) -> None:
    """Check the bytes at `path`, which are or will be `place`; record their sha256 where nothing is known of them.

    Raises WrongBytes.
    """
    if file.bytes is not None and (size := path.stat().st_size) != file.bytes:
        raise WrongBytes(f"it has {size:,} bytes, published are {file.bytes:,}")
    if file.checksum is not None:
        kind, _, meant = file.checksum.partition(":")
        _require(_digest(path, kind, progress), meant, f"{kind} published")
        return
    record = place.with_name(place.name + ".sha256")
    found = _digest(path, "sha256", progress)
    if meant := _recorded(record):
        _require(found, meant, f"sha256 recorded in {record}")
        return
    write_atomic(record, f"{found}  {place.name}\n")
    note(f"{file.name}: no checksum is published; its sha256 {found} is recorded in {record} and checked from now on")


def _require(found: str, meant: str, which: str) -> None:
    if found != meant:
        raise WrongBytes(f"its checksum is {found}, the {which} is {meant}")


def _recorded(record: Path) -> str:
    try:
        found = re.match(r"[0-9a-f]{64}\b", record.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ""
    if not found:
        raise WrongBytes(f"{record} holds no sha256 to check it by: delete that file to record it anew")
    return found[0]


def _digest(path: Path, kind: str, progress: Progress) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as file, progress(f"verify {path.name}", total=path.stat().st_size, unit="byte") as advance:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            advance(len(block))
    return digest.hexdigest()
