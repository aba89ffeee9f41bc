"""The iteration: problems go downhill together and leave as each reaches its certified optimum.

Every problem has its own curvature pairs, step length and end. It goes on in float32 until the estimated bound is small
or rounding stops its progress, then in float64 with exact intercepts, where each value comes with its certificate:
with the curvature already learnt, few steps are left to do there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evar.probes.contract import Floats
from evar.probes.solver.certificate import certify
from evar.probes.solver.lbfgs import CurvaturePairs, inner
from evar.probes.solver.objective import Batch, Objective, Point
from evar.probes.solver.precondition import Preconditioner
from evar.probes.solver.workers import pieces

GAP = 1e-6  # relative to the value: what is certified
GAP_FLOAT32 = 2.5e-7  # estimated in float32, at which float64 takes over
DECREASE = 1e-4  # Armijo's share of the decrease that the slope promises
FLATTER = 0.8  # Hager & Zhang (2005), eq. 4.1: a slope so much flatter will do where values are lost in rounding
ROUNDING = (1e-6, 1e-12)  # relative error of values in float32, in float64
TRIALS = 12  # step lengths an iteration
SHORTEST, LONGEST = 0.1, 0.5  # the next trial's step, relative to the last
PATIENCE = (8, 32)  # iterations without half the bound and without a decrease above ROUNDING, float32 and float64
EARLY, EVERY = 3, 4  # the preconditioner is measured anew in each early iteration, then in every fourth
PIECE_BYTES = 4 << 20  # of one vector, a piece of work


@dataclass(frozen=True)
class Ended:
    """Problem `number` of the batch: weights (class, dim), intercepts (class,), the certified relative bound.

    float32, float64: how often it was evaluated, in each precision
    """

    number: int
    weights: Floats
    intercepts: NDArray[np.float64]
    bound: float
    float32: int
    float64: int


@dataclass
class Progress:
    """Of each problem that goes on: its number, whether it is in float64, and what its end is judged by.

    best, best_value:  least bound (estimated or certified) and the value there; since: iterations without half of it
    failures:          line searches in a row that found no step
    """

    number: Tensor
    precise: Tensor
    best: Tensor
    best_value: Tensor
    since: Tensor
    failures: Tensor
    float32: Tensor
    float64: Tensor

    @classmethod
    def start(cls, value: Tensor) -> "Progress":
        """For new problems of these values (problem,)."""
        zeros = torch.zeros(len(value), dtype=torch.int64, device=value.device)
        numbers = torch.arange(len(value), device=value.device)
        best = torch.full_like(value, torch.inf)
        return cls(numbers, zeros.bool(), best, value, zeros, zeros, zeros + 1, zeros)

    def take(self, problems: Tensor) -> "Progress":
        """Of these problems alone (number,)."""
        return Progress(*(each[problems] for each in vars(self).values()))

    def see(self, bound: Tensor, value: Tensor) -> None:
        """Take note of an iteration's bounds and values."""
        better = bound < self.best / 2
        self.best = torch.where(better, bound, self.best)
        self.best_value = torch.where(better, value, self.best_value)
        self.since = torch.where(better, 0, self.since + 1)

    def stalled(self, value: Tensor, *, precise: bool) -> Tensor:
        """(problem,) bool: no progress that this precision can tell from rounding."""
        flat = self.best_value - value <= ROUNDING[precise] * value
        return (self.since >= PATIENCE[precise]) & flat

    def turn_precise(self, problems: Tensor) -> None:
        """Begin anew in float64 (problem,) bool."""
        self.precise = self.precise | problems
        self.best = torch.where(problems, torch.inf, self.best)
        self.since, self.failures = (torch.where(problems, 0, each) for each in (self.since, self.failures))


class Descent:
    """The problems of a batch that have not ended; `start` (problem, class, coordinate + 1): where they begin."""

    def __init__(self, objective: Objective, batch: Batch, start: Tensor, max_iter: int) -> None:
        self._objective, self._batch, self._max_iter = objective, batch, max_iter
        self._point = objective(start, batch, curvature=True)
        self._precondition = self._measured()
        self._pairs = CurvaturePairs()
        self._progress = Progress.start(self._point.value)
        self._iterations = 0

    def run(self) -> Iterator[Ended]:
        """Iterate until all have ended; each is told as it does."""
        while len(self._progress.number):
            self._iterations += 1
            direction = self._direction()
            self._step(direction, inner(self._point.gradient, direction))
            if self._measures and self._point.curvature is not None:
                self._precondition = self._measured()
            self._turn_precise()
            yield from self._end()

    @property
    def _measures(self) -> bool:
        """Whether this iteration measures the preconditioner anew."""
        return self._iterations <= EARLY or self._iterations % EVERY == 0

    def _measured(self) -> Preconditioner:
        assert self._point.curvature is not None
        count = self._objective.designs.count[self._batch.design]
        spectrum = self._objective.coordinates.spectrum
        return Preconditioner.of(self._point.curvature, self._batch.strength, count, spectrum)

    def _direction(self) -> Tensor:
        """The search directions, float32; where pairs gave none that goes down, the preconditioned gradient."""
        gradient = self._point.gradient.float()

        def work(part: slice) -> Tensor:
            return self._pairs.direction(gradient[part], partial(self._precondition, part=part), part)

        size = max(1, PIECE_BYTES // (4 * gradient[0].numel()))
        direction = torch.cat(list(self._objective.workers.in_order(work, pieces(len(gradient), size))))
        up = ~(inner(gradient, direction) < 0)
        if bool(up.any()):
            self._pairs.forget(up)
            direction[up] = -self._precondition(gradient)[up]
        return direction

    def _step(self, direction: Tensor, slope: Tensor) -> None:
        """Go along the directions: a full step, or the first shorter one that each problem accepts."""
        old = self._point
        length = torch.ones_like(slope)
        waiting = torch.arange(len(slope), device=slope.device)
        new = self._evaluated(old.parameters + direction, waiting)
        for trial in range(TRIALS):
            refused = ~self._accepted(old, new, length, direction, slope)
            waiting = torch.nonzero(refused)[:, 0]
            if not len(waiting) or trial == TRIALS - 1:
                break
            length = torch.where(refused, _shorter(length, old.value, new.value, slope), length)
            steps = length[waiting, None, None] * direction[waiting]
            new.put(waiting, self._evaluated(old.parameters[waiting] + steps, waiting))
        self._progress.failures = torch.where(refused, self._progress.failures + 1, 0)
        if len(waiting):
            new.put(waiting, old.take(waiting))
            self._pairs.forget(refused)
        self._pairs.add((new.parameters - old.parameters).float(), (new.gradient - old.gradient).float())
        self._point = new

    def _accepted(self, old: Point, new: Point, length: Tensor, direction: Tensor, slope: Tensor) -> Tensor:
        """(problem,) bool: enough of a decrease, by values, or by slopes where values are lost in rounding."""
        rounding = torch.where(self._progress.precise, ROUNDING[True], ROUNDING[False])
        enough = new.value <= old.value + DECREASE * length * slope
        flatter = inner(new.gradient, direction) <= FLATTER * slope.abs()
        return enough | (flatter & (new.value <= old.value * (1 + rounding)))

    def _evaluated(self, parameters: Tensor, problems: Tensor) -> Point:
        """Each of these problems (number,) in its own precision."""
        precise = self._progress.precise[problems]
        low, high = torch.nonzero(~precise)[:, 0], torch.nonzero(precise)[:, 0]
        self._progress.float32[problems[low]] += 1
        self._progress.float64[problems[high]] += 1
        points = []
        if len(low):
            batch = self._batch.take(problems[low])
            points.append(self._objective(parameters[low], batch, curvature=self._measures))
        if len(high):
            points.append(certify(self._objective, parameters[high], self._batch.take(problems[high])))
        return points[0] if len(points) == 1 else Point.joined(points).take(torch.argsort(torch.cat([low, high])))

    def _turn_precise(self) -> None:
        """Certify the problems that float32 takes no further; the others' bounds are estimated."""
        point, progress = self._point, self._progress
        by_weights = point.gradient[..., :-1].square().sum((1, 2)) / 2
        estimate = (by_weights + self._precondition.along_intercepts(point.gradient[..., -1])) / point.value
        progress.see(torch.where(progress.precise, point.bound, estimate), point.value)
        over = (estimate <= GAP_FLOAT32) | progress.stalled(point.value, precise=False) | (progress.failures > 0)
        turning = ~progress.precise & (over | (self._iterations >= self._max_iter))
        problems = torch.nonzero(turning)[:, 0]
        if len(problems):
            point.put(problems, certify(self._objective, point.parameters[problems], self._batch.take(problems)))
            progress.turn_precise(turning)
            progress.float64[problems] += 1

    def _end(self) -> Iterator[Ended]:
        """Part with the problems that are certified, or that nothing takes further."""
        point, progress = self._point, self._progress
        lost = progress.stalled(point.value, precise=True) | (progress.failures > 1)
        over = (point.bound <= GAP) | lost | torch.full_like(lost, self._iterations >= self._max_iter)
        ended = progress.precise & over
        if not bool(ended.any()):
            return
        leaving, staying = torch.nonzero(ended)[:, 0], torch.nonzero(~ended)[:, 0]
        own, left = progress.take(leaving), point.take(leaving)
        weights = self._objective.coordinates.to_columns(left.parameters[..., :-1]).float().cpu().numpy()
        intercepts = left.parameters[..., -1].cpu().numpy()
        numbers = zip(*(each.tolist() for each in (own.number, left.bound, own.float32, own.float64)), strict=True)
        for index, (number, bound, float32, float64) in enumerate(numbers):
            yield Ended(number, weights[index], intercepts[index], bound, float32, float64)
        self._point, self._progress = point.take(staying), progress.take(staying)
        self._batch, self._precondition = self._batch.take(staying), self._precondition.keep(staying)
        self._pairs.keep(staying)


def _shorter(length: Tensor, old: Tensor, new: Tensor, slope: Tensor) -> Tensor:
    """The minimiser of the parabola through both values and the slope, within bounds."""
    best = -slope * length.square() / (2 * (new - old - length * slope))
    best = torch.where(torch.isfinite(best), best, LONGEST * length)
    return torch.minimum(torch.maximum(best, SHORTEST * length), LONGEST * length)
