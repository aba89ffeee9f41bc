"""A weighted sum over an encoder's layers whose weights are learned, one a layer: softmax(a), from equal ones on.

Source: Yang et al., SUPERB, arXiv:2105.01051. There the frames of each layer are summed as the network gives them; a
mean over frames and a sum over layers may change places, so clip embeddings serve as well. What differs: each dimension
of each layer is standardised on the training rows first, so that a weight does not hang on how large a layer's numbers
are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor

from evar.base.errors import UsageError
from evar.base.threads import pieces
from evar.probes.contract import Fitted, Floats, Rows
from evar.probes.linear import BLOCK_ROWS, Standardiser

LayerChoice = Literal["weighted"] | None
"""The option `layers` of a probe: "weighted", or None for one fit an output of the encoder."""


class LayerStack:
    """Layers side by side, read where they lie: (clip, layer * dim), of which rows are taken and nothing else."""

    ndim = 2

    def __init__(self, layers: Sequence[Floats]) -> None:
        """layers: (clip, dim) each, memory maps perhaps. Raises UsageError where they are of several sizes."""
        if len({each.shape for each in layers}) > 1:
            raise UsageError(f"layers of {', '.join(str(each.shape[1]) for each in layers)} dimensions have no sum")
        self.layers = tuple(layers)
        self.shape = (len(layers[0]), sum(each.shape[1] for each in layers))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Rows | slice) -> Floats:
        return np.concatenate([each[rows] for each in self.layers], axis=1)

    def take(self, rows: Rows, axis: int, out: Floats, mode: str) -> Floats:
        """What `np.take` calls: these rows, into `out`."""
        del axis, mode
        for part, each in zip(np.split(out, len(self.layers), axis=1), self.layers, strict=True):
            part[:] = each[rows]
        return out


def layer_sum(layers: Tensor, logits: Tensor) -> Tensor:
    """Layers (slot, clip, layer, dim) by weights softmax(logits (slot, layer, 1)) -> (slot, clip, dim)."""
    weights = logits.softmax(1)[..., None]
    total = layers[:, :, 0] * weights[:, 0]
    for layer in range(1, layers.shape[2]):  # no product of matrices: those may round
        total.addcmul_(layers[:, :, layer], weights[:, layer])
    return total


def layer_sum_gradient(layers: Tensor, logits: Tensor, along: Tensor) -> Tensor:
    """The gradient by the logits (slot, layer, 1), of what has the gradient `along` (slot, clip, dim) by the sum."""
    weights = logits.softmax(1)
    by_weight = (layers * along[:, :, None]).sum((1, 3))[..., None]
    return weights * (by_weight - (weights * by_weight).sum(1, keepdim=True))


@dataclass(frozen=True)
class LayerSum:
    """The sum itself. standardise: of all layers side by side; weights: (layer,), their sum 1."""

    standardise: Standardiser
    weights: Floats

    def __call__(self, x: Floats, rows: Rows | None = None) -> Floats:
        """(clip, layer * dim), or those rows of it -> (clip, dim) float32, block by block."""
        clips = len(x) if rows is None else len(rows)
        summed = np.empty((clips, x.shape[1] // len(self.weights)), dtype=np.float32)
        for block in pieces(clips, BLOCK_ROWS):
            read = self.standardise(x[block] if rows is None else x[rows[block]])
            layers = read.reshape(len(read), len(self.weights), -1)
            summed[block] = (layers * self.weights[:, None]).sum(axis=1)
        return summed


@dataclass(frozen=True)
class LayerSumFit:
    """A fitted probe on a weighted sum over layers."""

    layer_sum: LayerSum
    fit: Fitted

    @property
    def converged(self) -> bool:
        """Whether the fit on the sum is."""
        return self.fit.converged

    def logits(self, x: Floats) -> Floats:
        """(clip, layer * dim) -> (clip, class)."""
        return self.fit.logits(self.layer_sum(x))
