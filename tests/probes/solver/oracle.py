"""The objective written down plainly in float64, and scikit-learn at a tight tolerance as its minimum."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from evar.probes.contract import Floats
from evar.probes.logistic import LogisticFit

Array = NDArray[np.float64]


def standardised(x: Floats) -> Array:
    """Columns of mean 0 and deviation 1; constant ones become 0."""
    z: Array = StandardScaler().fit_transform(x.astype(np.float64))
    z[:, np.ptp(x, axis=0) == 0] = 0
    return z


def value(z: Array, y: NDArray[np.int64], c: float, weights: Array, bias: Array) -> float:
    """1/2 |W|^2 + C * log loss; weights (class, dim), or (1, dim) for two classes as one logit."""
    logits = z @ weights.T + bias
    if len(weights) == 1:
        loss = np.logaddexp(0, np.where(y == 1, -logits[:, 0], logits[:, 0]))
    else:
        loss = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(y)), y]
    return float(0.5 * np.square(weights).sum() + c * loss.sum())


def minimum(z: Array, y: NDArray[np.int64], c: float) -> tuple[float, LogisticRegression]:
    """The least value that scikit-learn finds, and its model."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # its line search may end in rounding, just above the tolerance
        model = LogisticRegression(C=c, tol=1e-8, max_iter=20_000).fit(z, y)
    return value(z, y, c, model.coef_, model.intercept_), model


def fitted_value(fit: LogisticFit, z: Array, y: NDArray[np.int64], c: float) -> float:
    """The value at a probe's fit of classes 0, 1, ..., all of them in `y`."""
    weights, bias = fit.weights.T.astype(np.float64), fit.bias.astype(np.float64)
    if len(weights) == 2:
        weights, bias = weights[1:] - weights[:1], bias[1:] - bias[:1]
    return value(z, y, c, weights, bias)
