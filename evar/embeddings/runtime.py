"""How to run: devices, precision, clips a batch, and which share of the work."""

from dataclasses import dataclass

import numpy as np
import torch

from evar.embeddings.batches import Plan
from evar.embeddings.share import Share

AUDIO_SECONDS_A_BATCH = {"cpu": 64, "cuda": 2560}  # on a CPU what stays in its caches is fastest
MOST_CLIPS_A_BATCH = 1024


@dataclass(frozen=True)
class Runtime:
    """How to run.

    devices:    one process each where there are several
    precision:  a name of PRECISIONS
    batch_size: clips; None: automatic
    share:      the part of the blocks to compute here, the others being computed elsewhere; None: all
    """

    devices: tuple[torch.device, ...]
    precision: str
    batch_size: int | None = None
    share: Share | None = None

    @property
    def device(self) -> torch.device:
        """The first device, which all others are like."""
        return self.devices[0]


def automatic_batch_size(plan: Plan, device: torch.device) -> int:
    """Clips a batch: a fixed number of seconds of audio, so that memory does not grow with the clip's length."""
    seconds = plan.samples / plan.store.rate
    return int(np.clip(AUDIO_SECONDS_A_BATCH[device.type] // seconds, 1, min(MOST_CLIPS_A_BATCH, max(len(plan), 1))))
