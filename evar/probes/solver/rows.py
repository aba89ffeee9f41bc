"""The embeddings of a group of problems, read in blocks of rows, centred and scaled by one reference.

The reference is mean and deviation over all rows of the group. It is no statistic of any problem: it keeps float32
products exact for features with large offsets, and each problem's own standardisation is applied on top of it.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from evar.base.threads import pieces
from evar.probes.contract import Floats, Rows
from evar.probes.solver.workers import Workers

Result = TypeVar("Result")
BLOCK_ROWS, WIDE_BLOCK_ROWS = 1024, 4096
WIDE = 1024  # classes whose gradients' sum over the blocks takes longer than what is read for them
BLOCKS_MULTIPLE = 4  # of several blocks, so that two or four cores end together
KEPT_BYTES = {"cpu": 0, "cuda": 32 << 30}  # of embeddings copied to the device; more are copied at each reading
MOST_SCALE = 1e30  # a column of smaller spread than its inverse stays finite in float32


class RowBlocks:
    """x[rows], (row, dim), in blocks: x may be a memory map. `mean`, `scale` (dim,) float64: the reference.

    passes: how often all blocks were gone through.
    """

    def __init__(self, x: Floats, rows: Rows, workers: Workers, classes: int = 1) -> None:
        self._x, self._rows, self._workers = x, rows, workers
        self.count, self.dim = len(rows), x.shape[1]
        self.passes = 0
        blocks = -(-len(rows) // (WIDE_BLOCK_ROWS if classes >= WIDE else BLOCK_ROWS))
        if blocks > 1:
            blocks = -(-blocks // BLOCKS_MULTIPLE) * BLOCKS_MULTIPLE
        size = -(-len(rows) // blocks)
        self.slices = pieces(self.count, size)
        self._kept: Tensor | None = None
        if 4 * self.count * self.dim <= KEPT_BYTES[workers.device.type]:
            self._kept = torch.cat([self._raw(block) for block in self.slices])
        self.mean = torch.zeros(self.dim, dtype=torch.float64, device=workers.device)
        self.scale = torch.ones_like(self.mean)
        self.mean = self._total(lambda z: z.sum(0)) / self.count
        spread = (self._total(lambda z: z.square().sum(0)) / self.count).sqrt()
        self.scale = torch.where(self._varies(), (1 / spread).clamp(max=MOST_SCALE), 0.0)

    def read(self, block: slice) -> Tensor:
        """Rows of a block, (row, dim) float64: (x - mean) * scale."""
        return (self._raw(block).double() - self.mean) * self.scale

    def each(self, work: Callable[[slice], Result]) -> Iterator[Result]:
        """`work` on each block, the results in order."""
        self.passes += 1
        return self._workers.in_order(work, self.slices)

    def columns(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Values of x at some rows (bool over this group's rows) and columns, (row, column) float32."""
        return torch.from_numpy(np.ascontiguousarray(self._x[self._rows[rows.cpu().numpy()]][:, columns.cpu().numpy()]))

    def _raw(self, block: slice) -> Tensor:
        if self._kept is not None:
            return self._kept[block]
        rows = self._rows[block]
        if rows[-1] - rows[0] == len(rows) - 1:  # a run of rows needs no gathering
            found = np.array(self._x[rows[0] : rows[-1] + 1])
        else:
            found = np.asarray(self._x[rows])
        return torch.from_numpy(found).to(self._workers.device)

    def _total(self, of_block: Callable[[Tensor], Tensor]) -> Tensor:
        parts = self.each(lambda block: of_block(self.read(block)))
        return sum(parts, start=torch.zeros((), dtype=torch.float64, device=self._workers.device))

    def _varies(self) -> Tensor:
        """(dim,) bool: whether a column has two different values."""
        ranges = list(self.each(lambda block: torch.aminmax(self._raw(block), dim=0)))
        low, high = (torch.stack(each) for each in zip(*ranges, strict=True))
        return high.amax(0) > low.amin(0)
