"""Embeddings that classes can be read from: clouds around a centre a class, one spread for all."""

import numpy as np
from numpy.typing import NDArray

from evar.probes.contract import Examples, Floats, Targets


def clouds(
    clips: int, dim: int, classes: int, *, apart: float = 1.0, seed: int = 0
) -> tuple[Floats, NDArray[np.int64]]:
    """Embeddings (clip, dim) and class numbers (clip,), every class in turn; `apart`: spread of the centres."""
    draws = np.random.default_rng(seed)
    y = np.arange(clips) % classes
    x = draws.normal(size=(clips, dim)) + apart * draws.normal(size=(classes, dim))[y]
    return x.astype(np.float32), y


def labels(clips: int, dim: int, classes: int, *, seed: int = 0) -> tuple[Floats, NDArray[np.bool_]]:
    """Embeddings (clip, dim) and multi-label targets (clip, class); every class has positives and negatives."""
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(clips, dim))
    y = x @ draws.normal(size=(dim, classes)) + draws.normal(size=(clips, classes)) > 0.5
    y[:2] = [[True], [False]]
    return x.astype(np.float32), y


def examples(x: Floats, y: Targets, classes: int | None = None) -> Examples:
    """Clips of groups of two neighbours; as many classes as the targets show unless it is said."""
    groups = np.array([f"g{row // 2}" for row in range(len(x))])
    return Examples(x, y, groups, classes or (y.shape[1] if y.ndim == 2 else int(y.max()) + 1))
