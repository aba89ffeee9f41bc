"""What a cache entry of embeddings is keyed by: everything that decides the numbers, and no name alone."""

import hashlib
from typing import Any

import numpy as np
import torch

from evar.base import provenance
from evar.embeddings.batches import Plan
from evar.encoders.contract import Encoder


def cache_key(encoder: Encoder, plan: Plan, precision: str, device: torch.device) -> dict[str, Any]:
    """Everything that decides the embeddings' numbers, readable."""
    identity = encoder.identity
    versions = provenance.versions()
    crops = np.stack([plan.store_rows, plan.starts]).astype("<i8")
    return {
        "encoder": identity.name,
        "weights": identity.weights,
        "weights_digest": identity.digest,
        "code": identity.code,
        "behaviour": identity.behaviour,
        "options": dict(identity.options),
        "outputs": list(encoder.outputs),
        "sources": provenance.hash_sources(forward_sources(encoder)),
        "versions": {name: versions[name] for name in ("torch", "nnAudio", "numpy")},
        "precision": precision,
        "device": device.type,
        "sample_rate": encoder.rate,
        "samples": plan.samples,
        "crops": hashlib.sha256(crops.tobytes()).hexdigest(),
        "store": plan.store.digest,
    }


def forward_sources(encoder: Encoder) -> set[str]:
    """Source files, relative to the package, that an embedding passes through: the encoder's, and what they import."""
    used = {type(module).__module__ for module in encoder.modules()}
    files = {f"{name.removeprefix('evar.').replace('.', '/')}.py" for name in used if name.startswith("evar.")}
    return provenance.imported_sources(files, within=("nn", "encoders")) | {
        "embeddings/batches.py",
        "embeddings/feed.py",
        "embeddings/forward.py",
    }
