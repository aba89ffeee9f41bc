"""Members of an uncompressed tar, read where they lie: the shards of WebDataset.

A compressed tar can be read from its start alone, so it is refused. Links and devices are no members here.
"""

import os
import tarfile
from typing import NamedTuple

from evar.base.errors import DataError

MOST_TEXT = 1 << 20


class Member(NamedTuple):
    """Where a member's bytes lie in the tar."""

    offset: int
    size: int


def members(file: str) -> dict[str, Member]:
    """Name -> place of each regular file in the tar, in its order; only headers are read.

    Raises DataError, with a reason that does not name the file, where it is no tar or is cut; OSError.
    """
    found: dict[str, Member] = {}
    try:
        with tarfile.open(file, "r:") as archive:
            for each in archive:
                if each.isreg() and not each.issparse():
                    found[each.name.removeprefix("./")] = Member(each.offset_data, each.size)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise DataError(f"it is no uncompressed tar, or is cut or damaged ({error}): fetch it again") from error
    end = os.stat(file).st_size  # noqa: PTH116
    if any(each.offset + each.size > end for each in found.values()):
        raise DataError("the tar is cut: its last member goes beyond its end; fetch it again")
    return found


def read(file: str, member: Member) -> bytes:
    """The bytes of a member. Raises OSError, DataError where the tar is cut."""
    with open(file, "rb", buffering=0) as archive:  # noqa: PTH123
        archive.seek(member.offset)
        data, left = bytearray(), member.size
        while left and (block := archive.read(left)):
            data += block
            left -= len(block)
    if left:
        raise DataError("the tar is cut: fetch it again")
    return bytes(data)


def texts(file: str, wanted: dict[str, Member]) -> dict[str, bytes]:
    """The bytes of small members, in one pass. Raises OSError, DataError for one of over MOST_TEXT bytes."""
    found = {}
    with open(file, "rb") as archive:  # noqa: PTH123
        for name, member in sorted(wanted.items(), key=lambda item: item[1].offset):
            if member.size > MOST_TEXT:
                raise DataError(f"{file}: {name} is of {member.size:,} bytes, too many for a label")
            archive.seek(member.offset)
            found[name] = archive.read(member.size)
    return found
