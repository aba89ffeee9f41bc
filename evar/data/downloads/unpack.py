"""Unpacking a zip, tar or tar.gz into a folder beside its place.

Members stay inside the folder: `zipfile` ensures that by itself, in tars a name that leads out of it is refused, as a
link or a device is. Modes, owners and times are not taken over; what unpacks to far more than a dataset does is a bomb.
Datasets come as archives whose checksum was verified before (`sources.yaml`).
"""

import contextlib
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from evar.base.errors import DataError
from evar.base.files import require_space, storage_errors
from evar.base.progress import progress

ANOTHER = "delete it and get another copy"
UNPACKED = 1.5  # bytes that a byte of an audio archive unpacks to, at most: gzip saves a tenth to a third of 16-bit PCM
MOST_UNPACKED = 10  # what is more than that, and SLACK_BYTES, is a bomb
SLACK_BYTES = 16 << 20
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError)


@contextlib.contextmanager
def unpacked(archive: Path, place: Path) -> Iterator[Path]:
    """Yield a folder beside `place` with all that `archive` holds; move to `place` what belongs there.

    The folder is removed at the end, and the archive where there was no error. Needs a lock on `place`: what a killed
    run has left is removed, too. Raises DataError where the archive is damaged, refused or beyond the bounds,
    StorageError where the disk refuses or has no room.
    """
    require_space(place.parent, int(archive.stat().st_size * UNPACKED), f"unpacking {archive}")
    folder = place.with_name(f".{place.name}.unpacking")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _unpack(archive, folder)
        with storage_errors(place):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    archive.unlink()


def _unpack(archive: Path, folder: Path) -> None:
    total = archive.stat().st_size
    left = total * MOST_UNPACKED + SLACK_BYTES
    bar = progress(f"unpack {archive.name}", total=total, unit="byte")
    try:
        with storage_errors(folder), archive.open("rb") as file, bar as advance:
            folder.mkdir(parents=True)
            used = 0
            for size, extract in _members(file):
                left -= size
                if left < 0:
                    raise DataError(
                        f"{archive} is not unpacked: it unpacks to far more bytes than a dataset does; {ANOTHER}"
                    )
                extract(folder)
                before, used = used, file.tell()
                advance(used - before)
    except DAMAGE as error:
        raise DataError(f"{archive} is damaged, or no zip, tar or tar.gz archive ({error}); {ANOTHER}") from error


def _members(file: BinaryIO) -> Iterator[tuple[int, Callable[[Path], object]]]:
    """Size of each member, and what puts it into a folder. The kind is known by the first bytes, never by a name."""
    magic = file.read(2)
    file.seek(0)
    if magic == b"PK":
        with zipfile.ZipFile(file) as archive:
            for each in archive.infolist():
                yield each.file_size, partial(archive.extract, each)
        return
    with tarfile.open(fileobj=file, mode="r|*") as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # later Pythons want one
        for member in tar:
            if not (member.isfile() or member.isdir()):
                raise ValueError(f"member {member.name!r} is a link or a device")
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"member {member.name!r} is outside the destination")
            yield member.size, partial(tar.extract, member, set_attrs=False)
