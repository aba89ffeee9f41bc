"""Adam for a stack of networks, each with its own learning rate, weight decay and count of steps.

Source: Kingma and Ba 2015, algorithm 1, with beta 0.9 and 0.999 and epsilon 1e-8. Weight decay is either L2, added to
the gradient, or decoupled (Loshchilov and Hutter 2019, algorithm 2, as in torch's AdamW): weights shrink by
learning rate * weight decay a step.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evar.probes.networks import Parameters

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class Adam:
    """The moments of a stack, and the factors of its steps."""

    def __init__(
        self, parameters: Parameters, lr: Sequence[float], weight_decay: Sequence[float], *, decoupled: bool
    ) -> None:
        self.parameters = parameters
        self.lr, self.weight_decay, self.decoupled = np.array(lr), np.array(weight_decay), decoupled
        self.first = [torch.zeros_like(each) for each in parameters]
        self.second = [torch.zeros_like(each) for each in parameters]
        self.steps = np.zeros(len(lr), dtype=np.int64)

    def plan(self, live: NDArray[np.bool_]) -> Tensor:
        """The factors (step, factor, slot, 1, 1) of the next steps, live (step, slot): whether a slot takes part."""
        count = self.steps + live.cumsum(axis=0)
        self.steps = count[-1]
        decay = self.lr * self.weight_decay * live if self.decoupled else self.weight_decay * live
        factors = [
            (1 - BETAS[0]) * live,
            (1 - BETAS[1]) * live,
            self.lr * live / (1 - BETAS[0] ** count),
            np.sqrt(1 - BETAS[1] ** count),
            1 - decay if self.decoupled else decay,
        ]
        stacked = np.stack(factors, axis=1).astype(np.float32)
        return torch.from_numpy(stacked[..., None, None]).to(self.parameters[0].device)

    def step(self, gradients: Sequence[Tensor], factors: Tensor) -> None:
        """One step; factors (factor, slot, 1, 1) as planned. Slots that take no part stay as they are."""
        first, second, rate, root, decay = factors
        with torch.no_grad():
            for p, m, v, g in zip(self.parameters, self.first, self.second, gradients, strict=True):
                direction = g if self.decoupled else torch.addcmul(g, p, decay)
                if self.decoupled:
                    p.mul_(decay)
                m.lerp_(direction, first)
                v.lerp_(direction * direction, second)
                p.addcdiv_(m * rate, v.sqrt().div_(root).add_(EPSILON), value=-1)
