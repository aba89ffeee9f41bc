"""Feeding the device: batches of a plan, in order, read by threads into a ring of memory that is used again.

The limit is the memory's rate: a clip is checked and copied while it lies in a core's cache, nothing is allocated for a
batch, and checking and copying release the interpreter lock, so that more readers read more.
"""

from collections.abc import Iterable, Iterator

from torch import Tensor

from evar.base.threads import Threads, in_order
from evar.embeddings.batches import Batch, Plan


def feed(plan: Plan, blocks: Iterable[int], size: int, *, readers: int, pinned: bool = False) -> Iterator[Batch]:
    """The batch of `size` clips of each of `blocks`. It may be used until two more are asked for.

    readers: threads that read ahead; 0 for none, where the caller's own cores are all busy. pinned: memory from which
    a CUDA device copies without waiting. Raises StorageError where the disk changed a clip.
    """
    ring = [plan.buffer(size, pinned=pinned) for _ in range(readers + 2)]
    turns = ((block, ring[turn % len(ring)]) for turn, block in enumerate(blocks))

    def read(turn: tuple[int, Tensor]) -> Batch:
        block, into = turn
        return plan.batch(block, size, into)

    if not readers:
        yield from map(read, turns)
        return
    with Threads(readers, thread_name_prefix="feed") as pool:
        yield from in_order(pool, readers, read, turns)
