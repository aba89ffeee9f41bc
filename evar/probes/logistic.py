"""Logistic regression with L2 penalty, its strength C chosen on validation rows: the default probe.

Objective (scikit-learn's): minimise over weights W and intercepts b, on features standardised on the training rows,

    1/2 |W|^2 + C * sum over clips of the log loss;  the intercepts carry no penalty.

Log loss: softmax over classes, two classes as one logit, multi-label one-vs-rest. Classes that the training rows
cannot teach keep their column, with a constant logit: LOWEST without positives, -LOWEST without negatives.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from evar.errors import UsageError
from evar.probes.contract import Fitted, Floats, Probe, Problem, ScoreFunction, Setting, Targets
from evar.probes.linear import LinearFit, Standardiser
from evar.probes.threads import fit_each, one_thread
from evar.progress import Advance

GRID = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1)  # C, from the strongest penalty
MAX_ITER = 1000
LOWEST = np.float32(-1e30)  # a logit below all others that still leaves softmax and differences finite


def open_probe(grid: Sequence[float] = GRID, max_iter: int = MAX_ITER) -> Probe:
    """Logistic regression. Raises UsageError where an option cannot be.

    grid:      values of C to choose from, rising
    max_iter:  most L-BFGS iterations of a fit; one that reaches it is reported as not converged
    """
    return Logistic(grid, max_iter)


class Logistic(Probe):
    """See the module's docstring."""

    name = "logistic"

    def __init__(self, grid: Sequence[float], max_iter: int) -> None:
        if not _is_grid(grid):
            raise UsageError(f"probe logistic: grid must be a rising list of positive numbers, not {grid!r}")
        if max_iter < 1:
            raise UsageError(f"probe logistic: max_iter must be at least 1, not {max_iter!r}")
        self.grid = tuple(float(c) for c in grid)
        self.max_iter = max_iter
        self.options = {"grid": list(self.grid), "max_iter": max_iter}

    def fit(
        self, x: Floats, y: Targets, problems: Sequence[Problem], classes: int, score: ScoreFunction, advance: Advance
    ) -> list[Fitted]:
        """Fit every problem; those with the same training rows share their standardisation and rotation."""
        del score  # the objective alone decides when a fit ends
        fitted: dict[int, Fitted] = {}
        for members in _by_training_rows(problems):
            train = problems[members[0]].train
            fit_with = partial(self._fit, Design.of(x[train]), y[train], classes)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # said by `converged`
                fits = fit_each(fit_with, [problems[member].setting for member in members], advance)
            fitted.update(zip(members, fits, strict=True))
        return [fitted[index] for index in range(len(problems))]

    def _fit(self, design: "Design", y: Targets, classes: int, c: Setting) -> LinearFit:
        weights = np.zeros((design.features.shape[1], classes), dtype=np.float32)
        bias = np.full(classes, LOWEST, dtype=np.float32)
        converged = True
        if y.ndim == 1:
            present = np.unique(y)
            weights[:, present], bias[present], converged = self._softmax(design.features, y, c)
        else:
            for column in range(classes):
                if y[:, column].all():
                    bias[column] = -LOWEST
                elif y[:, column].any():
                    weights[:, [column]], bias[[column]], ended = self._solve(design.features, y[:, column], c)
                    converged &= ended
        return LinearFit(design.standardise, design.to_standardised(weights), bias, converged)

    def _softmax(self, features: Floats, y: Targets, c: Setting) -> tuple[Floats, Floats, bool]:
        """Weights (dim, present class), bias (present class,), converged; one, two or more classes present."""
        present = len(np.unique(y))
        if present == 1:
            return np.zeros((features.shape[1], 1), dtype=np.float32), np.zeros(1, dtype=np.float32), True
        weights, bias, converged = self._solve(features, y, c)
        if present == 2:  # one logit z of the second class: -z/2 and z/2 have the same softmax
            return np.hstack([-weights / 2, weights / 2]), np.hstack([-bias / 2, bias / 2]), converged
        return weights, bias, converged

    def _solve(self, features: Floats, y: Targets, c: Setting) -> tuple[Floats, Floats, bool]:
        """scikit-learn's coefficients as columns: one for two classes, else one a class."""
        model = LogisticRegression(C=c, max_iter=self.max_iter).fit(features, y)
        converged = bool(model.n_iter_.max() < self.max_iter)
        return model.coef_.T.astype(np.float32), model.intercept_.astype(np.float32), converged


@dataclass(frozen=True)
class Design:
    """Training features of a fit, and the way back from their weights to weights of standardised embeddings.

    With fewer clips n than dimensions, the standardised rows Z (n, dim) are rotated into their own span: Z^T = Q R,
    features R^T (n, n). W = Q V has |W| = |V| and Z W = R^T V, and the optimal W lies in that span, so that both
    problems have one optimum, and one path of L-BFGS iterates.
    """

    standardise: Standardiser
    features: Floats
    basis: Floats | None

    @classmethod
    def of(cls, x: Floats) -> "Design":
        """The design of training rows (clip, dim)."""
        standardise = Standardiser.of(x)
        features = standardise(x)
        if len(x) >= x.shape[1]:
            return cls(standardise, features, None)
        with one_thread():
            basis, triangle = np.linalg.qr(features.T)
        return cls(standardise, np.ascontiguousarray(triangle.T), basis)

    def to_standardised(self, weights: Floats) -> Floats:
        """(feature, class) -> (dim, class)."""
        return weights if self.basis is None else self.basis @ weights


def _by_training_rows(problems: Sequence[Problem]) -> list[list[int]]:
    """Numbers of the problems, grouped by equal training rows."""
    members: dict[bytes, list[int]] = {}
    for index, problem in enumerate(problems):
        members.setdefault(problem.train.tobytes(), []).append(index)
    return list(members.values())


def _is_grid(grid: Sequence[float]) -> bool:
    """Whether `grid` is a rising list of positive finite numbers."""
    return bool(grid) and grid[0] > 0 and math.isfinite(grid[-1]) and all(low < high for low, high in pairwise(grid))
