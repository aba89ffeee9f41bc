"""What every linear probe shares: standardisation on training rows, and a fitted linear layer on top of it.

Standardised features are (x - mean) / std of the training rows, with the population std. Columns that are constant on
the training rows say nothing about the classes: they become zeros, whatever value another row has there.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evar.base.threads import fit_each, one_thread, pieces
from evar.probes.contract import Floats, Rows

BLOCK_ROWS = 1024  # rows that are float64 at a time


@dataclass(frozen=True)
class Standardiser:
    """mean (dim,) and scale (dim,) float64: x -> (x - mean) * scale; scale is 1 / std, or 0 for a constant column."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def identity(cls, dim: int) -> "Standardiser":
        """What leaves `dim` columns as they are."""
        return cls(np.zeros(dim), np.ones(dim))

    @classmethod
    def of(cls, x: Floats, rows: Rows | None = None) -> "Standardiser":
        """The standardiser of x (clip, dim), or of some of its rows, which are gathered block by block; in float64."""
        clips = len(x) if rows is None else len(rows)
        blocks = [part if rows is None else rows[part] for part in pieces(clips, BLOCK_ROWS)]
        total, low, high = np.zeros(x.shape[1]), np.full(x.shape[1], np.inf), np.full(x.shape[1], -np.inf)
        for block in blocks:
            read = x[block]
            total += read.sum(axis=0, dtype=np.float64)
            np.minimum(low, read.min(axis=0), out=low)
            np.maximum(high, read.max(axis=0), out=high)
        mean = total / clips
        variance = sum(np.square(x[block] - mean).sum(axis=0) for block in blocks) / clips
        return cls(mean, np.divide(1.0, np.sqrt(variance), out=np.zeros_like(variance), where=high > low))

    def __call__(self, x: Floats) -> Floats:
        """(clip, dim) -> the same, standardised, float32."""
        standardised = np.empty(x.shape, dtype=np.float32)
        for block in pieces(len(x), BLOCK_ROWS):
            standardised[block] = (x[block] - self.mean) * self.scale
        return standardised

    def units(self, x: Floats) -> Floats:
        """(clip, dim) -> the same, standardised and scaled to length 1, float32; what has length 0 keeps it."""
        z = self(x)
        lengths = np.sqrt(np.square(z).sum(axis=1, keepdims=True, dtype=np.float64)).astype(np.float32)
        scaled: Floats = np.divide(z, lengths, out=np.zeros_like(z), where=lengths > 0)
        return scaled


def standardisers(x: Floats, trains: Iterable[Rows]) -> dict[bytes, Standardiser]:
    """The standardiser of each different set of training rows of x (clip, dim), by the set's `tobytes`."""
    sets = {train.tobytes(): train for train in trains}
    found = fit_each(lambda train: Standardiser.of(x, train), list(sets.values()))
    return dict(zip(sets, found, strict=True))


@dataclass(frozen=True)
class LinearFit:
    """A fitted linear probe: logits = standardised x @ weights (dim, class) + bias (class,), all float32."""

    standardise: Standardiser
    weights: Floats
    bias: Floats
    converged: bool

    def logits(self, x: Floats) -> Floats:
        """(clip, dim) -> (clip, class). The scale is folded into the weights; the mean stays, for far offsets."""
        mean, scale = self.standardise.mean, self.standardise.scale
        centre = mean.astype(np.float32)
        weights = (self.weights * scale[:, None]).astype(np.float32)
        bias = (self.bias + (centre - mean) @ weights).astype(np.float32)
        with one_thread():
            return np.asarray((x - centre) @ weights + bias, dtype=np.float32)
