"""Bootstrap over groups: scores of test clips whose groups are drawn with replacement.

Clips of one recording or speaker err together, so groups are drawn, and not clips. Blocks of resamples are scored side
by side, one thread each; draws are made in order beforehand and counts are whole numbers, whose sums are exact, so
neither the number of threads nor the size of a block changes a bit.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from evar.base.machine import cores
from evar.base.threads import in_order
from evar.scoring.weighted import Prepared, Scores

RESAMPLES = 2000
BLOCK = 128  # resamples that are scored at a time: counts of 20,000 clips in them are 10 MB, which caches hold
BLOCK_WEIGHTS = 2**24  # and no more than 64 MiB of counts

Item = TypeVar("Item")
Result = TypeVar("Result")


def resampled_scores(
    prepared: Sequence[Prepared], groups: NDArray[np.str_], resamples: int, draws: np.random.Generator
) -> Scores:
    """Scores (metric, resample) of the `prepared` metrics, all on the same draws; groups (clip,): each clip's group."""
    names, member = np.unique(groups, return_inverse=True)

    def score(drawn: NDArray[np.float32]) -> Scores:
        weights = np.ascontiguousarray(drawn.T)[member]
        return np.stack([each(weights) for each in prepared])

    blocks = _drawn(len(names), resamples, max(1, min(BLOCK, BLOCK_WEIGHTS // len(member))), draws)
    return np.concatenate(list(_each(score, blocks)), axis=1)


def _drawn(groups: int, resamples: int, block: int, draws: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    """Tables (resample, group) of how often each group was drawn, `resamples` rows in all."""
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = draws.integers(groups, size=(rows, groups)) + groups * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * groups).reshape(rows, groups).astype(np.float32)


def _each(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`work` of each item, in order, as many at once as there are cores; items are taken as they are needed."""
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(cores(), initializer=lambda: torch.set_num_threads(1)) as pool:
            yield from in_order(pool, cores(), work, items)
    finally:
        torch.set_num_threads(threads)
