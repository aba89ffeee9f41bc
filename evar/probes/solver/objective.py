"""Value and gradient of many problems at once, in float32: a forward and a backward product for each block of rows.

All problems' linear maps are one matrix (problem x class, coordinate), so that a block is read once for all of them.
Rows that a problem does not learn from have no residual. Sums over blocks are taken in float64, in the blocks' order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evar.probes.solver import losses
from evar.probes.solver.coordinates import Coordinates
from evar.probes.solver.losses import Terms


@dataclass(frozen=True)
class Batch:
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

    def take(self, problems: Tensor) -> "Batch":
        """These problems alone (number,)."""
        label = None if self.label is None else self.label[problems]
        return Batch(self.design[problems], self.strength[problems], label, self.present[problems])


@dataclass
class Point:
    """Where problems stand, float64.

    parameters, gradient:  (problem, class, coordinate + 1): weights U and, last, the intercept
    value:      (problem,)
    curvature:  (problem, class, class), summed over rows, or None where it was not asked for
    bound:      (problem,) certified bound of value - minimum, relative to the value; inf where not certified
    """

    parameters: Tensor
    value: Tensor
    gradient: Tensor
    curvature: Tensor | None
    bound: Tensor

    def take(self, problems: Tensor) -> "Point":
        """Of these problems alone (number,)."""
        curvature = None if self.curvature is None else self.curvature[problems]
        gradient, value = self.gradient[problems], self.value[problems]
        return Point(self.parameters[problems], value, gradient, curvature, self.bound[problems])

    @classmethod
    def joined(cls, points: Sequence["Point"]) -> "Point":
        """Several problems' points as one; without curvature where one of them has none."""
        curvatures = [point.curvature for point in points if point.curvature is not None]
        return cls(
            torch.cat([point.parameters for point in points]),
            torch.cat([point.value for point in points]),
            torch.cat([point.gradient for point in points]),
            torch.cat(curvatures) if len(curvatures) == len(points) else None,
            torch.cat([point.bound for point in points]),
        )

    def put(self, problems: Tensor, other: "Point") -> None:
        """Let `other` stand in these problems' places (number,)."""
        for name in ("parameters", "value", "gradient", "curvature", "bound"):
            own, new = getattr(self, name), getattr(other, name)
            if own is not None and new is not None:
                own[problems] = new


class Objective:
    """The objective over the group's rows; targets: (row,) int64 class numbers, or (row, label) bool."""

    def __init__(self, coordinates: Coordinates, targets: Tensor) -> None:
        self.coordinates = coordinates
        self.designs, self.workers = coordinates.designs, coordinates.workers
        self.slices = coordinates.blocks.slices
        self._targets = targets

    def __call__(self, parameters: Tensor, batch: Batch, *, curvature: bool) -> Point:
        """Evaluate at parameters (problem, class, coordinate + 1)."""
        weights = parameters[..., :-1]
        maps, offsets = self.coordinates.to_rows(weights, batch.design)
        shift = shifts(parameters[..., -1] - offsets, batch).float()

        def work(block: slice) -> tuple[Terms, Tensor]:
            rows = self.coordinates.block(block)
            logits = (rows @ maps.flatten(0, 1).T).view(-1, *shift.shape) + shift
            terms = self.terms(logits, block, batch, curvature=curvature)
            return terms, (terms.residual.flatten(1).T @ rows).view(maps.shape)

        total = Total.over(self.workers.in_order(work, self.slices))
        strength = batch.strength[:, None]
        along = self.coordinates.from_rows(total.gradient, total.intercepts, batch.design)
        gradient = torch.cat([strength[..., None] * along + weights, (strength * total.intercepts)[..., None]], dim=2)
        value = batch.strength * total.value + weights.square().sum((1, 2)) / 2
        return Point(parameters, value, gradient, total.curvature, torch.full_like(value, torch.inf))

    def terms(self, logits: Tensor, block: slice, batch: Batch, *, curvature: bool) -> Terms:
        """Loss terms of a block from its logits (row, problem, class), which it may overwrite."""
        targets = self._targets[block]
        member = self.designs.member[block][:, batch.design] if self.designs.several else None
        if batch.label is None:
            return losses.softmax(logits, targets, member, curvature=curvature)
        return losses.one_logit(logits, targets[:, batch.label], member)


def shifts(intercepts: Tensor, batch: Batch) -> Tensor:
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
        """Add up blocks in their order."""
        total = None
        for terms, gradient in parts:
            intercepts = terms.residual.sum(0, dtype=torch.float64)
            if total is None:
                total = cls(terms.value, gradient.double(), intercepts, terms.curvature)
                continue
            total.value += terms.value
            total.gradient += gradient
            total.intercepts += intercepts
            if total.curvature is not None and terms.curvature is not None:
                total.curvature += terms.curvature
        assert total is not None
        return total
