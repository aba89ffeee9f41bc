"""Whether an error says that memory is short: the device's, or the host's."""

import torch


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that something does not fit into the memory of the device or of the host."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
