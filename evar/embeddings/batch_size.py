"""How many clips a batch holds: automatic, and no more than what was found to fit.

CACHE/batch-sizes.json remembers, for an encoder, precision, device and length of clips, the size that was left when a
larger one did not fit into memory. It only bounds the automatic size of what is begun later.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from evar.base import provenance
from evar.base.files import locked
from evar.base.json_file import read_json, write_json
from evar.embeddings.batches import Plan
from evar.embeddings.device import Runtime
from evar.encoders.contract import Identity

AUDIO_SECONDS_A_BATCH = {"cpu": 64, "mps": 64, "cuda": 2560}  # on a CPU what stays in its caches is fastest
IMAGE_SECONDS, IMAGE_SIZE = 6.0, 224  # an image of this size has as many patches as audio of this length
MOST_CLIPS_A_BATCH = 1024


def automatic_batch_size(plan: Plan, device: torch.device) -> int:
    """Clips a batch: a fixed number of seconds of audio, so that memory does not grow with the clip's length.

    Of images as many as have so many patches.
    """
    size, seconds = plan.store.rate, plan.samples / plan.store.rate
    if plan.store.modality == "image":
        seconds = IMAGE_SECONDS * (size / IMAGE_SIZE) ** 2
    return int(np.clip(AUDIO_SECONDS_A_BATCH[device.type] // seconds, 1, min(MOST_CLIPS_A_BATCH, max(len(plan), 1))))


@dataclass(frozen=True)
class Remembered:
    """The size that fits, of one kind of batch. key: digest of all that decides the memory that a clip takes."""

    file: Path
    key: str

    def bound(self, size: int) -> int:
        """`size`, or what was found to fit where that is less."""
        fits: int = read_json(self.file).get(self.key, size)
        return min(size, fits)

    def remember(self, size: int) -> None:
        """Record a size that is left after a larger one did not fit. Raises StorageError."""
        with locked(self.file):
            write_json(self.file, read_json(self.file) | {self.key: size})


def remembered(cache: Path, identity: Identity, runtime: Runtime, plan: Plan) -> Remembered:
    """What the cache remembers of an encoder's batches."""
    kind = {
        "encoder": [identity.name, identity.weights, identity.digest, identity.code, dict(identity.options)],
        "precision": runtime.precision,
        "device": runtime.described,
        "samples": plan.samples,
    }
    return Remembered(cache / "batch-sizes.json", provenance.hash_json(kind))
