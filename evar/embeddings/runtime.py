"""How to run: devices, precision, clips a batch, and which share of the work."""

from dataclasses import dataclass

import torch

from evar.embeddings.share import Share


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
