"""Nearest class mean by cosine similarity: nothing to choose, nothing to iterate.

A class's centroid is the mean of its training clips' standardised embeddings, each of length 1 (as in Snell et al.
2017, "Prototypical networks", with the cosine for the distance); a clip's logit is its cosine similarity to it. For
multi-label tasks the centroid is the mean of the clips with the label less the mean of those without: what the two
have in common says nothing about the label. Classes that the training rows cannot teach keep their column, with a
constant logit: NEVER without positives, -NEVER without negatives (multi-label).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evar.base.threads import fit_each, one_thread, pieces
from evar.probes.contract import Examples, Fitted, Floats, Probe, Problem, Rows, ScoreFunction, Targets
from evar.probes.linear import Standardiser

NEVER = np.float32(-2.0)  # below every cosine
BLOCK_ROWS = 1024  # training clips of length 1 at a time


def open_probe() -> Probe:
    """Nearest class mean; it has no options."""
    return Centroid()


class Centroid(Probe[None]):
    """See the module's docstring."""

    grid = (None,)

    def fit(self, examples: Examples, problems: Sequence[Problem[None]], score: ScoreFunction) -> Sequence[Fitted]:
        """Fit every problem."""
        del score  # there is nothing to stop early
        return fit_each(lambda problem: CentroidFit.of(examples, problem.train), problems, steps=lambda problem: 1)


@dataclass(frozen=True)
class CentroidFit:
    """Centroids (class, dim) of length 1, and the constant logits (class,) of classes that have none, else NaN."""

    standardise: Standardiser
    centroids: Floats
    constant: Floats
    converged: bool = True

    @classmethod
    def of(cls, examples: Examples, train: Rows) -> "CentroidFit":
        """The centroids of training rows."""
        x, y, classes = examples.x, examples.y, examples.classes
        standardise = Standardiser.of(x, train)
        count, positive, whole = np.zeros(classes), np.zeros((classes, x.shape[1])), np.zeros(x.shape[1])
        for span in pieces(len(train), BLOCK_ROWS):
            rows = standardise.units(x[train[span]]).astype(np.float64)
            positive += sums(y[train[span]], rows, classes)
            whole += rows.sum(axis=0)
            count += sums(y[train[span]], np.ones((len(rows), 1)), classes)[:, 0]
        constant = np.where(count == 0, NEVER, np.float32(np.nan))
        means = positive / np.maximum(count, 1)[:, None]
        if y.ndim == 2:
            constant[count == len(train)] = -NEVER
            means -= (whole - positive) / np.maximum(len(train) - count, 1)[:, None]
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        centroids = np.divide(means, lengths, out=np.zeros_like(means), where=lengths > 0)
        return cls(standardise, centroids.astype(np.float32), constant)

    def logits(self, x: Floats) -> Floats:
        """(clip, dim) -> (clip, class) cosine similarities."""
        with one_thread():
            similarities = self.standardise.units(x) @ self.centroids.T
        return np.where(np.isnan(self.constant), similarities, self.constant)


def sums(y: Targets, rows: NDArray[np.float64], classes: int) -> NDArray[np.float64]:
    """The sum over the clips of each class, of rows (clip, dim) with targets (clip,) or (clip, class): (class, dim)."""
    found = np.zeros((classes, rows.shape[1]))
    if y.ndim == 2:
        found[:] = y.T.astype(np.float64) @ rows
    else:
        order = np.argsort(y, kind="stable")
        present, starts = np.unique(y[order], return_index=True)
        found[present] = np.add.reduceat(rows[order], starts, axis=0)
    return found
