"""Probes as scikit-learn classifiers: the logistic one, to be fitted alone, and the fitted probe of a run.

    probe = evar.load_probe("20261128T200034-c551a5e0")  # made with --save-probe
    probe.predict(embeddings)                            # (clip, dim) -> names of classes

Both are used as any other classifier of scikit-learn is.
"""

import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from evar.base.errors import UsageError, unknown
from evar.embeddings.device import choose_device, probe_device
from evar.probes.contract import NO_ROWS, Examples, Floats, Problem
from evar.probes.linear import Standardiser
from evar.probes.logistic import MAX_ITER, Logistic
from evar.probes.predictions import logits as logits_of
from evar.probes.saved import SavedRound


class LogisticRegressionProbe(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """L2-penalised logistic regression on standardised features, solved to a relative gap of 1e-6.

    The objective is that of `make_pipeline(StandardScaler(), LogisticRegression(C))`; float32 on `device`.

    C:         inverse strength of the penalty
    max_iter:  most iterations; ConvergenceWarning where they do not suffice
    device:    "cpu", "cuda", "cuda:1", "auto"

    Fitted attributes: classes_, coef_ (class, feature; for standardised features) and intercept_ (class,), one row
    where there are two classes, as in scikit-learn; n_iter_, n_features_in_.
    """

    def __init__(self, C: float = 1.0, *, max_iter: int = MAX_ITER, device: str = "cpu") -> None:
        self.C = C
        self.max_iter = max_iter
        self.device = device

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to X (row, feature) and class labels y (row,). Raises ValueError for a parameter that cannot be."""
        device = self._checked_device()
        x, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        self._standardise = Standardiser.of(x)
        probe = Logistic([self.C], self.max_iter)
        probe.device = device
        targets, groups = numbers.astype(np.int64), np.zeros(len(x), dtype=np.str_)
        examples = Examples(self._standardise(x), targets, groups, len(self.classes_))
        problem = Problem(np.arange(len(x)), NO_ROWS, float(self.C), 0)
        (fitted,) = probe.fit(examples, [problem], lambda *_: 0.0)
        if not fitted.converged:
            warnings.warn(f"max_iter={self.max_iter} iterations were too few", ConvergenceWarning, stacklevel=2)
        weights, bias = fitted.weights.T.astype(np.float64), fitted.bias.astype(np.float64)
        two = len(self.classes_) == 2
        self.coef_ = weights[1:] - weights[:1] if two else weights
        self.intercept_ = bias[1:] - bias[:1] if two else bias
        self.n_iter_ = max(1, sum(optimum.fast for optimum in fitted.optima))
        return self

    def _checked_device(self) -> str:
        """The device by its full name. Raises ValueError for any parameter that cannot be."""
        if not isinstance(self.C, Real) or not 0 < float(self.C) < np.inf:
            raise ValueError(f"C must be a finite number above 0, not {self.C!r}")
        if not isinstance(self.max_iter, Integral) or int(self.max_iter) < 1:
            raise ValueError(f"max_iter must be a whole number of at least 1, not {self.max_iter!r}")
        try:
            return probe_device(choose_device(self.device))
        except UsageError as error:
            raise ValueError(str(error)) from error

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Logits (row, class), or (row,) of the second of two classes."""
        check_is_fitted(self)
        x = validate_data(self, X, dtype=np.float64, reset=False)
        z = (x - self._standardise.mean) * self._standardise.scale
        logits: NDArray[np.float64] = z @ self.coef_.T + self.intercept_
        return logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities (row, class)."""
        logits = self.decision_function(X)
        if logits.ndim == 1:
            logits = np.stack([np.zeros_like(logits), logits], axis=1)
        return torch.softmax(torch.from_numpy(logits), dim=1).numpy()

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable class of each row."""
        logits = self.decision_function(X)
        best = (logits > 0).astype(np.int64) if logits.ndim == 1 else logits.argmax(axis=1)
        found: NDArray[Any] = self.classes_[best]
        return found


class SavedProbe(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A run's fitted probe as a scikit-learn classifier. It is fitted: `fit` learns nothing, as of `FrozenEstimator`.

    about:   what it was fitted on, and for whom: run, task, kind, encoder, weights, output, classes, ...
    rounds:  one, or one a test fold; probabilities are the mean over rounds and seeds

    classes_: names of classes; n_features_in_: dimensions of an embedding, those of all layers where it sums them
    """

    def __init__(self, about: Mapping[str, Any], rounds: Sequence[SavedRound]) -> None:
        self.about = about
        self.rounds = rounds

    @property
    def classes_(self) -> NDArray[np.str_]:
        """(class,) names."""
        return np.array(self.about["classes"], dtype=np.str_)

    @property
    def n_features_in_(self) -> int:
        """Dimensions of an embedding."""
        return self.rounds[0].dim

    @property
    def folds(self) -> list[str]:
        """Names of the rounds, each of which was tested on one fold and fitted on the others."""
        return [each.name for each in self.rounds]

    def of_fold(self, fold: str) -> "SavedProbe":
        """The fits that were tested on this fold, and have not seen its clips. Raises UsageError, with near names."""
        if fold not in self.folds:
            raise unknown("fold of this probe", fold, self.folds)
        return SavedProbe(self.about, [each for each in self.rounds if each.name == fold])

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Does nothing."""
        return self

    def decision_function(self, X: ArrayLike) -> Floats:
        """(clip, dim) -> logits (clip, class), the mean over rounds and seeds."""
        found: Floats = np.mean(self._logits(X), axis=0)
        return found

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """(clip, dim) -> (clip, class): of one label a clip softmax, of several each label's own probability."""
        each = self._logits(X).astype(np.float64)
        found: NDArray[np.float64] = (expit(each) if self._several else softmax(each, axis=2)).mean(axis=0)
        return found

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """(clip, dim) -> names (clip,); where clips have several labels (clip, class), 1 for those above one half."""
        found = self.predict_proba(X)
        return (found > 0.5).astype(np.int64) if self._several else self.classes_[found.argmax(axis=1)]

    @property
    def _several(self) -> bool:
        return bool(self.about["kind"] == "multi-label")

    def _logits(self, X: ArrayLike) -> Floats:
        """(fit, clip, class). Raises UsageError where rounds read different outputs, ValueError for another shape."""
        if len(outputs := {each.output for each in self.rounds}) > 1:
            raise UsageError(f"folds of this probe read {', '.join(sorted(outputs))}: name one by of_fold")
        x: Floats = check_array(X, dtype=np.float32)
        if x.shape[1] != self.n_features_in_:
            raise ValueError(f"X has {x.shape[1]} features, but the probe was fitted on {self.n_features_in_}")
        rows = np.arange(len(x))
        return np.stack([logits_of(fit, x, rows) for each in self.rounds for fit in each.fits])

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> "SavedProbe":
        return self

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        said = self.about
        return f"SavedProbe({said['task']}: {said['probe']} on {said['encoder']}, {len(self.rounds)} rounds)"
