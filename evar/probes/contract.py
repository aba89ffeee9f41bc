"""What a probe is: a small classifier fitted on frozen embeddings.

A plug-in is one file of this folder; its name is its name on the command line. It exports

    open_probe(**options) -> Probe

A row number says which of the task's clips is meant. Higher scores are better.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
NO_ROWS: Rows = np.empty(0, dtype=np.int64)
Targets = NDArray[np.int64] | NDArray[np.bool_] | NDArray[np.int8]
"""(clip,) int64 class numbers; for multi-label tasks (clip, class) bool or, where labels are known in part, int8: 1
where the clip has the label, 0 where it has not, UNKNOWN (-1) where nobody knows, which neither teaches nor scores.
`y == 1` is the positives of either, `y == 0` the negatives."""
UNKNOWN = -1
Setting = float | str | None
"""An entry of a probe's grid: a number, or a name that reads well, such as "lr=0.001 wd=0.1"."""
S = TypeVar("S", bound=Setting, default=Any)
"""What one probe's settings are: `Probe[float]` fits `Problem[float]`; a bare `Probe` is any."""

ScoreFunction = Callable[[Floats, Targets], float]
"""(logits (clip, class), targets) -> the task's metric; higher is better."""


def known(y: Targets) -> NDArray[np.bool_] | None:
    """(clip, class) which entries are known; None where all are for sure."""
    return y != UNKNOWN if y.dtype == np.int8 else None


@dataclass(frozen=True)
class Examples:
    """All clips of a task, as a probe sees them.

    x:        (clip, dim) float32 embeddings, which may be a memory map, or a `LayerStack`
    y:        see `Targets`
    groups:   (clip,) names: recording, speaker, ...
    classes:  how many there are
    layers:   how many layers lie side by side in x
    """

    x: Floats
    y: Targets
    groups: NDArray[np.str_]
    classes: int
    layers: int = 1


@dataclass(frozen=True)
class Problem(Generic[S]):
    """One fit: `train` rows to learn from, `valid` rows for early stopping (may be empty), one setting, one seed."""

    train: Rows
    valid: Rows
    setting: S
    seed: int


class Fitted(Protocol):
    """A fitted probe."""

    @property
    def converged(self) -> bool:
        """Whether the fit reached its own stopping rule rather than its limit of iterations."""

    def logits(self, x: Floats) -> Floats:
        """(clip, dim) -> (clip, class) unnormalised scores, finite for every class of the task."""


@dataclass(frozen=True)
class Chosen:
    """A test round's final fits (one a seed) and how their setting was chosen on validation rows.

    setting:  the chosen entry of the probe's grid
    at_edge:  whether it lies at the edge of the grid, so that a better one may lie beyond
    curve:    setting -> mean validation score; empty where there was nothing to choose
    valid:    mean validation score of that setting; None where nothing asked for it
    """

    fits: Sequence[Fitted]
    setting: Setting
    at_edge: bool
    curve: dict[str, float]
    valid: float | None = None


class Probe(ABC, Generic[S]):
    """A kind of classifier with its protocol.

    name:        of its file; options: all in force; package: which other package's plug-in it is, with version and
                 digest of its sources, "" for our own. Whoever opens the probe sets these, and the device
    grid:        the settings to choose from on validation rows, listed from the most restrained: of equally good ones
                 the first is taken; (None,) where there is nothing to choose
    seeds:       how many seeds it is fitted with; their scores are averaged
    validation:  where validation rows come from when a task has no valid split:
                 "folds" (each other training fold held out in turn; without folds a tenth of train by group),
                 "grouped" (a tenth of the training clips in whole groups, drawn anew for each seed), or
                 "random" (a random tenth of the training clips, drawn anew for each seed, as the M2D papers do)
    device:      where it may fit, as torch names it; a probe may know the CPU alone
    takes_unknown:
                 whether it learns from targets with unknown entries; any other is fitted label by label (`by_label.py`)
    weighs_layers:
                 whether it is fitted once, on a learned weighted sum over the encoder's layers (`layer_sum.py`)
    can_be_saved:
                 whether its fits are of a kind that `saved.py` can write to a file
    """

    name: str
    options: dict[str, Any]
    package: str = ""
    grid: tuple[S, ...]
    seeds: int = 1
    validation: Literal["folds", "grouped", "random"] = "folds"
    device: str = "cpu"
    takes_unknown: bool = False
    weighs_layers: bool = False
    can_be_saved: bool = True

    def at_edge(self, setting: S) -> bool:
        """Whether a setting lies at the edge of the grid, so that a better one may lie beyond."""
        return len(self.grid) > 1 and setting in (self.grid[0], self.grid[-1])

    @abstractmethod
    def fit(self, examples: Examples, problems: Sequence[Problem[S]], score: ScoreFunction) -> Sequence[Fitted]:
        """Fit every problem, together where that is faster; as each ends, `progress.advance()`, from any thread.

        Statistics of any kind come from a problem's own training rows alone; `score` is for early stopping.
        Deterministic: the same problems with the same seeds give the same bits, however many cores there are.
        """


def union(sets: Iterable[Rows]) -> Rows:
    """The rows of any of the sets, rising, each once: by a mask, which sorts nothing."""
    listed = list(sets)
    there = np.zeros(1 + max((int(each.max()) for each in listed if len(each)), default=-1), dtype=np.bool_)
    for each in listed:
        there[each] = True
    return np.flatnonzero(there)


def rises(values: Sequence[float]) -> bool:
    """Whether there are finite values, each higher than the last."""
    return bool(values) and all(map(math.isfinite, values)) and all(low < high for low, high in pairwise(values))
