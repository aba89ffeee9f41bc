"""Coordinates of the weights in which the Hessian of every problem is nearly diagonal: eigenvectors of X'X.

W = U V' with V (dim, coordinate) orthonormal, so |W| = |U|. For one design with fewer rows than dimensions V spans the
rows, where the optimum lies. Features X V are kept in memory where they fit; then problems of one design cost nothing
more, and those of several designs, whose scales differ from the reference by a factor 1 + e a column, take features
times U (I + V' diag(e) V)'. Features that do not fit are read, block by block, from the embeddings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from evar.base.threads import pieces
from evar.embeddings.device import PRECISIONS, choose_precision
from evar.probes.solver.designs import Designs
from evar.probes.solver.rows import RowBlocks
from evar.probes.solver.workers import Workers

RESIDENT_BYTES = {"cpu": 4 << 30, "cuda": 64 << 30}  # features at most
PIECE_COLUMNS = 256  # of weights, a piece of work
TOLD_APART = 1e-12  # of the largest column's variance, from one equal eigenvalue to the next


@dataclass(frozen=True)
class Coordinates:
    """basis V (dim, coordinate), spectrum of V'X'XV / rows (coordinate,), features X V (row, coordinate) or None."""

    basis: Tensor
    spectrum: Tensor
    features: Tensor | None
    blocks: RowBlocks
    designs: Designs
    workers: Workers

    @classmethod
    def of(cls, blocks: RowBlocks, designs: Designs, workers: Workers) -> "Coordinates":
        """The eigenvectors of the group's rows."""
        if blocks.count < blocks.dim and not designs.several:
            return cls._of_few_rows(blocks, designs, workers)
        zero = torch.zeros((blocks.dim, blocks.dim), dtype=torch.float64, device=workers.device)
        for part in blocks.each(lambda block: _gram(blocks.read(block).float())):
            zero += part
        spectrum, basis = _eigenvectors(zero / blocks.count)
        features = None
        if blocks.count * blocks.dim * 4 <= RESIDENT_BYTES[workers.device.type]:
            parts = blocks.each(lambda block: blocks.read(block).float() @ basis)
            features = torch.cat(list(parts))
        return cls(basis, spectrum.clamp(min=0), features, blocks, designs, workers)

    @classmethod
    def _of_few_rows(cls, blocks: RowBlocks, designs: Designs, workers: Workers) -> "Coordinates":
        """X' = Q R: rows R' in the coordinates Q, then their eigenvectors."""
        rows = torch.cat([blocks.read(block).float() for block in blocks.slices])
        basis, triangle = torch.linalg.qr(rows.T)
        spectrum, turn = _eigenvectors(triangle @ triangle.T / blocks.count)
        return cls(basis @ turn, spectrum.clamp(min=0), triangle.T @ turn, blocks, designs, workers)

    def block(self, block: slice) -> Tensor:
        """Features, or reference-standardised embeddings, of a block: (row, width) float32."""
        return self.blocks.read(block).float() if self.features is None else self.features[block]

    def to_rows(self, weights: Tensor, design: Tensor) -> tuple[Tensor, Tensor]:
        """U (problem, class, coordinate) -> A (problem, class, width) float32 and offsets (problem, class) float64.

        Logits are block @ A' - offset + intercept.
        """
        if self.features is not None and not self.designs.several:
            return weights.float(), torch.zeros(weights.shape[:2], dtype=torch.float64, device=weights.device)
        scale, mean = self.designs.scale[design].float()[:, None], self._means[design].float()[:, None]

        def work(part: slice) -> Tensor:
            own = weights[part].float()
            if self.features is None:
                return (own @ self.basis.T) * scale[part]
            return self._rescaled(own, scale[part])

        found = self._by_pieces(work, weights)
        return found, (found * mean).sum(-1, dtype=torch.float64)

    def from_rows(self, gradient: Tensor, intercepts: Tensor, design: Tensor) -> Tensor:
        """Gradients by A and by the intercepts, float64 -> gradient by U, float64: the transpose of `to_rows`."""
        if self.features is not None and not self.designs.several:
            return gradient
        scale, mean = self.designs.scale[design].float()[:, None], self._means[design][:, None]

        def work(part: slice) -> Tensor:
            own = gradient[part] - intercepts[part, :, None] * mean[part]
            if self.features is None:
                return ((own.float() * scale[part]) @ self.basis).double()
            return self._rescaled(own.float(), scale[part]).double()

        return self._by_pieces(work, gradient)

    def to_columns(self, weights: Tensor) -> Tensor:
        """U -> W = U V' (problem, class, dim), float64."""
        return self._by_class(weights, self._exact_basis.T)

    def from_columns(self, gradient: Tensor) -> Tensor:
        """Gradient by W (problem, class, dim) -> by U, float64."""
        return self._by_class(gradient, self._exact_basis)

    @cached_property
    def _means(self) -> Tensor:
        """(design, width) float64: the designs' means in the features' coordinates."""
        mean = self.designs.mean
        return mean if self.features is None else mean @ self._exact_basis

    def _rescaled(self, own: Tensor, scale: Tensor) -> Tensor:
        """Times I + V' diag(scale - 1) V; what is added is small, so that low precision does."""
        basis = self._low_basis
        return own + ((own.to(basis.dtype) @ basis.T) * (scale - 1).to(basis.dtype)) @ basis

    @cached_property
    def _low_basis(self) -> Tensor:
        return self.basis.to(PRECISIONS[choose_precision("auto", self.workers.device)])

    @cached_property
    def _exact_basis(self) -> Tensor:
        return self.basis.double()

    def _by_class(self, vectors: Tensor, basis: Tensor) -> Tensor:
        """(problem, class, ...) @ basis."""
        flat = vectors.flatten(0, 1)[:, None]
        return self._by_pieces(lambda part: flat[part] @ basis, flat).view(*vectors.shape[:2], -1)

    def _by_pieces(self, work: Callable[[slice], Tensor], like: Tensor) -> Tensor:
        """`work` on slices of the problems of `like` (problem, class, ...), side by side."""
        problems, classes = like.shape[:2]
        parts = self.workers.in_order(work, pieces(problems, max(1, PIECE_COLUMNS // classes)))
        return torch.cat(list(parts))


def _gram(rows: Tensor) -> Tensor:
    return rows.T @ rows


def _eigenvectors(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, rising, and eigenvectors of a symmetric matrix, float32.

    LAPACK may fail where hundreds of eigenvalues are equal, as those of constant columns are (of a histogram, say):
    then they are made to differ. Any orthonormal coordinates give the same optimum.
    """
    try:
        spectrum, basis = torch.linalg.eigh(matrix.float())
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        ramp = torch.arange(len(matrix), dtype=torch.float64, device=matrix.device) * TOLD_APART
        spectrum, basis = torch.linalg.eigh(matrix.double() + torch.diag(ramp * matrix.diagonal().max()))
    return spectrum.float(), basis.float()
