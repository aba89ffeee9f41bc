"""Published checkpoints by name: fetched at first use, unpacked safely, checked ever after.

CACHE/weights/NAME/ holds what the release's archive held, and beside the checkpoint its sha256, recorded when it was
fetched. Names, addresses and terms stand in `weights/sources.yaml`; nothing is guessed.
"""

import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from evar.data.downloads.checksums import WrongBytes, require_right
from evar.data.downloads.fetch import Fetcher
from evar.data.downloads.sources import Address, RemoteFile
from evar.data.downloads.unpack import unpack
from evar.data.task import Strict, Text
from evar.errors import CheckpointError, unknown
from evar.files import locked, storage_errors
from evar.nn.checkpoint import find_checkpoint
from evar.yaml_file import read_yaml_as

TABLE = Path(__file__).parents[1] / "weights" / "sources.yaml"
PROVENANCE = "the release's own page"


class Release(Strict):
    """One published archive: a zip with one checkpoint. what: for people."""

    address: Address
    what: Text


class Releases(Strict):
    """The table. terms: what a user must know before using any of them."""

    terms: Text
    releases: Mapping[str, Release]


@dataclass(frozen=True)
class Place:
    """Where a release lies, or will. folder: its own; archive: the zip on its way."""

    folder: Path
    archive: Path


@cache
def releases(table: Path = TABLE) -> Releases:
    """The table of releases. Raises UsageError where it breaks the schema."""
    return read_yaml_as(table, Releases)


def place_of(name: str, folder: Path) -> Place:
    """Where the release `name` lies in the cache `folder`."""
    return Place(folder / "weights" / name, folder / "weights" / "downloads" / f"{name}.zip")


def checkpoint_of(name: str, folder: Path, fetcher: Fetcher) -> Path:
    """The checkpoint of the release `name`, fetched into the cache `folder` where it is not there, and checked.

    Raises UsageError for an unknown name, DataError where it cannot be fetched, CheckpointError where what lies there
    is not what was fetched.
    """
    known = releases()
    if name not in known.releases:
        raise unknown("release", name, known.releases)
    place = place_of(name, folder)
    if not place.folder.is_dir():
        with locked(place.folder, lambda: fetcher.note(f"waiting for another process that fetches {name}")):
            if not place.folder.is_dir():
                fetcher.note(f"{name}: {known.terms}")
                _fetch(name, known.releases[name], place, fetcher)
    return check(name, folder, fetcher)


def check(name: str, folder: Path, fetcher: Fetcher) -> Path:
    """The fetched checkpoint of the release `name`. Raises CheckpointError where it is not as it was when fetched."""
    place = place_of(name, folder)
    file = find_checkpoint(place.folder)
    try:
        require_right(
            file,
            _remote(releases().releases[name].address, file.name),
            file,
            progress=fetcher.progress,
            note=fetcher.note,
        )
    except WrongBytes as error:
        raise CheckpointError(
            f"{file} is not what was fetched: {error}; remove {place.folder} to fetch it anew"
        ) from error
    return file


def _fetch(name: str, release: Release, place: Place, fetcher: Fetcher) -> None:
    fetcher.bring(_remote(release.address, place.archive.name), place.archive)
    temporary = place.folder.with_name(f".{name}.{uuid.uuid4().hex}.unpacking")
    try:
        unpack(place.archive, temporary, progress=fetcher.progress)
        inside = temporary / name
        whole = inside if inside.is_dir() else temporary
        file = find_checkpoint(whole)
        require_right(file, _remote(release.address, file.name), file, progress=fetcher.progress, note=fetcher.note)
        with storage_errors(place.folder):
            whole.replace(place.folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    place.archive.unlink()


def _remote(address: str, file: str) -> RemoteFile:
    """A file whose checksum nobody publishes."""
    return RemoteFile(name=file, addresses=[address], provenance=PROVENANCE)
