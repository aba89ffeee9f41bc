"""The iteration: problems go downhill together and leave as each reaches its certified optimum.

Every problem has its own curvature pairs, step length and end. The iteration goes down on the model (`model.py`).
A problem whose estimated bound is small, or that has gone as far as its model can be trusted, is evaluated exactly
(`certificate.py`): that certifies it, or is where its next model starts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evar.base.threads import pieces
from evar.probes.contract import Floats
from evar.probes.solver import model
from evar.probes.solver.certificate import Certified, certify
from evar.probes.solver.lbfgs import CurvaturePairs, inner
from evar.probes.solver.objective import Iterate, Objective, ProblemBatch
from evar.probes.solver.precondition import Preconditioner

GAP = 1e-6  # relative to the value: what is certified
ESTIMATED_GAP = 5e-7  # by the model, at which a certificate is asked for,
PROGRESS = 0.1  # if it is also at most this share of the last one
TRUST = (1e-6, 1e-4)  # of the bound at the exact point, at which its model is left for the next (if products round)
DECREASE = 1e-4  # Armijo's share of the decrease that the slope promises
FLATTER = 0.8  # Hager & Zhang (2005), eq. 4.1: a slope so much flatter will do where values are lost in rounding
ROUNDING = 1e-6  # error of the model's values, relative to the value at the exact point
TRIALS = 8  # step lengths an iteration
SHORTEST, LONGEST = 0.1, 0.5  # the next trial's step, relative to the last
PATIENCE = 3  # looks at the bound that found neither half of it nor a decrease above ROUNDING
STRIKES = 8  # exact points in a row that are no progress
EARLY, EVERY = 3, 4  # the preconditioner is measured anew in each early iteration, then in every fourth
CERTIFY_EVERY = 4  # iterations: exact evaluations are shared
PIECE_BYTES = 4 << 20  # of one vector, a piece of work


@dataclass(frozen=True)
class Ended:
    """Problem `number` of the batch: weights (class, dim), intercepts (class,), the certified relative bound.

    fast, exact: how often it was evaluated by the model, and in float64
    """

    number: int
    weights: Floats
    intercepts: NDArray[np.float64]
    bound: float
    fast: int
    exact: int


@dataclass
class Progress:
    """Of each problem that goes on (problem,): its number, and what its next exact evaluation and its end hang on.

    best, best_value:  least bound, estimated or certified, since the last exact point, and the value there
    since:             looks at the bound that did not find half of `best`
    failed:            whether the last line search found no step
    strikes:           exact points in a row that neither halved the bound nor lowered the value
    fast, exact:       evaluations
    """

    number: Tensor
    best: Tensor
    best_value: Tensor
    since: Tensor
    failed: Tensor
    strikes: Tensor
    fast: Tensor
    exact: Tensor

    @classmethod
    def start(cls, bound: Tensor, value: Tensor) -> "Progress":
        """For new problems (problem,) at an exact point."""
        zeros = torch.zeros(len(value), dtype=torch.int64, device=value.device)
        number = torch.arange(len(value), device=value.device)
        return cls(number, bound, value, zeros, zeros.bool(), zeros, zeros.clone(), zeros + 1)

    def take(self, problems: Tensor) -> "Progress":
        """Of these problems alone (number,)."""
        return Progress(*(each[problems] for each in vars(self).values()))

    def see(self, bound: Tensor, value: Tensor) -> None:
        """Take note of estimated bounds and values."""
        better = bound < self.best / 2
        self.best = torch.where(better, bound, self.best)
        self.best_value = torch.where(better, value, self.best_value)
        self.since = torch.where(better, 0, self.since + 1)

    def see_exact(self, problems: Tensor, old: Certified, new: Certified) -> None:
        """Take note of new exact points of some problems (number,), where `old` were the ones before."""
        progress = (new.bound < old.bound / 2) | (new.point.value < old.point.value * (1 - ROUNDING))
        self.strikes[problems] = torch.where(progress, 0, self.strikes[problems] + 1)
        self.best[problems], self.best_value[problems] = new.bound, new.point.value
        self.since[problems], self.failed[problems] = 0, False
        self.exact[problems] += 1

    def stalled(self, value: Tensor, rounding: Tensor) -> Tensor:
        """(problem,) bool: no progress beyond the model's rounding (problem,)."""
        return self.failed | ((self.since >= PATIENCE) & (self.best_value - value <= rounding))


class Descent:
    """The problems of a batch that have not ended, from their exact starting points."""

    def __init__(self, objective: Objective, batch: ProblemBatch, start: Certified, max_iter: int) -> None:
        self._objective, self._batch, self._max_iter = objective, batch, max_iter
        self._anchor = start
        self._point = start.point.take(torch.arange(len(start.bound), device=start.bound.device))
        self._precondition = self._measured()
        self._pairs = CurvaturePairs()
        self._progress = Progress.start(start.bound, start.point.value)
        self._iterations = 0

    def run(self) -> Iterator[Ended]:
        """Iterate until all have ended; each is reported as it does."""
        yield from self._end()
        while len(self._progress.number):
            self._iterations += 1
            direction = self._direction()
            self._step(direction, inner(self._point.gradient, direction))
            if self._measures:
                self._precondition = self._measured()
            self._make_exact()
            yield from self._end()

    @property
    def _measures(self) -> bool:
        """Whether this iteration measures the preconditioner anew."""
        return self._iterations <= EARLY or self._iterations % EVERY == 0

    @property
    def _over(self) -> bool:
        """Whether this is the last iteration."""
        return self._iterations >= self._max_iter

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
            refused = ~_accepted(old, new, length, direction, slope, ROUNDING * self._anchor.point.value)
            waiting = torch.nonzero(refused)[:, 0]
            if not len(waiting) or trial == TRIALS - 1:
                break
            length = torch.where(refused, _shorter(length, old.value, new.value, slope), length)
            steps = length[waiting, None, None] * direction[waiting]
            new.put(waiting, self._evaluated(old.parameters[waiting] + steps, waiting))
        self._progress.failed = refused
        if len(waiting):
            new.put(waiting, old.take(waiting))
            self._pairs.forget(refused)
        self._pairs.add((new.parameters - old.parameters).float(), (new.gradient - old.gradient).float())
        self._point = new

    def _evaluated(self, parameters: Tensor, problems: Tensor) -> Iterate:
        """The model of these problems (number,) at these parameters."""
        self._progress.fast[problems] += 1
        batch = self._batch.take(problems)
        return model.evaluate(self._objective, parameters, batch, self._anchor, problems, curvature=self._measures)

    def _make_exact(self) -> None:
        """Evaluate exactly the problems that their models take no further."""
        if self._iterations % CERTIFY_EVERY and not self._over:
            return
        point, progress = self._point, self._progress
        by_weights = point.gradient[..., :-1].square().sum((1, 2)) / 2
        bound = (by_weights + self._precondition.along_intercepts(point.gradient[..., -1])) / point.value
        progress.see(bound, point.value)
        far = bound <= TRUST[self._objective.rounds] * self._anchor.bound
        stalled = progress.stalled(point.value, ROUNDING * self._anchor.point.value)
        near = bound <= (PROGRESS * self._anchor.bound).clamp(max=ESTIMATED_GAP)
        wanted = near | far | stalled | torch.full_like(far, self._over)
        problems = torch.nonzero(wanted)[:, 0]
        if len(problems):
            exact = certify(self._objective, point.parameters[problems], self._batch.take(problems))
            progress.see_exact(problems, self._anchor.take(problems), exact)
            self._anchor.put(problems, exact)
            point.put(problems, exact.point)

    def _end(self) -> Iterator[Ended]:
        """Part with the problems that are certified, or that nothing takes further."""
        progress = self._progress
        over = torch.full_like(progress.failed, self._over)
        ended = (self._anchor.bound <= GAP) | (progress.strikes >= STRIKES) | over
        if not bool(ended.any()):
            return
        leaving, staying = torch.nonzero(ended)[:, 0], torch.nonzero(~ended)[:, 0]
        own, left = progress.take(leaving), self._anchor.take(leaving)
        weights = self._objective.coordinates.to_columns(left.point.parameters[..., :-1]).float().cpu().numpy()
        intercepts = left.point.parameters[..., -1].cpu().numpy()
        numbers = zip(*(each.tolist() for each in (own.number, left.bound, own.fast, own.exact)), strict=True)
        for index, (number, bound, fast, exact) in enumerate(numbers):
            yield Ended(number, weights[index], intercepts[index], bound, fast, exact)
        self._anchor, self._progress = self._anchor.take(staying), progress.take(staying)
        self._point, self._batch = self._point.take(staying), self._batch.take(staying)
        self._precondition = self._precondition.keep(staying)
        self._pairs.keep(staying)


def _accepted(old: Iterate, new: Iterate, length: Tensor, direction: Tensor, slope: Tensor, rounding: Tensor) -> Tensor:
    """(problem,) bool: enough of a decrease, by values, or by slopes where values are lost in rounding (problem,)."""
    enough = new.value <= old.value + DECREASE * length * slope
    flatter = inner(new.gradient, direction) <= FLATTER * slope.abs()
    return enough | (flatter & (new.value <= old.value + rounding))


def _shorter(length: Tensor, old: Tensor, new: Tensor, slope: Tensor) -> Tensor:
    """The minimiser of the parabola through both values and the slope, within bounds."""
    best = -slope * length.square() / (2 * (new - old - length * slope))
    best = torch.where(torch.isfinite(best), best, LONGEST * length)
    return torch.minimum(torch.maximum(best, SHORTEST * length), LONGEST * length)
