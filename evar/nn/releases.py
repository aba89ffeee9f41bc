"""Checkpoints by name: published ones, fetched at first use, unpacked safely, checked ever after; and bundled ones.

CACHE/weights/NAME/ holds what the release's archive held, and beside the checkpoint its sha256, recorded when it was
fetched. A bundled checkpoint lies in `weights/` and is checked by the sha256 of the table. Names, addresses and terms
stand in `weights/sources.yaml`; nothing is guessed.
"""

import logging
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from evar.base.errors import CheckpointError, UsageError, did_you_mean, unknown
from evar.base.files import locked
from evar.base.yaml_file import read_yaml_as
from evar.data.downloads.fetch import Fetcher, WrongBytes, require_right
from evar.data.downloads.sources import Address, RemoteFile
from evar.data.downloads.unpack import unpacked
from evar.data.task import Strict, Text
from evar.nn.checkpoint_file import digest_of, find_checkpoint

log = logging.getLogger(__name__)

TABLE = Path(__file__).parents[1] / "weights" / "sources.yaml"
DEFAULT = "tiny"  # the bundled checkpoint that stands where none is given
RESTORE = "restore it (git checkout), or install the package anew"
PROVENANCE = "the release's own page"


class Release(Strict):
    """One published archive: a zip with one checkpoint. what: for people."""

    address: Address
    what: Text


class Bundled(Strict):
    """One checkpoint that this project trained and carries: a file of `weights/`. what: for people."""

    file: Text
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    what: Text


class Releases(Strict):
    """The table. terms: what a user must know before using any of the releases."""

    bundled: Mapping[str, Bundled] = {}
    terms: Text
    releases: Mapping[str, Release]

    @property
    def names(self) -> list[str]:
        """All names, the bundled first."""
        return [*self.bundled, *self.releases]


@cache
def releases(table: Path = TABLE) -> Releases:
    """The table of releases. Raises UsageError where it breaks the schema."""
    return read_yaml_as(table, Releases)


def folder_of(name: str, cache: Path) -> Path:
    """Where the release `name` lies in the cache, or will."""
    return cache / "weights" / name


def bundled_checkpoint(name: str = DEFAULT) -> Path:
    """The bundled checkpoint of that name. Raises CheckpointError where its file is missing or not the one meant."""
    bundled = releases().bundled[name]
    file = TABLE.with_name(bundled.file)
    try:
        found = digest_of(file)
    except OSError as error:
        raise CheckpointError(
            f"{file}, the bundled encoder {name}, cannot be read: {error.strerror}; {RESTORE}"
        ) from error
    if found != bundled.sha256:
        raise CheckpointError(f"{file}, the bundled encoder {name}, is damaged: {RESTORE}")
    return file


def meant_by(text: str) -> str | None:
    """The name of the checkpoint that `text` means; None where it means none.

    Beside its name, a bundled one may be called as its file is, with or without suffix, which is what rows show.
    """
    known = releases()
    files = {each: name for name, one in known.bundled.items() for each in (one.file, Path(one.file).stem)}
    return text if text in known.names else files.get(text)


def bundled_digests() -> set[str]:
    """sha256 of every bundled checkpoint."""
    return {bundled.sha256 for bundled in releases().bundled.values()}


def named_or_file(weights: str | Path | None, cache: Path) -> Path | None:
    """The file or folder that `weights` means: what lies there, or the checkpoint of that name, fetched where needed.

    Raises UsageError, with near names, for what looks like the name of a checkpoint and is none.
    """
    if weights is None:
        return None
    name, known = str(weights), releases().names
    if not name.strip():
        raise UsageError("the weights are empty: name a checkpoint's file or folder, or one of evar weights list")
    if os.path.exists(weights):  # noqa: PTH110  a path may be too long for a Path
        if name in known:
            log.warning(
                f"weights {name}: what lies here under that name, not the checkpoint that `evar weights list` shows"
            )
        return Path(weights)
    if (meant := meant_by(name)) is not None:
        return checkpoint_of(meant, cache, Fetcher())
    if Path(name).name == name and (near := did_you_mean(name, known, cutoff=0.8)):
        raise UsageError(f"no checkpoint at {name} and none of that name: {near} (evar weights list shows all)")
    return Path(weights)


def checkpoint_of(name: str, folder: Path, fetcher: Fetcher) -> Path:
    """The checkpoint of that name: bundled, or fetched into the cache `folder` where it is not there; and checked.

    Raises UsageError for an unknown name, DataError where it cannot be fetched, CheckpointError where what lies there
    is not what is meant.
    """
    known = releases()
    if name not in known.names:
        raise unknown("checkpoint", name, known.names)
    place = folder_of(name, folder)
    if name in known.releases and not place.is_dir():
        with locked(place, f"waiting for another process that fetches {name}"):
            if not place.is_dir():
                log.info(f"{name}: {known.terms}")
                _fetch(name, known.releases[name], place, fetcher)
    return check(name, folder)


def check(name: str, folder: Path) -> Path:
    """The checkpoint of that name, bundled or fetched. Raises CheckpointError where it is not as it was."""
    if name in releases().bundled:
        return bundled_checkpoint(name)
    place = folder_of(name, folder)
    file = find_checkpoint(place)
    try:
        require_right(file, _remote(releases().releases[name].address, file.name), file)
    except WrongBytes as error:
        raise CheckpointError(f"{file} is not what was fetched: {error}; remove {place} to fetch it anew") from error
    return file


def _fetch(name: str, release: Release, place: Path, fetcher: Fetcher) -> None:
    archive = place.parent / "downloads" / f"{name}.zip"
    fetcher.fetch(_remote(release.address, archive.name), archive)
    with unpacked(archive, place) as folder:
        inside = folder / name
        whole = inside if inside.is_dir() else folder
        file = find_checkpoint(whole)
        require_right(file, _remote(release.address, file.name), file)
        whole.replace(place)


def _remote(address: str, file: str) -> RemoteFile:
    """A file whose checksum nobody publishes."""
    return RemoteFile(name=file, address=address, provenance=PROVENANCE)
