"""Which member names of an archive are safe: relative, plain, and staying inside the folder they are unpacked into."""

import os
import re
from pathlib import PurePosixPath

LONGEST_NAME_BYTES = 255  # of one part; what file systems take
LONGEST_PATH_BYTES = 1024


class UnsafeName(Exception):
    """A name that may not be unpacked; the text says why."""


def inside(name: str) -> PurePosixPath:
    """`name` as a path relative to the folder unpacked into ("." is that folder), or UnsafeName."""
    if "\0" in name or "\\" in name:
        raise UnsafeName("it has a character that no name should have")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise UnsafeName("it is absolute")
    path = PurePosixPath(name)
    if ".." in path.parts:
        raise UnsafeName("it leads out of the folder")
    try:
        lengths = [len(os.fsencode(part)) for part in path.parts]
    except UnicodeEncodeError:
        raise UnsafeName("it is not text") from None
    if max(lengths, default=0) > LONGEST_NAME_BYTES or sum(lengths) + len(lengths) > LONGEST_PATH_BYTES:
        raise UnsafeName("it is too long")
    return path
