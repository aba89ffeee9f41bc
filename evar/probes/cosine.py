"""Cosine similarity of standardised embeddings: what the nearest neighbours and the centroids share.

Every embedding is standardised on the training rows and scaled to length 1; one of length 0 stays there, its
similarities are 0.
"""

import numpy as np

from evar.probes.contract import Floats
from evar.probes.linear import Standardiser


def units(x: Floats, standardise: Standardiser) -> Floats:
    """(clip, dim) -> the same, standardised and of length 1, float32."""
    z = standardise(x)
    lengths = np.sqrt(np.square(z).sum(axis=1, keepdims=True, dtype=np.float64)).astype(np.float32)
    scaled: Floats = np.divide(z, lengths, out=np.zeros_like(z), where=lengths > 0)
    return scaled
