"""The nearest clips on the other sides of a split, by blocks of products: never a table of all clips by all clips.

n clips in equal folds and d dimensions take about 2 n^2 d operations (3.5 TFLOP for 100,000 clips in ten folds: about a
minute of a core, `python -m benchmarks.leaks`), and memory for one block of products a thread; of each clip only its
NEAREST are kept, however many are alike.

Conventions: embeddings (clip, dimension) float32 of unit length, so that a product is a cosine; sides (clip,) int.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

NEAREST = 4  # clips kept of each: a clip with more copies than that is found all the same
QUERIES, OTHERS = 512, 4096  # clips a block of products: 8 MiB


@dataclass(frozen=True)
class Block:
    """Clips of one side, and all clips of the other sides, as places in the order by side."""

    queries: slice
    others: tuple[slice, ...]


def blocks(sides: Rows, asking: Sequence[int]) -> list[Block]:
    """The work for all clips of the sides in `asking`; `sides` (clip,) in ascending order."""
    found = []
    for side in asking:
        start, stop = np.searchsorted(sides, [side, side + 1]).tolist()
        others = (*_cut(0, start, OTHERS), *_cut(stop, len(sides), OTHERS))
        found += [Block(queries, others) for queries in _cut(start, stop, QUERIES) if others]
    return found


def nearest(embeddings: Floats, block: Block) -> tuple[Floats, Rows]:
    """(query, NEAREST) cosines, and (query, NEAREST) places of those clips; -inf and -1 where there are fewer."""
    queries = embeddings[block.queries]
    cosines = np.full((len(queries), NEAREST), -np.inf, np.float32)
    places = np.full((len(queries), NEAREST), -1, np.int64)
    for others in block.others:
        products = queries @ embeddings[others].T
        rows = np.flatnonzero(products.max(axis=1) > cosines.min(axis=1))
        if len(rows):
            here = np.broadcast_to(np.arange(others.start, others.stop), (len(rows), products.shape[1]))
            cosines[rows], places[rows] = _best(
                np.concatenate([cosines[rows], products[rows]], axis=1), np.concatenate([places[rows], here], axis=1)
            )
    return cosines, places


def _best(values: Floats, places: Rows) -> tuple[Floats, Rows]:
    """The NEAREST largest of each row, and their places."""
    columns = np.argpartition(values, -NEAREST, axis=1)[:, -NEAREST:]
    return np.take_along_axis(values, columns, axis=1), np.take_along_axis(places, columns, axis=1)


def _cut(start: int, stop: int, size: int) -> list[slice]:
    return [slice(first, min(first + size, stop)) for first in range(start, stop, size)]
