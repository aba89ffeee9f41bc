"""Adam for a stack of networks, each with its own learning rate, weight decay and count of steps.

Source: Kingma and Ba 2015, algorithm 1, with beta 0.9 and 0.999 and epsilon 1e-8. Weight decay is either L2, added to
the gradient, or decoupled (Loshchilov and Hutter 2019, algorithm 2, as in torch's AdamW): weights shrink by
learning rate * weight decay a step. A stack of one network with decoupled decay is stepped by torch's own AdamW: with
hidden layers one pass over memory takes a sixth of the time of one an operation.
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
    """The moments of a stack, and the factors of its steps; `gradients` are where the next step looks for them."""

    def __init__(
        self, parameters: Parameters, lr: Sequence[float], weight_decay: Sequence[float], *, decoupled: bool
    ) -> None:
        self.parameters = parameters
        self.gradients = [torch.zeros_like(each) for each in parameters]
        self.lr, self.weight_decay, self.decoupled = np.array(lr), np.array(weight_decay), decoupled
        self.steps = np.zeros(len(lr), dtype=np.int64)
        self._alone = None
        if len(lr) == 1 and decoupled:
            for each, gradient in zip(parameters, self.gradients, strict=True):
                each.grad = gradient
            self._alone = torch.optim.AdamW(
                parameters, lr=lr[0], betas=BETAS, eps=EPSILON, weight_decay=weight_decay[0], fused=True
            )
            return
        self.first = [torch.zeros_like(each) for each in parameters]
        self.second = [torch.zeros_like(each) for each in parameters]

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

    def step(self, factors: Tensor) -> None:
        """One step; factors (factor, slot, 1, 1) as planned. Slots that take no part stay as they are."""
        if self._alone is not None:  # a single network takes part in every step
            self._alone.step()
            return
        first, second, rate, root, decay = factors
        for p, m, v, g in zip(self.parameters, self.first, self.second, self.gradients, strict=True):
            direction = g if self.decoupled else torch.addcmul(g, p, decay)
            if self.decoupled:
                p.mul_(decay)
            m.lerp_(direction, first)
            v.lerp_(direction * direction, second)
            p.addcdiv_(m * rate, v.sqrt().div_(root).add_(EPSILON), value=-1)
