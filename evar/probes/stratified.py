"""Iterative stratification: a tenth of multi-label rows in which every class has about its tenth.

Source: Sechidis, Tsoumakas, Vlahavas: On the Stratification of Multi-Label Data, ECML PKDD 2011, algorithm 1. Two
things are added: what is dealt out are whole groups, and a class with two or more groups keeps one to learn from.
Counts are integers: a side's wish is kept in tenths of a clip, so that no rounding decides a tie.
"""

import numpy as np
from numpy.typing import NDArray

from evar.probes.contract import Rows, Targets

Counts = NDArray[np.int64]
TENTHS = np.array([9, 1])  # of the rows: to learn from, held out
LEARN, HOLD = 0, 1


def stratified_tenth(
    train: Rows, y: Targets, groups: NDArray[np.str_] | NDArray[np.int64], seed: int
) -> tuple[Rows, Rows]:
    """Split training rows, of two groups or more, into (nine tenths, about a tenth), both in rising order.

    y: (clip, class), see `Targets`; groups: (clip,), whole on one side.
    """
    names, member, sizes = np.unique(groups[train], return_inverse=True, return_counts=True)
    counts = np.zeros((len(names), y.shape[1]), dtype=np.int64)
    np.add.at(counts, member, y[train] == 1)
    order = np.random.default_rng(seed).permutation(len(names))
    held = np.empty(len(names), dtype=np.bool_)
    held[order] = _mended(_dealt(counts[order], sizes[order]), counts[order])
    return np.sort(train[~held[member]]), np.sort(train[held[member]])


def _dealt(counts: Counts, sizes: Counts) -> NDArray[np.bool_]:
    """(group,) True where held out; counts (group, class) and sizes (group,) in clips. The order breaks last ties.

    The class with the fewest clips left comes first, for it is the hardest to share out; each of its groups goes where
    more of this class is wished for, then where more clips are, then to learn from. Groups without a class come last.
    """
    wished, room = np.outer(TENTHS, counts.sum(axis=0)), TENTHS * sizes.sum()
    left, waiting = counts.sum(axis=0), np.ones(len(counts), dtype=np.bool_)
    held = np.zeros(len(counts), dtype=np.bool_)
    while waiting.any():
        there = np.flatnonzero(left)
        rarest = there[left[there].argmin()] if len(there) else None
        for group in np.flatnonzero(waiting if rarest is None else waiting & (counts[:, rarest] > 0)):
            own = (0, 0) if rarest is None else wished[:, rarest]
            side = HOLD if (own[HOLD], room[HOLD]) > (own[LEARN], room[LEARN]) else LEARN
            held[group] = side == HOLD
            waiting[group] = False
            wished[side] -= TENTHS.sum() * counts[group]
            room[side] -= TENTHS.sum() * sizes[group]
            left -= counts[group]
    return held


def _mended(held: NDArray[np.bool_], counts: Counts) -> NDArray[np.bool_]:
    """Leave each class with two or more groups one to learn from, and something held out; changes and returns `held`.

    Giving a group back takes no class from the learning side. Where nothing is held out, each such class has all its
    groups there, so that any one can be spared.
    """
    there = counts > 0
    for index in np.flatnonzero((there.sum(axis=0) > 1) & ~there[~held].any(axis=0)):
        if not there[~held, index].any():
            held[np.flatnonzero(there[:, index])[0]] = False
    if not held.any():
        held[0] = True
    return held
