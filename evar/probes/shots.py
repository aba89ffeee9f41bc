"""Few-shot training clips: n of each class, drawn from a round's training rows, several times.

A draw orders all clips of the task at random, from the seed and the draw's number alone; of each class the first n
training clips in that order are taken. So fewer shots of a draw are among its more shots, and a class with fewer
training clips than n gives all that it has.

Validation rows: the task's valid split where there is one, whole. Else the drawn clips are parted, groups kept whole
and every class spread over the parts; what the parts are for stands in `holdout.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evar.data.manifest import Round
from evar.probes.contract import Examples, Rows, Targets

MOST_PARTS = 5


@dataclass(frozen=True)
class FewShots(Round):
    """A round of few training clips, named "ROUND draw D", D from 1.

    parts: the training rows, parted to be held out in turn; empty where the task has a valid split, or where no class
           has clips in two parts, so that none of them could judge a fit on the others
    """

    parts: tuple[Rows, ...] = ()


def draw(examples: Examples, rounds: Sequence[Round], shots: int, number: int, seed: int) -> list[FewShots]:
    """Draw `number` (from 0) of `shots` clips a class for every round of a single-label task."""
    y = examples.y
    order = np.random.default_rng([seed, number]).permutation(len(y))
    place = np.empty(len(y), dtype=np.int64)
    place[order] = np.arange(len(y))
    drawn = []
    for each in rounds:
        train = _first_of_each_class(each.train, y, place, shots)
        parts = () if each.valid is not None else parted(train, y, examples.groups, min(shots, MOST_PARTS))
        drawn.append(FewShots(f"{each.name} draw {number + 1}", train, each.valid, each.test, parts))
    return drawn


def short_classes(examples: Examples, rounds: Sequence[Round], shots: int) -> tuple[int, ...]:
    """Numbers of the classes with fewer than `shots` training clips in one of the rounds at least."""
    counts = np.array([np.bincount(examples.y[each.train], minlength=examples.classes) for each in rounds])
    return tuple(np.flatnonzero((counts < shots).any(axis=0)).tolist())


def parted(train: Rows, y: Targets, groups: NDArray[np.str_], most: int) -> tuple[Rows, ...]:
    """`train` in at most `most` parts of whole groups, each in rising order; none where no class lies in two of them.

    Groups are dealt out from the largest on, each to the part with the fewest clips of its classes, then with the
    fewest clips, then to the first. y (clip,), groups (clip,).
    """
    names, member = np.unique(groups[train], return_inverse=True)
    counts = np.zeros((len(names), int(y[train].max()) + 1), dtype=np.int64)
    np.add.at(counts, (member, y[train]), 1)
    there = np.zeros((most, counts.shape[1]), dtype=np.int64)
    home = np.empty(len(names), dtype=np.int64)
    for group in np.argsort(-counts.sum(axis=1), kind="stable"):
        home[group] = np.lexsort((there.sum(axis=1), there @ counts[group]))[0]
        there[home[group]] += counts[group]
    if not ((there > 0).sum(axis=0) > 1).any():
        return ()
    return tuple(train[home[member] == part] for part in np.flatnonzero(there.sum(axis=1)))


def _first_of_each_class(train: Rows, y: Targets, place: NDArray[np.int64], shots: int) -> Rows:
    """The training rows of the `shots` first places of each class, in rising order; place (clip,)."""
    ranked = train[np.lexsort((place[train], y[train]))]  # class by class, each in the order of places
    _, first, counts = np.unique(y[ranked], return_index=True, return_counts=True)
    rank = np.arange(len(ranked)) - np.repeat(first, counts)
    return np.sort(ranked[rank < shots])
