"""How much of some files lies in the page cache, and how to have them out of it (Linux)."""

import ctypes
import mmap
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np


def share(files: Iterable[Path]) -> float:
    """The share of the files' pages that lie in memory, 0 to 1."""
    libc = ctypes.CDLL(None, use_errno=True)
    there = pages = 0
    for file in files:
        if not file.stat().st_size:
            continue
        content = np.memmap(file, dtype=np.uint8, mode="r")
        found = np.zeros(-(-len(content) // mmap.PAGESIZE), dtype=np.uint8)
        where, length = ctypes.c_void_p(content.ctypes.data), ctypes.c_size_t(len(content))
        if libc.mincore(where, length, ctypes.c_void_p(found.ctypes.data)):
            raise OSError(ctypes.get_errno(), f"mincore refused {file}")
        there, pages = there + int((found & 1).sum()), pages + len(found)
    return there / max(pages, 1)


def drop(files: Iterable[Path]) -> None:
    """Write the files out and ask the kernel to forget their pages."""
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
