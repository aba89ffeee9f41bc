"""Which problems are solved together, and their certified optima."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evar.base.threads import pieces
from evar.probes.contract import Examples, Floats, Rows, union
from evar.probes.linear import Standardiser
from evar.probes.solver.certificate import Certified, certify
from evar.probes.solver.coordinates import Coordinates
from evar.probes.solver.descent import GAP, Descent
from evar.probes.solver.designs import Designs
from evar.probes.solver.lbfgs import PAIRS
from evar.probes.solver.objective import Objective, ProblemBatch
from evar.probes.solver.precision import exact_products, fast_products
from evar.probes.solver.rows import WIDE, RowBlocks
from evar.probes.solver.workers import Workers

STATE_BYTES = {"cpu": 6 << 30, "cuda": 48 << 30}  # of vectors of the problems that are solved at a time
WIDE_STATE_BYTES = {"cpu": 1 << 30, "cuda": 48 << 30}  # of many classes, which fill the products of rows on their own
VECTOR_BYTES = 4 * 2 * PAIRS + 8 * 10  # a weight: its curvature pairs, points, gradients and their temporaries
LOGIT_BYTES = 4 * 2  # a row: the logits that a model starts from, copied when others end
SHARED = 0.5  # of a group's rows, at least, each of its designs learns from: others' rows are computed in vain


@dataclass(frozen=True)
class LogisticProblem:
    """One problem: the number of its training rows among the designs, C, and the targets' column (None: softmax)."""

    design: int
    strength: float
    label: int | None = None


@dataclass(frozen=True)
class Optimum:
    """Weights (class, dim) on standardised features, intercepts (class,); one row where there is one logit.

    bound:        certified bound of (value - minimum) / value; inf where the intercepts were not to be had
    fast, exact:  evaluations, a forward and a backward product each, by the model and in float64
    passes:       over the rows since they were opened, those for all problems that share them together
    Classes that the training rows lack have weights and intercepts of no meaning.
    """

    standardise: Standardiser
    weights: Floats
    intercepts: NDArray[np.float64]
    bound: float
    fast: int
    exact: int
    passes: int

    @property
    def converged(self) -> bool:
        """Whether the bound is small enough to call it the optimum."""
        return self.bound <= GAP


def solve(
    examples: Examples, designs: Sequence[Rows], fits: Sequence[LogisticProblem], *, max_iter: int, device: torch.device
) -> Generator[tuple[int, Optimum]]:
    """Solve all fits, all of them softmax or all of one logit: (place in `fits`, optimum) of each, as it ends.

    examples: read only at the rows of the designs; y is (row,) for softmax, (row, label) for one logit, and then each
              fit's label has both values in its rows
    designs:  training rows, rising
    Until it is closed torch has one thread and makes no gradients: use it within `contextlib.closing`.
    """
    with Workers(device) as workers, torch.no_grad(), fast_products(device):
        for group in _groups(designs, examples.x.shape[1]):
            numbers = [number for number, fit in enumerate(fits) if fit.design in group]
            if numbers:
                solver = _Group(examples, [designs[design] for design in group], workers)
                for place, optimum in solver.optima([fits[number] for number in numbers], group, max_iter):
                    yield numbers[place], optimum


class _Group:
    """Designs that share one reading of their rows, one set of coordinates and every product."""

    def __init__(self, examples: Examples, trains: Sequence[Rows], workers: Workers) -> None:
        rows = union(trains)
        targets = examples.y
        self._classes = 1 if targets.ndim == 2 else examples.classes
        self._blocks = RowBlocks(examples.x, rows, workers, self._classes)
        self._designs = Designs.of(self._blocks, rows, trains, workers)
        self._targets = torch.from_numpy(targets[rows]).to(workers.device)
        self._standardisers = [self._designs.standardiser(self._blocks, design) for design in range(len(trains))]
        with exact_products(workers.device):
            coordinates = Coordinates.of(self._blocks, self._designs, workers)
        self._objective = Objective(coordinates, self._targets)
        self._shares = self._class_shares()

    def optima(
        self, fits: Sequence[LogisticProblem], group: Sequence[int], max_iter: int
    ) -> Iterator[tuple[int, Optimum]]:
        """(place in `fits`, optimum) of each, in the order in which they end; `group`: numbers of its designs."""
        column = self._objective.coordinates.basis.shape[1] * VECTOR_BYTES + self._blocks.count * LOGIT_BYTES
        room = (WIDE_STATE_BYTES if self._classes >= WIDE else STATE_BYTES)[self._targets.device.type]
        at_once = max(1, room // (column * self._classes))
        place = {design: number for number, design in enumerate(group)}
        for part in pieces(len(fits), at_once):
            own = fits[part]
            batch = self._batch(own, [place[fit.design] for fit in own])
            for each in Descent(self._objective, batch, self._start(batch), max_iter).run():
                standardise = self._standardisers[place[own[each.number].design]]
                optimum = Optimum(
                    standardise, each.weights, each.intercepts, each.bound, each.fast, each.exact, self._blocks.passes
                )
                yield part.start + each.number, optimum

    def _batch(self, fits: Sequence[LogisticProblem], designs: Sequence[int]) -> ProblemBatch:
        device = self._targets.device
        strength = torch.tensor([fit.strength for fit in fits], dtype=torch.float64, device=device)
        label = None if self._targets.ndim == 1 else torch.tensor([fit.label for fit in fits], device=device)
        return self._problems(torch.tensor(designs, device=device), strength, label)

    def _problems(self, design: Tensor, strength: Tensor, label: Tensor | None) -> ProblemBatch:
        present = self._shares[design] > 0 if label is None else torch.ones_like(design[:, None], dtype=torch.bool)
        return ProblemBatch(design, strength, label, present)

    def _start(self, batch: ProblemBatch) -> Certified:
        """Exact points without weights, the intercepts the best of those.

        There value and gradient are proportional to C: evaluated once for all C of a design and label.
        """
        labels = 1 if batch.label is None else self._targets.shape[1]
        keys = batch.design * labels + (0 if batch.label is None else batch.label)
        keys, place = torch.unique(keys, return_inverse=True)
        ones = torch.ones(len(keys), dtype=torch.float64, device=keys.device)
        design = keys // labels
        unit = self._problems(design, ones, None if batch.label is None else keys % labels)
        width = self._objective.coordinates.basis.shape[1] + 1
        parameters = torch.zeros((len(keys), self._classes, width), dtype=torch.float64, device=keys.device)
        if unit.label is None:
            parameters[..., -1] = self._shares[design].log().masked_fill(~unit.present, 0.0)
        else:
            parameters[:, 0, -1] = torch.special.logit(self._shares[design, unit.label])
        start = certify(self._objective, parameters, unit).take(place)
        start.point.value *= batch.strength
        start.point.gradient *= batch.strength[:, None, None]
        start.bound *= batch.strength
        return start

    def _class_shares(self) -> Tensor:
        """(design, class) float64: the share of a design's rows that are of the class, or have the label."""
        count: Tensor | float = 0.0
        for block in self._blocks.slices:
            own = self._targets[block]
            positive = own if own.ndim == 2 else torch.nn.functional.one_hot(own, self._classes)
            count = count + self._designs.member[block].double().T @ positive.double()
        return count / self._designs.count[:, None]


def _groups(designs: Sequence[Rows], dim: int) -> list[list[int]]:
    """Numbers of designs that go together: alone those of fewer rows than dimensions, whose own span is small."""
    groups: list[tuple[list[int], Rows]] = []
    alone = []
    for number, train in enumerate(designs):
        if len(train) < dim:
            alone.append([number])
            continue
        for place, (members, rows) in enumerate(groups):
            both = union([rows, train])
            if min(len(designs[member]) for member in [*members, number]) >= SHARED * len(both):
                groups[place] = ([*members, number], both)
                break
        else:
            groups.append(([number], train))
    return [*(members for members, _ in groups), *alone]
