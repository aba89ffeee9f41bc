"""Unpacking an archive of unknown origin into a new folder: plain files and folders, within bounds.

Refused with one line: names that lead elsewhere (names.py), links, devices, sparse and encrypted members
(archives.py). Bombs run into bounds on the number of members and on the bytes that come out, as declared and as they
come; for a tar they count the whole decompressed stream, headers included. Modes, owners and times are not taken over.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from evar.base.errors import DataError
from evar.base.files import storage_errors
from evar.base.progress import Progress
from evar.data.downloads.archives import BLOCK_BYTES, DAMAGE, Member, members
from evar.data.downloads.names import UnsafeName, inside

ANOTHER = "delete it and get another copy"


@dataclass(frozen=True)
class Bounds:
    """What an archive may unpack to: `ratio` times its own bytes and `slack` more, in `members` files and folders.

    Audio under gzip unpacks to 1.5 times its bytes at most; the largest dataset here has 106,000 members.
    """

    ratio: float = 10.0
    slack: int = 16 << 20
    members: int = 300_000


USUAL = Bounds()


class Unacceptable(Exception):
    """The archive holds what is never unpacked; the text says what."""


def unpack(archive: Path, folder: Path, *, progress: Progress, bounds: Bounds = USUAL) -> None:
    """Unpack `archive` into `folder`, which must not exist yet; after any error the caller throws the folder away.

    Raises DataError where the archive is damaged, refused or beyond the bounds, StorageError where the disk refuses.
    """
    total = archive.stat().st_size
    left = int(total * bounds.ratio) + bounds.slack

    def came_out(amount: int) -> None:
        nonlocal left
        left -= amount
        if left < 0:
            raise Unacceptable("it unpacks to far more bytes than audio does")

    bar = progress(f"unpack {archive.name}", total=total, unit="byte")
    try:
        with storage_errors(folder), archive.open("rb") as file, bar as advance:
            folder.mkdir(parents=True)
            _extract(members(file, read=advance, came_out=came_out), folder, left, bounds.members)
    except Unacceptable as error:
        raise DataError(f"{archive} is not unpacked: {error}; {ANOTHER}") from error
    except DAMAGE as error:
        raise DataError(f"{archive} is damaged, or no zip, tar or tar.gz archive ({error}); {ANOTHER}") from error


def _extract(listed: Iterable[Member], folder: Path, most_bytes: int, most_members: int) -> None:
    declared = 0
    for number, member in enumerate(listed, start=1):
        declared += member.size
        if declared > most_bytes:
            raise Unacceptable("it promises far more bytes than audio unpacks to")
        if number > most_members:
            raise Unacceptable(f"it has more than {most_members:,} members")
        if member.refusal:
            raise Unacceptable(f"member {member.name!r} is {member.refusal}")
        try:
            _write(member, folder / inside(member.name))
        except UnsafeName as error:
            raise Unacceptable(f"member {member.name!r}: {error}") from error
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise Unacceptable(f"member {member.name!r} stands where another one does") from error


def _write(member: Member, place: Path) -> None:
    if member.is_folder:
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as source, place.open("wb") as target:
        shutil.copyfileobj(source, target, BLOCK_BYTES)
    if (found := place.stat().st_size) != member.size:
        raise Unacceptable(f"member {member.name!r} has {found:,} bytes instead of {member.size:,}")
