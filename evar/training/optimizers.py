"""How weights follow their gradients: groups with and without weight decay, and LARS; SGD and AdamW are torch's."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def weight_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """An optimiser's groups: biases and norms, which are vectors, do not decay; everything else does."""
    trained = [tensor for tensor in model.parameters() if tensor.requires_grad]
    return [
        {"params": [tensor for tensor in trained if tensor.ndim > 1], "weight_decay": weight_decay},
        {"params": [tensor for tensor in trained if tensor.ndim <= 1], "weight_decay": 0.0},
    ]


class Lars(Optimizer):
    """SGD whose rate is scaled, weight by weight, to the weight's own size.

    With a gradient g of a weight w: rate = lr * trust * |w| / (|g| + decay * |w|), v = momentum * v + rate * (g + decay
    * w), w = w - v. Vectors (biases, norms) and weights or gradients of norm 0 have rate = lr.
    Source: You et al., arXiv:1708.03888, algorithm 1; vectors apart as He et al., arXiv:2111.06377, appendix A.2.
    """

    def __init__(
        self, params: Iterable[Any], lr: float, momentum: float = 0.9, weight_decay: float = 0.0, trust: float = 0.001
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Change every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._change(weight, group)

    def _change(self, weight: Tensor, group: dict[str, Any]) -> None:
        decay, rate = group["weight_decay"], torch.as_tensor(group["lr"], device=weight.device)
        if weight.ndim > 1:
            size, slope = weight.norm(), weight.grad.norm()  # type: ignore[union-attr]
            scale = group["trust"] * size / (slope + decay * size)
            rate = rate * torch.where((size > 0) & (slope > 0), scale, 1.0)
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        change = weight.grad.add(weight, alpha=decay) * rate  # type: ignore[union-attr]
        weight.sub_(state["momentum_buffer"].mul_(group["momentum"]).add_(change))
