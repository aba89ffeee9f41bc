"""The objective near exact points, by fast products: what the iteration goes down on.

An exact point (`certificate.py`) gives each problem U0, its value, gradient and logits l0 in float64. From there only
changes are computed: with T and its transpose the maps of `coordinates.py`, and r the residuals,

    l = l0 + X T (U - U0),    gradient = gradient0 + C T' X' (r(l) - r(l0)) + (U - U0).

Errors of the products are relative to the change since the exact point, so that they vanish as problems come to rest.
Where products round (`precision.py`), the changing factor is split in two: then value and gradient belong, but for
2^-17, to one smooth function, that of rounded features.
"""

import torch
from torch import Tensor

from evar.probes.solver.certificate import Certified
from evar.probes.solver.losses import Terms
from evar.probes.solver.objective import Iterate, Objective, ProblemBatch, Total, shifts
from evar.probes.solver.precision import split


def evaluate(
    objective: Objective,
    parameters: Tensor,
    batch: ProblemBatch,
    anchor: Certified,
    problems: Tensor,
    *,
    curvature: bool,
) -> Iterate:
    """Value and gradient at parameters (problem, class, coordinate + 1) of a batch.

    anchor: the exact points of these problems and others; problems: (number,) rising, which of them the batch's are
    """
    coordinates = objective.coordinates
    everyone = len(problems) == len(anchor.bound)
    origin = anchor.point if everyone else anchor.point.take(problems)
    change = parameters - origin.parameters
    maps, offsets = coordinates.to_rows(change[..., :-1].float(), batch.design)
    flat = _factors(maps.flatten(0, 1).T, objective)
    shift = shifts(change[..., -1] - offsets, batch).float()

    def work(block: slice) -> tuple[Terms, Tensor]:
        rows = coordinates.block(block)
        before = anchor.logits[block] if everyone else anchor.logits[block][:, problems]
        logits = sum((rows @ each for each in flat[1:]), start=rows @ flat[0]).view(before.shape)
        after = objective.terms(logits.add_(before).add_(shift), block, batch, curvature=curvature)
        start = objective.terms(before.clone(), block, batch, curvature=False)
        residual = after.residual.sub_(start.residual)
        terms = Terms(after.value - start.value, residual, after.curvature)
        factors = _factors(residual.flatten(1), objective)
        return terms, sum((each.T @ rows for each in factors[1:]), start=factors[0].T @ rows).view(maps.shape)

    total = Total.over(coordinates.blocks.each(work))
    strength = batch.strength[:, None]
    along = coordinates.from_rows(total.gradient, total.intercepts, batch.design)
    by_weights = origin.gradient[..., :-1] + strength[..., None] * along + change[..., :-1]
    by_intercepts = origin.gradient[..., -1] + strength * total.intercepts
    penalty = (change[..., :-1] * (parameters + origin.parameters)[..., :-1]).sum((1, 2)) / 2
    value = origin.value + batch.strength * total.value + penalty
    return Iterate(parameters, value, torch.cat([by_weights, by_intercepts[..., None]], dim=2), total.curvature)


def _factors(matrix: Tensor, objective: Objective) -> list[Tensor]:
    return split(matrix) if objective.rounds else [matrix]
