"""The copy in memory that a file with a wrong header is replaced by."""

import io
import shutil
from typing import BinaryIO

_BLOCK = 1 << 20  # bytes


def copy(file: BinaryIO, start: int = 0, head: bytes = b"") -> io.BytesIO:
    """`head` and what `file` holds from `start` on, once: a BytesIO made of bytes copies them when written to."""
    content = io.BytesIO()
    content.write(head)
    file.seek(start)
    shutil.copyfileobj(file, content, _BLOCK)
    return content
