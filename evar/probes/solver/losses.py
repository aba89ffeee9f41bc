"""Losses of a block of rows for many problems at once: sums over the rows, residuals, curvature.

Shapes: logits (row, problem, class); a problem of one logit has one class. `member` (row, problem) bool says which
rows a problem learns from (None: all); others count nothing, whatever their logits.

softmax    loss = log sum_k exp(l_k) - l_y,   residual = p - onehot(y),   curvature = sum over rows of diag(p) - p p'
one logit  loss = log(1 + exp(-s l)), s = 1 for a positive row, else -1;  residual = -s q,
           curvature = sum of q (1 - q),
           with q = 1 / (1 + exp(s l))
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Terms:
    """value (problem,) float64, residual (row, problem, class), curvature (problem, class, class) float64 or None."""

    value: Tensor
    residual: Tensor
    curvature: Tensor | None


def softmax(logits: Tensor, y: Tensor, member: Tensor | None, *, curvature: bool) -> Terms:
    """Targets y (row,) int64. Overwrites the logits; one of -inf belongs to a class that the problem lacks."""
    logits -= logits.amax(-1, keepdim=True)
    rows, problems, _ = logits.shape
    own = y[:, None, None].expand(rows, problems, 1)
    value = -logits.gather(2, own)[..., 0]
    shares = logits.exp_()
    total = shares.sum(-1, keepdim=True)
    value += total[..., 0].log()
    shares /= total
    if member is not None:
        value = value.masked_fill(~member, 0.0)
        shares.masked_fill_(~member[..., None], 0.0)
    curved = None
    if curvature:
        by_problem = shares.transpose(0, 1)
        curved = (torch.diag_embed(shares.sum(0)) - by_problem.mT @ by_problem).double()
    ones = torch.ones((rows, problems), dtype=shares.dtype, device=shares.device) if member is None else member
    shares.scatter_add_(2, own, -ones.to(shares.dtype)[..., None])
    return Terms(value.sum(0, dtype=torch.float64), shares, curved)


def one_logit(logits: Tensor, positive: Tensor, member: Tensor | None) -> Terms:
    """Targets (row, problem) bool. The curvature costs nothing and always comes along."""
    against = torch.where(positive, -logits[..., 0], logits[..., 0])  # -s l
    value = torch.nn.functional.softplus(against)
    wrong = torch.sigmoid(against)
    if member is not None:
        value, wrong = value.masked_fill(~member, 0.0), wrong.masked_fill(~member, 0.0)
    curved = (wrong * (1 - wrong)).sum(0, dtype=torch.float64)
    residual = torch.where(positive, -wrong, wrong)
    return Terms(value.sum(0, dtype=torch.float64), residual[..., None], curved[:, None, None])
