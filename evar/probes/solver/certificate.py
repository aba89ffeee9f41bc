"""The objective in float64 with its intercepts solved exactly, and the certificate that follows from it.

With b(W) the best intercepts of W, phi(W) = F(W, b(W)) is strongly convex with modulus 1, hence
phi(W) - min phi <= |grad_W F(W, b(W))|^2 / 2. The intercepts are found by Newton's method on stored logits: their
objective is convex, of few variables, and nearly solved already.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from evar.base.threads import pieces
from evar.probes.solver.losses import Terms
from evar.probes.solver.objective import Iterate, Objective, ProblemBatch, Total, shifts

LOGIT_BYTES = {"cpu": 2 << 30, "cuda": 16 << 30}  # of stored logits, for as many problems at a time
MOST_STEPS = 50  # of Newton's method
LONGEST_STEP = 2.0  # in logits
SHORTER = 0.5  # of the last step, at least, a step by an old curvature
LAST_STEP = 1e-6  # in logits: after so short a step the intercepts are exact to about its square


@dataclass
class Certified:
    """Exact points, and what can be said of them.

    bound:   (problem,) float64: (value - minimum) / value is at most this; inf where the intercepts were not found
    logits:  (row, problem, class) float32, intercepts included
    """

    point: Iterate
    bound: Tensor
    logits: Tensor

    def take(self, problems: Tensor) -> "Certified":
        """Of these problems alone (number,)."""
        return Certified(self.point.take(problems), self.bound[problems], self.logits[:, problems])

    def put(self, problems: Tensor, other: "Certified") -> None:
        """Let `other` stand in these problems' places (number,)."""
        self.point.put(problems, other.point)
        self.bound[problems] = other.bound
        self.logits[:, problems] = other.logits


def certify(objective: Objective, parameters: Tensor, batch: ProblemBatch) -> Certified:
    """Evaluate at the weights of `parameters` (problem, class, coordinate + 1), the intercepts replaced by the best."""
    problems, classes = parameters.shape[:2]
    at_once = max(1, LOGIT_BYTES[parameters.device.type] // (8 * classes * objective.rows))
    numbers = torch.arange(problems, device=parameters.device)
    parts = [_certify(objective, parameters[part], batch.take(numbers[part])) for part in pieces(problems, at_once)]
    if len(parts) == 1:
        return parts[0]
    point = Iterate.joined([part.point for part in parts])
    return Certified(point, torch.cat([p.bound for p in parts]), torch.cat([p.logits for p in parts], dim=1))


def _certify(objective: Objective, parameters: Tensor, batch: ProblemBatch) -> Certified:
    coordinates, designs, blocks = objective.coordinates, objective.designs, objective.coordinates.blocks
    weights = coordinates.to_columns(parameters[..., :-1])
    scale, mean = designs.scale[batch.design][:, None], designs.mean[batch.design][:, None]
    maps = weights * scale
    flat, offsets = maps.flatten(0, 1).T, (maps * mean).sum(-1)
    if bool(flat.any()):
        forward = blocks.each(lambda block: blocks.read(block) @ flat)
        logits = [part.view(-1, *offsets.shape) - offsets for part in forward]
    else:
        logits = [offsets.new_zeros((block.stop - block.start, *offsets.shape)) for block in blocks.slices]
    intercepts, exact = _solve_intercepts(objective, logits, parameters[..., -1], batch)
    shift = shifts(intercepts, batch)

    stored = {block.start: part for block, part in zip(blocks.slices, logits, strict=True)}

    def backward(block: slice) -> tuple[Terms, Tensor]:
        terms = objective.terms(stored[block.start] + shift, block, batch, curvature=True)
        return terms, (terms.residual.flatten(1).T @ blocks.read(block)).view(maps.shape)

    total = Total.over(blocks.each(backward))
    strength = batch.strength[:, None]
    along = (total.gradient - total.intercepts[..., None] * mean) * scale
    gradient = strength[..., None] * along + weights
    value = batch.strength * total.value + weights.square().sum((1, 2)) / 2
    by_parameters = torch.cat([coordinates.from_columns(gradient), (strength * total.intercepts)[..., None]], dim=2)
    point = Iterate(
        torch.cat([parameters[..., :-1], intercepts[..., None]], dim=2), value, by_parameters, total.curvature
    )
    bound = torch.where(exact, gradient.square().sum((1, 2)) / 2 / value, torch.inf)
    return Certified(point, bound, torch.cat([(part + shift).float() for part in logits]))


def _solve_intercepts(
    objective: Objective, logits: list[Tensor], intercepts: Tensor, batch: ProblemBatch
) -> tuple[Tensor, Tensor]:
    """The best intercepts (problem, class) for logits without them, and whether each problem's were found.

    Of many classes the curvature is what costs: it is measured anew where a step by the last one was not `SHORTER`.
    """
    found, exact = intercepts.clone(), torch.zeros(len(intercepts), dtype=torch.bool, device=intercepts.device)
    going = torch.arange(len(intercepts), device=intercepts.device)
    curvature: Tensor | None = None
    last = torch.full_like(intercepts[:, 0], torch.inf)
    for _ in range(MOST_STEPS):
        own = batch.take(going)
        slope, measured = _along_intercepts(objective, logits, found[going], own, going, curvature=curvature is None)
        curvature = curvature if measured is None else measured
        assert curvature is not None
        step = _newton_step(slope, curvature, own.present.double())
        longest = step.abs().amax(1)
        if measured is None and bool((longest > SHORTER * last).any()):
            curvature = None
            continue
        found[going] += step * (LONGEST_STEP / longest.clamp(min=LONGEST_STEP))[:, None]
        ended = longest <= LAST_STEP
        exact[going[ended]] = True
        going, curvature, last = going[~ended], curvature[~ended], longest[~ended]
        if not len(going):
            break
    if found.shape[1] > 1:  # raising all logits alike changes nothing: let present classes' intercepts sum to 0
        present = batch.present.double()
        found = found - present * (found.sum(1) / present.sum(1))[:, None]
    return found, exact


def _along_intercepts(
    objective: Objective,
    logits: list[Tensor],
    intercepts: Tensor,
    batch: ProblemBatch,
    going: Tensor,
    *,
    curvature: bool,
) -> tuple[Tensor, Tensor | None]:
    """The gradient along the intercepts (problem, class) of some problems (number,), and the curvature if asked for."""
    shift = shifts(intercepts, batch)

    def work(item: tuple[slice, Tensor]) -> tuple[Tensor, Tensor | None]:
        block, everyone = item
        own = everyone if len(going) == everyone.shape[1] else everyone[:, going]
        terms = objective.terms(own + shift, block, batch, curvature=curvature)
        return terms.residual.sum(0), terms.curvature

    items = list(zip(objective.slices, logits, strict=True))
    slopes, curvatures = zip(*objective.workers.in_order(work, items), strict=True)
    return sum(slopes), None if curvatures[0] is None else sum(curvatures)


def _newton_step(slope: Tensor, curvature: Tensor, present: Tensor) -> Tensor:
    """-curvature^-1 slope (problem, class), the part along its null space (all logits alike) left out."""
    if slope.shape[1] == 1:
        return -slope / curvature[..., 0]
    scale = curvature.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    alike = present[:, :, None] * present[:, None, :]
    solvable = curvature + scale * (alike + torch.diag_embed(1 - present))
    step: Tensor = torch.linalg.solve_ex(solvable, -slope[..., None])[0][..., 0]
    return step * present
