"""Whether an error says that memory is short, the device's or the host's, and the error for it."""

import contextlib
import errno
from collections.abc import Iterator

from evar.base.errors import DataError

SIGNS = ("DefaultCPUAllocator", "Cannot allocate memory", "out of memory", "could not create a memory")
"""Of a RuntimeError that says it: torch's allocators, a file that cannot be mapped, a device's library, oneDNN."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that something does not fit into the memory of the device or of the host."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


@contextlib.contextmanager
def enough_memory(what: str, where: str) -> Iterator[None]:
    """Turn full memory within the block, which has no batch to halve, into one clear DataError."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise DataError(f"{what} does not fit into {where}; use a machine or a --device with more") from error
