"""Independent fits side by side in threads, one thread of linear algebra each.

Sums whose order depends on the number of threads would make a score depend on the machine's load; and for products of
this size one thread a fit is also faster than two (measured: twice as fast for 8,732 x 3,840).
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

from evar.base.errors import StorageError
from evar.base.machine import cores as cores
from evar.base.progress import advance

Item = TypeVar("Item")
Result = TypeVar("Result")
P = ParamSpec("P")


class Threads(ThreadPoolExecutor):
    """A pool that lacks threads with one clear error: StorageError, see `submit`."""

    def submit(self, work: Callable[P, Result], /, *args: P.args, **named: P.kwargs) -> Future[Result]:
        """Have `work` done. Raises StorageError where the system starts no more threads."""
        try:
            return super().submit(work, *args, **named)
        except RuntimeError as error:
            if "start new thread" not in str(error):
                raise
            raise StorageError(
                "no more threads can be started: end other programs, or allow more (ulimit -u), and run again"
            ) from error


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Within it, NumPy and SciPy use one thread for each product."""
    with threadpool_limits(limits=1):
        yield


def fit_each(
    fit: Callable[[Item], Result],
    items: Sequence[Item],
    prepare_thread: Callable[[], object] = lambda: None,
    at_once: int | None = None,
    steps: Callable[[Item], int] = lambda item: 0,
) -> list[Result]:
    """`[fit(item) for item in items]`.

    prepare_thread: what each new thread calls first; at_once: how many threads, None for as many as there are cores.
    steps: how far the open bar advances as an item ends.
    The first exception ends it: fits not yet begun are dropped.
    """
    workers = min(at_once or cores(), max(1, len(items)))
    with one_thread(), Threads(workers, initializer=prepare_thread) as pool:
        futures = {pool.submit(fit, item): item for item in items}
        try:
            for future in as_completed(futures):
                future.result()
                advance(steps(futures[future]))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]


def in_order(
    pool: ThreadPoolExecutor, ahead: int, work: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[Result]:
    """`work(item)` for each item, in the items' order; `ahead` are under way or wait, and items are taken as needed."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def pieces(count: int, size: int) -> list[slice]:
    """Slices of at most `size` that cover range(count)."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
