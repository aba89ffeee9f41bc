"""What is minimised: problems of one kind over a group's rows, and where each of them stands.

All problems' linear maps are one matrix (problem x class, width), so that a block of rows is read once for all of them.
Rows that a problem does not learn from have no residual. Sums over blocks are taken in float64, in the blocks' order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evar.probes.solver import losses
from evar.probes.solver.coordinates import Coordinates
from evar.probes.solver.losses import Terms
from evar.probes.solver.precision import products_round


@dataclass(frozen=True)
class ProblemBatch:
    """Some problems of one kind.

    design:    (problem,) number of the training rows
    strength:  (problem,) float64: C
    label:     (problem,) column of the targets (one logit), or None (softmax)
    present:   (problem, class) bool: classes that the training rows have
    """

    design: Tensor
    strength: Tensor
    label: Tensor | None
    present: Tensor

    def take(self, problems: Tensor) -> "ProblemBatch":
        """These problems alone (number,)."""
        label = None if self.label is None else self.label[problems]
        return ProblemBatch(self.design[problems], self.strength[problems], label, self.present[problems])


@dataclass
class Iterate:
    """Where problems stand, float64.

    parameters, gradient:  (problem, class, coordinate + 1): weights U and, last, the intercept
    value:      (problem,)
    curvature:  (problem, class, class), summed over rows, or None where it was not asked for
    """

    parameters: Tensor
    value: Tensor
    gradient: Tensor
    curvature: Tensor | None

    @classmethod
    def joined(cls, points: Sequence["Iterate"]) -> "Iterate":
        """Several problems' points as one."""
        curvatures = [point.curvature for point in points if point.curvature is not None]
        return cls(
            torch.cat([point.parameters for point in points]),
            torch.cat([point.value for point in points]),
            torch.cat([point.gradient for point in points]),
            torch.cat(curvatures) if curvatures else None,
        )

    def take(self, problems: Tensor) -> "Iterate":
        """Of these problems alone (number,)."""
        curvature = None if self.curvature is None else self.curvature[problems]
        return Iterate(self.parameters[problems], self.value[problems], self.gradient[problems], curvature)

    def put(self, problems: Tensor, other: "Iterate") -> None:
        """Let `other` stand in these problems' places (number,)."""
        self.parameters[problems] = other.parameters
        self.value[problems] = other.value
        self.gradient[problems] = other.gradient
        if self.curvature is not None and other.curvature is not None:
            self.curvature[problems] = other.curvature


class Objective:
    """The objective over the group's rows; targets: (row,) int64 class numbers, or (row, label) bool."""

    def __init__(self, coordinates: Coordinates, targets: Tensor) -> None:
        self.coordinates = coordinates
        self.designs, self.workers = coordinates.designs, coordinates.workers
        self.slices, self.rows = coordinates.blocks.slices, coordinates.blocks.count
        self._targets = targets
        self.rounds = products_round(self.workers.device)

    def terms(self, logits: Tensor, block: slice, batch: ProblemBatch, *, curvature: bool) -> Terms:
        """Loss terms of a block from its logits (row, problem, class), which it may overwrite."""
        targets = self._targets[block]
        member = self.designs.member[block][:, batch.design] if self.designs.several else None
        if batch.label is None:
            return losses.softmax(logits, targets, member, curvature=curvature)
        return losses.one_logit(logits, targets[:, batch.label], member)


def shifts(intercepts: Tensor, batch: ProblemBatch) -> Tensor:
    """Intercepts (problem, class), -inf for a class that the training rows lack."""
    return intercepts.masked_fill(~batch.present, -torch.inf)


@dataclass
class Total:
    """Sums over blocks, float64: value, gradient by the linear map, gradient by the intercepts, curvature."""

    value: Tensor
    gradient: Tensor
    intercepts: Tensor
    curvature: Tensor | None

    @classmethod
    def over(cls, parts: Iterable[tuple[Terms, Tensor]]) -> "Total":
        """Add up blocks (terms, gradient by the linear map) in their order."""
        total = None
        for terms, gradient in parts:
            intercepts = terms.residual.sum(0, dtype=torch.float64)
            if total is None:
                total = cls(terms.value, gradient.double(), intercepts, terms.curvature)
                continue
            total.value += terms.value
            total.gradient += gradient.double()  # in one step, mixed, it takes three times as long
            total.intercepts += intercepts
            if total.curvature is not None and terms.curvature is not None:
                total.curvature += terms.curvature
        assert total is not None
        return total
