"""Ridge regression onto the targets as 0 and 1, its penalty chosen on validation rows.

Minimises |Z W + b - Y|^2 + penalty |W|^2 over weights W and bias b, with Z standardised on the training rows.
"""

from collections.abc import Sequence

import numpy as np

from evar.base.threads import fit_each, pieces
from evar.probes.contract import Examples, Fitted, Probe, Problem, ScoreFunction
from evar.probes.linear import LinearFit, Standardiser


def open_probe(penalties: Sequence[float] = (1000.0, 100.0, 10.0, 1.0)) -> Probe:
    """penalties: to choose from, from the strongest."""
    return Ridge(penalties)


class Ridge(Probe[float]):
    """See the module's docstring."""

    def __init__(self, penalties: Sequence[float]) -> None:
        self.grid = tuple(penalties)

    def fit(self, examples: Examples, problems: Sequence[Problem[float]], score: ScoreFunction) -> Sequence[Fitted]:
        """Fit every problem, each in a thread of its own."""

        def solve(problem: Problem[float]) -> LinearFit:
            x, y, train = examples.x, examples.y[problem.train], problem.train
            standardise = Standardiser.of(x, train)
            wanted = y.astype(np.float64) if y.ndim == 2 else np.eye(examples.classes)[y]
            bias = wanted.mean(axis=0)
            penalised, products = problem.setting * np.eye(x.shape[1]), np.zeros((x.shape[1], examples.classes))
            for block in pieces(len(train), 1024):  # the embeddings may be more than memory holds
                z = standardise(x[train[block]]).astype(np.float64)
                penalised += z.T @ z
                products += z.T @ (wanted[block] - bias)
            weights = np.linalg.solve(penalised, products)
            return LinearFit(standardise, weights.astype(np.float32), bias.astype(np.float32), converged=True)

        return fit_each(solve, problems, steps=lambda problem: 1)
