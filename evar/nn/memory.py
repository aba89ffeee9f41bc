"""Whether an error says that memory is short, the device's or the host's, and what is told then."""

import contextlib
from collections.abc import Iterator

import torch

from evar.base.errors import DataError


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that something does not fit into the memory of the device or of the host."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


@contextlib.contextmanager
def enough_memory(what: str, where: str) -> Iterator[None]:
    """Turn full memory within the block, which has no batch to halve, into one clear DataError."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise DataError(f"{what} does not fit into {where}; use a machine or a --device with more") from error
