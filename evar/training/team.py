"""The processes that train together, one a device, as `torchrun` starts them; alone where it did not.

    torchrun --nproc-per-node 8 run_eval.py pretrain FOLDER

Each process reads its part of every batch; gradients are averaged, so all hold the same weights after every step.
"""

import contextlib
import datetime
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

PATIENCE = datetime.timedelta(hours=12)  # the others wait while the first one evaluates a checkpoint


@dataclass(frozen=True)
class Team:
    """Which process this is (`rank`, from 0) of how many."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that talks, logs and saves."""
        return self.rank == 0

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over the processes; one message for all, in the order given."""
        self._reduce(tensors, self.size)

    def total(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the processes, as `average`."""
        self._reduce(tensors, 1)

    def gather(self, tensor: Tensor) -> Tensor:
        """The tensors (clip, ...) of all processes, of one shape, one behind the other in the order of the ranks."""
        if self.size == 1:
            return tensor
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        dist.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.size > 1:
            dist.barrier()

    def share(self, count: int) -> slice:
        """The part of this process in `count` clips, which `size` divides."""
        each = count // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def _reduce(self, tensors: Sequence[Tensor], divisor: int) -> None:
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        flat /= divisor
        pieces = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, piece in zip(tensors, pieces, strict=True):
            tensor.copy_(piece.view_as(tensor))


def local_rank() -> int:
    """The number of this process on its machine, which is that of its device."""
    return int(os.environ.get("LOCAL_RANK", 0))


def own_device(name: str) -> str:
    """The device of this process by a setting's name: its own where `torchrun` started one a device."""
    return f"cuda:{local_rank()}" if name in ("auto", "cuda") and torch.cuda.is_available() else name


def is_first() -> bool:
    """Whether this process is the first of its team, read from the environment, before it has joined."""
    return int(os.environ.get("RANK", 0)) == 0


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Team]:
    """The team of this process, for the block: NCCL between CUDA devices, else gloo."""
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1:
        yield Team()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Team(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
