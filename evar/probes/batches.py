"""Which clips each step of an epoch reads, for many networks at once.

Every network goes through its own clips in its own random order, in batches of one width. The last batch of an epoch
is filled up with clips of weight 0; a network with fewer clips than another takes no part in the other's last steps.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Order:
    """Batches of all slots.

    weights: (step, slot, clip) float32: 1 / the batch's clips, 0 for what fills it up
    live:    (step, slot) whether a slot takes part
    """

    weights: Tensor
    live: NDArray[np.bool_]

    def __init__(self, places: Sequence[Tensor], generators: Sequence[torch.Generator], width: int) -> None:
        """places: each slot's training clips; generators: what each draws its order from; width: clips of a batch."""
        self.places, self.generators, self.width = places, generators, width
        self.steps = max(-(-len(each) // width) for each in places)
        position = np.arange(self.steps * width).reshape(self.steps, 1, width)
        there = position < np.array([len(each) for each in places])[:, None]  # (step, slot, clip)
        clips = there.sum(axis=2, keepdims=True)
        self.live = clips[..., 0] > 0
        self.weights = torch.from_numpy((there / clips.clip(min=1)).astype(np.float32))

    def epoch(self) -> Tensor:
        """The places of the next epoch: (step, slot, clip) int64."""
        order = torch.zeros(len(self.places), self.steps * self.width, dtype=torch.int64)
        for slot, (places, generator) in enumerate(zip(self.places, self.generators, strict=True)):
            shuffled = torch.randperm(len(places), generator=generator)
            order[slot, : len(places)] = places[shuffled]
        return order.view(len(self.places), self.steps, self.width).transpose(0, 1)
