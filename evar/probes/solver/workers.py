"""Independent pieces of work side by side, their results in order: the same bits on any number of cores.

On a CPU each piece runs in one thread of linear algebra and as many pieces at once as there are cores; how the work is
cut into pieces never depends on that number. On CUDA the pieces are queued one after another.
"""

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar

import torch

from evar.base import threads

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """A pool to be used as a context: torch and BLAS use one thread each within it."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._count = threads.cores() if device.type == "cpu" else 1
        self._limit = threads.one_thread()

    def __enter__(self) -> Self:
        self._before = torch.get_num_threads()
        torch.set_num_threads(1)
        self._limit.__enter__()
        self._pool = threads.Threads(self._count, initializer=torch.set_num_threads, initargs=(1,))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._limit.__exit__(kind, error, trace)
        torch.set_num_threads(self._before)

    def in_order(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """`work(item)` for each item, in the items' order; few results wait at a time."""
        if self._count == 1 or len(items) == 1:
            yield from map(work, items)
            return
        yield from threads.in_order(self._pool, self._count, work, items)
