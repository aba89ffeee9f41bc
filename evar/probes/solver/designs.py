"""Designs: which rows problems learn from, and the standardisation of each, relative to the group's reference."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evar.probes.contract import Rows
from evar.probes.linear import Standardiser
from evar.probes.solver.rows import MOST_SCALE, RowBlocks
from evar.probes.solver.workers import Workers

SUSPECT = 1e-6  # a variance below this share of the second moment has lost digits, or is 0


@dataclass(frozen=True)
class Designs:
    """Training rows of a group's designs, over the group's rows.

    member:  (row, design) bool
    count:   (design,) float64, rows of each
    mean, scale:  (design, dim) float64: z = (reference-standardised x - mean) * scale; scale 0 for a constant column
    """

    member: Tensor
    count: Tensor
    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, blocks: RowBlocks, rows: Rows, trains: Sequence[Rows], workers: Workers) -> "Designs":
        """The designs with training rows `trains`, all of them among `rows`."""
        there = np.zeros((len(rows), len(trains)), dtype=np.bool_)
        for design, train in enumerate(trains):
            there[np.searchsorted(rows, train), design] = True
        member = torch.from_numpy(there).to(workers.device)
        count = member.sum(0).double()

        def moments(block: slice) -> Tensor:
            z, weights = blocks.read(block), member[block].double()
            return torch.stack([weights.T @ z, weights.T @ z.square()])

        first = torch.zeros((), dtype=torch.float64, device=workers.device)
        mean, second = sum(blocks.each(moments), start=first) / count[:, None]
        variance = second - mean.square()
        for design in range(len(trains)):
            unsure = torch.nonzero(variance[design] <= SUSPECT * second[design])[:, 0]
            if len(unsure):
                _recompute(blocks, member[:, design], unsure, mean[design], variance[design])
        scale = torch.where(variance > 0, variance.rsqrt().clamp(max=MOST_SCALE), 0.0)
        return cls(member, count, mean, scale)

    @property
    def several(self) -> bool:
        """Whether there is more than one, so that their standardisations differ from the reference."""
        return self.member.shape[1] > 1

    def standardiser(self, blocks: RowBlocks, design: int) -> Standardiser:
        """The standardisation of a design for embeddings as they are."""
        spread = torch.where(blocks.scale > 0, 1 / blocks.scale, 0.0)
        mean = blocks.mean + self.mean[design] * spread
        return Standardiser(mean.cpu().numpy(), (blocks.scale * self.scale[design]).cpu().numpy())


def _recompute(blocks: RowBlocks, member: Tensor, columns: Tensor, mean: Tensor, variance: Tensor) -> None:
    """Mean and variance of some columns, in place, in two passes; exactly 0 where a column is constant."""
    raw = blocks.columns(member, columns).to(mean.device)
    z = (raw.double() - blocks.mean[columns]) * blocks.scale[columns]
    mean[columns] = z.mean(0)
    varies = raw.amax(0) > raw.amin(0)
    variance[columns] = torch.where(varies, (z - z.mean(0)).square().mean(0), 0.0)
