"""Limited-memory BFGS for many problems at once: curvature pairs and the search direction of each.

Source: Nocedal & Wright, Numerical Optimization (2006), algorithm 7.4, with a preconditioner M as initial inverse
Hessian, scaled by s'y / y'My of the latest pair. A pair counts for a problem where s'y > 0.
Shapes: every vector (problem, class, coordinate).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from evar.base.threads import pieces

PAIRS = 10
INNER_CLASSES = 64  # multiplied at a time: what is new stays in the caches


class CurvaturePairs:
    """The latest pairs (step s, change y of the gradient), float32; `weights`: 1 / s'y (problem,), or 0."""

    def __init__(self) -> None:
        self.steps: list[Tensor] = []
        self.changes: list[Tensor] = []
        self.weights: list[Tensor] = []

    def add(self, step: Tensor, change: Tensor) -> None:
        """Remember a pair, forget the oldest."""
        product = inner(step, change)
        self.steps.append(step)
        self.changes.append(change)
        self.weights.append(torch.where(product > 0, 1 / product, 0.0))
        if len(self.steps) > PAIRS:
            for each in (self.steps, self.changes, self.weights):
                each.pop(0)

    def forget(self, problems: Tensor) -> None:
        """Let no pair count for some problems (problem,) bool."""
        self.weights = [torch.where(problems, 0.0, each) for each in self.weights]

    def keep(self, problems: Tensor) -> None:
        """Drop all but these problems (number,)."""
        for each in (self.steps, self.changes, self.weights):
            for index in range(len(each)):
                each[index] = each[index][problems]

    def direction(self, gradient: Tensor, precondition: Callable[[Tensor], Tensor], part: slice) -> Tensor:
        """-H gradient for a slice of the problems; `precondition` applies M to that slice."""
        q, shares = gradient.clone(), []
        pairs = [(s[part], y[part], w[part]) for s, y, w in zip(self.steps, self.changes, self.weights, strict=True)]
        for step, change, weight in reversed(pairs):
            share = (weight * inner(step, q)).to(q.dtype)[:, None, None]
            q.addcmul_(share, change, value=-1)
            shares.append(share)
        q = precondition(q)
        if pairs:
            _, change, weight = pairs[-1]
            scale = 1 / (weight * inner(change, precondition(change)))
            q *= torch.where(torch.isfinite(scale) & (scale > 0), scale, 1.0).to(q.dtype)[:, None, None]
        for (step, change, weight), share in zip(pairs, reversed(shares), strict=True):
            q.addcmul_(share - (weight * inner(change, q)).to(q.dtype)[:, None, None], step)
        return -q


def inner(left: Tensor, right: Tensor) -> Tensor:
    """Inner products (problem,), summed in float64."""
    parts = pieces(left.shape[1], INNER_CLASSES)
    by_class = [(left[:, part] * right[:, part]).sum(2, dtype=torch.float64) for part in parts]
    return torch.cat(by_class, dim=1).sum(1)
