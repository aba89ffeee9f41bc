"""Validation rows: which rows a fit learns from, and which rows judge its setting, before any test row is read.

In all that follows a round's test rows take no part.

- official:  the task has a valid split.
- random:    no valid split, a probe with validation "random": a tenth of the training clips, anew a seed.
- grouped:   no valid split, a probe with validation "grouped": a tenth of train in whole groups, anew a seed.
- folds:     no valid split, three or more rounds: for test fold i, each other fold j is held out in turn. The fit
             without {i, j} serves test fold i (judged on j) and test fold j (judged on i).
- tenth:     no valid split, fewer rounds: a tenth of the training clips, whole groups only.

Of few shots (`shots.py`) without a valid split:

- parts:     each part is held out in turn; the mean over them judges.
- part:      a probe with validation "random" or "grouped": one part, the next one for the next seed.
- none:      where they cannot be parted nothing is held out and nothing judged.

A tenth is drawn at random, for a multi-label task by iterative stratification (`stratified.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from evar.base.errors import DataError
from evar.data.manifest import Round
from evar.probes.contract import NO_ROWS, Examples, Probe, Rows, Targets
from evar.probes.shots import FewShots
from evar.probes.stratified import stratified_tenth

SHARE = 0.1  # of the training clips that are held out where nothing else says which
# here a trial's fit is its round's last; else that is made on all of train
WITHOUT_REFIT = ("official", "random", "grouped", "part")


@dataclass(frozen=True)
class Trial:
    """One seed's fit on `train`, before its test round is known to it.

    judged:  (round number, validation rows) for every round that it serves
    stop_on: validation rows that the fit itself may look at, for early stopping
    """

    train: Rows
    judged: tuple[tuple[int, Rows], ...]
    seed: int
    stop_on: Rows


def scheme(probe: Probe, rounds: Sequence[Round]) -> str:
    """How validation rows are found: "official", "random", "folds", ...; see the module's docstring."""
    if all(each.valid is not None for each in rounds):
        return "official"
    if any(isinstance(each, FewShots) for each in rounds):
        if not parts(rounds):
            return "none"
        return "parts" if probe.validation == "folds" else "part"
    if probe.validation != "folds":
        return probe.validation
    return "folds" if len(rounds) > 2 else "tenth"


def by_scheme(rounds: Sequence[Round]) -> list[list[int]]:
    """Numbers of the rounds whose settings are chosen together: all, but those of few shots without parts apart."""
    apart = {number for number, each in _few(rounds) if each.valid is None and not each.parts}
    return [members for members in (sorted(set(range(len(rounds))) - apart), sorted(apart)) if members]


def trials(probe: Probe, examples: Examples, rounds: Sequence[Round], seeds: Sequence[int]) -> list[Trial]:
    """All trials of one setting. Raises DataError where there is too little to hold some out."""
    y, groups = examples.y, examples.groups
    each_seed = [(i, each, s) for i, each in enumerate(rounds) for s in seeds]
    match scheme(probe, rounds):
        case "official":
            return [_judged(i, each.train, _valid(each), s) for i, each, s in each_seed]
        case "random":
            return [_judged(i, *random_tenth(each.train, y, s), s) for i, each, s in each_seed]
        case "grouped":
            return [_judged(i, *grouped_tenth(each.train, y, groups, s), s) for i, each, s in each_seed]
        case "tenth":
            return [_judged(i, *grouped_tenth(each.train, y, groups, s), s, stops=False) for i, each, s in each_seed]
        case "parts":
            return [_held(i, each, k, s) for i, each in _few(rounds) for k in range(len(each.parts)) for s in seeds]
        case "part":
            return [_held(i, each, s % len(each.parts), s, stops=True) for i, each in _few(rounds) for s in seeds]
        case "folds":
            return [_pair(rounds, i, j, s) for i, j in combinations(range(len(rounds)), 2) for s in seeds]
        case _:
            return []


def random_tenth(train: Rows, y: Targets, seed: int) -> tuple[Rows, Rows]:
    """Split training rows into (nine tenths, a tenth of the clips), in rising order; y (clip,) or (clip, class)."""
    if len(train) < 2:
        raise DataError(f"{len(train)} training clips are too few to hold a tenth of them out for validation")
    if y.ndim == 2:
        return stratified_tenth(train, y, np.arange(len(y)), seed)
    shuffled = np.random.default_rng(seed).permutation(train)
    held = max(1, round(SHARE * len(train)))
    return np.sort(shuffled[held:]), np.sort(shuffled[:held])


def grouped_tenth(train: Rows, y: Targets, groups: NDArray[np.str_], seed: int) -> tuple[Rows, Rows]:
    """Split training rows into (nine tenths, about a tenth in whole groups), both in rising order.

    y: (clip,) or (clip, class); groups: (clip,). Groups of a single-label task are gone through in random order, and
    each that still fits into the tenth is taken; where none does, the smallest group.
    """
    names, member, sizes = np.unique(groups[train], return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise DataError(
            f"the training clips are of {len(names)} group, at least 2 are needed to hold some out for validation: "
            "give the task a valid split or finer groups"
        )
    if y.ndim == 2:
        return stratified_tenth(train, y, groups, seed)
    held = np.zeros(len(names), dtype=np.bool_)
    room = max(1, round(SHARE * len(train)))
    for group in np.random.default_rng(seed).permutation(len(names)):
        if sizes[group] <= room and held.sum() < len(names) - 1:
            held[group] = True
            room -= sizes[group]
    if not held.any():
        held[sizes.argmin()] = True
    return train[~held[member]], train[held[member]]


def _valid(each: Round) -> Rows:
    assert each.valid is not None
    return each.valid


def _judged(number: int, train: Rows, valid: Rows, seed: int, *, stops: bool = True) -> Trial:
    """The fit on `train` for one round, judged on `valid`, and stopped early by it where it may be."""
    return Trial(train, ((number, valid),), seed, valid if stops else NO_ROWS)


def parts(rounds: Sequence[Round]) -> int:
    """How many parts there are of few shots, over all rounds."""
    return sum(len(each.parts) for _, each in _few(rounds))


def _few(rounds: Sequence[Round]) -> list[tuple[int, FewShots]]:
    return [(number, each) for number, each in enumerate(rounds) if isinstance(each, FewShots)]


def _held(number: int, each: FewShots, part: int, seed: int, *, stops: bool = False) -> Trial:
    """The fit without one part, judged on it."""
    held = each.parts[part]
    return _judged(number, _without(each.train, held), held, seed, stops=stops)


def _without(rows: Rows, others: Rows) -> Rows:
    """The rows that are none of the others, in their order: by a mask, which sorts nothing."""
    kept = np.ones(1 + max(rows.max(), others.max()), dtype=np.bool_)
    kept[others] = False
    return rows[kept[rows]]


def _pair(rounds: Sequence[Round], i: int, j: int, seed: int) -> Trial:
    """The fit without the test rows of rounds i and j, judged on each for the other."""
    train = _without(rounds[i].train, rounds[j].test)
    if not np.array_equal(train, _without(rounds[j].train, rounds[i].test)):
        raise ValueError(f"rounds {rounds[i].name} and {rounds[j].name} are no folds: each must train on all others")
    return Trial(train, ((i, rounds[j].test), (j, rounds[i].test)), seed, NO_ROWS)
