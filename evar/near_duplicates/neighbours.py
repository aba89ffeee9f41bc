"""Each clip's nearest clips on other sides, by cosine, without comparing all with all: a forest of random trees.

A tree halves the clips at the median of a random projection of their embeddings, each half at that of another, and so
on down to leaves of at most LEAF clips. Only clips of one leaf are compared: which way a clip went at each split is
its hash. A copy lies near its original, so few splits part the two, and where one does, other trees do not.

Halves are halves however the clips are distributed, so no leaf grows with the data: n clips of d dimensions take
about 2 TREES n LEAF d operations and n log n to sort, whatever they are. The price: of a set of clips that are all as
alike as copies are, each is compared with up to TREES LEAF, and not with all.
"""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from evar.base.progress import progress
from evar.base.threads import fit_each

NEAREST = 4  # clips kept of each: a clip with more copies than that is found all the same
TREES = 20
OF_TREE = 2  # that each tree gives of those: other trees give others
LEAF = 80
SPLITTING = 48  # components that are projected, the strongest: in these a copy differs least, beside other clips
_AT_ONCE = 16  # leaves
_STEPS = 2**20  # to a cosine of 1, in keys
_PLACE = 2**32 - 1

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Sides = NDArray[np.int32]
Flags = NDArray[np.bool_]


def nearest(embeddings: Floats, sides: Rows, asking: Sequence[int], workers: int) -> tuple[Rows, NDArray[np.float64]]:
    """(pair, 2) places of every asking clip's NEAREST on other sides, once each and in order, and (pair,) cosines.

    embeddings: (clip, component) of unit length, the strongest components last; sides: (clip,); asking: the sides whose
    clips look for others. Bits do not depend on `workers`: a tree has its seed, its fixed products and one thread.
    """
    asks = np.isin(sides, asking)
    strongest = embeddings[:, -SPLITTING:].T
    trees = range(TREES if len(sides) > LEAF else 1)
    kept = OF_TREE if len(trees) > 1 else NEAREST
    with progress("near-duplicates, neighbours", total=len(trees), unit="tree"):
        work = partial(_of_tree, embeddings, strongest, sides.astype(np.int32), asks, kept)
        found = fit_each(work, trees, at_once=workers, steps=lambda tree: 1)
    keys = np.concatenate(found, axis=1)
    keys.sort(axis=1)
    others = keys & _PLACE
    keys[:, 1:][others[:, 1:] == others[:, :-1]] = 0  # in several trees, whose products may differ by a rounding
    rows, columns = np.nonzero((keys < 0) & (np.cumsum(keys < 0, axis=1) <= NEAREST))
    here, there = np.flatnonzero(asks)[rows], others[rows, columns]
    pairs, first = np.unique(np.minimum(here, there) * len(sides) + np.maximum(here, there), return_index=True)
    return np.stack(np.divmod(pairs, len(sides)), axis=1), -(keys[rows, columns][first] >> 32) / _STEPS - 2


def _of_tree(embeddings: Floats, strongest: Floats, sides: Sides, asks: Flags, kept: int, tree: int) -> Rows:
    """(asking clip, kept) keys of the nearest in its leaf, which sort as their distances; those of none are not < 0.

    A key is the neighbour's place, minus 2^32 times (2 + the cosine) in steps.
    """
    leaves = _leaves(strongest, np.random.default_rng(tree))
    keys = np.zeros((len(sides), kept), np.int64)
    for start in range(0, len(leaves), _AT_ONCE):
        places = leaves[start : start + _AT_ONCE]
        inside, here = embeddings[places], sides[places]
        products = inside @ inside.transpose(0, 2, 1)
        np.copyto(products, -2, where=here[:, :, None] == here[:, None, :])
        leaf, query = np.nonzero(asks[places])
        cosines = products[leaf, query]
        rows = np.arange(len(cosines))
        best = np.empty((len(rows), kept), np.int64)
        values = np.empty((len(rows), kept), np.float32)
        for rank in range(kept):
            best[:, rank] = column = cosines.argmax(axis=1)
            values[:, rank] = cosines[rows, column]
            cosines[rows, column] = -2
        steps = np.rint((values + 2) * _STEPS).astype(np.int64)
        keys[places[leaf, query]] = places[leaf[:, None], best] - (steps << 32)
    return keys[asks]


def _leaves(strongest: Floats, draws: np.random.Generator) -> Rows:
    """(leaf, place) of a tree; some clips are in two leaves, so that all have equally many. strongest: (_, clip)."""
    clips = strongest.shape[1]
    splits = math.ceil(math.log2(max(1, clips / LEAF)))
    nodes = np.resize(np.arange(clips), (1, -(-clips // 2**splits) << splits))
    for heights in draws.standard_normal((splits, len(strongest)), np.float32) @ strongest:
        order = heights[nodes].argpartition(nodes.shape[1] // 2, axis=1)
        nodes = np.take_along_axis(nodes, order, axis=1).reshape(2 * len(nodes), -1)
    return nodes
