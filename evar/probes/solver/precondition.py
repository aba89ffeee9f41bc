"""The approximate inverse Hessian that L-BFGS starts from, exact at W = 0 for one design.

The Hessian of a problem with n rows is I + C sum_i (diag(p_i) - p_i p_i') (x) z_i z_i'. With the row's two factors
averaged apart it becomes the Kronecker product

    I + C n  A (x) S,    A = mean of diag(p) - p p' (class, class),    S = Z'Z / n = diag(spectrum)

in the coordinates of `coordinates.py`. With A = Q diag(rates) Q' its inverse is elementwise between two products with
Q. The intercept is one more coordinate, of spectrum 1 and without penalty. A is measured anew as the fit goes on.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

LEAST_RATE = 1e-6  # of the largest, else it counts as the largest: a direction that only rounding has a gradient in,
# above all the one in which all logits rise together


@dataclass(frozen=True)
class Preconditioner:
    """The factors of the Hessian.

    strength C n (problem,), rates (problem, class), turn Q (problem, class, class), spectrum and penalty (coordinate,)
    """

    strength: Tensor
    rates: Tensor
    turn: Tensor
    spectrum: Tensor
    penalty: Tensor

    @classmethod
    def of(cls, curvature: Tensor, strength: Tensor, count: Tensor, spectrum: Tensor) -> "Preconditioner":
        """From curvature (problem, class, class) over `count` rows, C (problem,), and the spectrum of Z'Z / n."""
        rates, turn = _axes(curvature / count[:, None, None])
        most = rates.amax(1, keepdim=True).clamp(min=torch.finfo(rates.dtype).tiny)
        rates = torch.where(rates < LEAST_RATE * most, most, rates)
        one = spectrum.new_ones(1)
        penalty = torch.cat([torch.ones_like(spectrum), torch.zeros_like(one)])
        return cls((strength * count).float(), rates, turn, torch.cat([spectrum, one]), penalty)

    def __call__(self, vectors: Tensor, part: slice = slice(None)) -> Tensor:
        """(problem, class, coordinate) of a slice of the problems, times the approximate inverse Hessian."""
        turn = self.turn[part]
        hessian = self.penalty + (self.strength[part, None] * self.rates[part])[..., None] * self.spectrum
        if turn.shape[1] == 1:
            return vectors / hessian
        return turn @ ((turn.mT @ vectors) / hessian)

    def along_intercepts(self, gradient: Tensor) -> Tensor:
        """Intercepts' gradient (problem, class) -> about how much solving for them would lower each problem."""
        turned = (self.turn.mT @ gradient[..., None].float())[..., 0]
        return (turned.square() / (2 * self.strength[:, None] * self.rates)).sum(1, dtype=torch.float64)

    def keep(self, problems: Tensor) -> "Preconditioner":
        """Of these problems alone (number,)."""
        return Preconditioner(
            self.strength[problems], self.rates[problems], self.turn[problems], self.spectrum, self.penalty
        )


def _axes(curvature: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (problem, class) and eigenvectors (problem, class, class) of the curvature, float32.

    Where LAPACK gives up, as it may on a thousand nearly equal eigenvalues, the diagonal and unit vectors: they make a
    poorer preconditioner and the same optimum.
    """
    for exact in (curvature.float(), curvature.double()):
        try:
            rates, turn = torch.linalg.eigh(exact)
        except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
            continue
        return rates.float(), turn.float()
    diagonal = curvature.diagonal(dim1=1, dim2=2).float()
    return diagonal, torch.diag_embed(torch.ones_like(diagonal))
