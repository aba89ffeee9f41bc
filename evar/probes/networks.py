"""Small fully connected networks, many at once: a stack holds the same layer of every network in one tensor.

A network of sizes (dim, hidden, ..., class) is a list of its layers' weights (after, before) and biases (after, 1), in
turn; a stack of them has one axis more in front, the slot. Between layers stands a ReLU; no layer at all is hidden in a
linear probe. A slot's numbers depend on no other slot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from evar.base.threads import one_thread
from evar.probes.contract import UNKNOWN, Floats
from evar.probes.linear import Standardiser

Parameters = list[Tensor]


def initial(sizes: Sequence[int], generator: torch.Generator) -> Parameters:
    """One network with torch's usual initial weights and biases, uniform within 1 / sqrt(before), from `generator`."""
    parameters = []
    for before, after in pairwise(sizes):
        bound = before**-0.5
        for shape in ((after, before), (after, 1)):
            parameters.append(torch.empty(shape).uniform_(-bound, bound, generator=generator))
    return parameters


def stack(networks: Sequence[Parameters], device: torch.device) -> Parameters:
    """Networks of one shape as one stack."""
    return [torch.stack(each).to(device) for each in zip(*networks, strict=True)]


def slot(parameters: Parameters, number: int) -> Parameters:
    """A stack of that slot alone, which shares its memory."""
    return [each[number : number + 1] for each in parameters]


def forward(parameters: Parameters, features: Tensor) -> Tensor:
    """Features (slot, clip, dim), standardised -> logits (slot, clip, class).

    Within, clips are columns: with clips as rows the gradient of a few classes' weights took three times as long.
    """
    units = features.transpose(1, 2)
    last = len(parameters) - 2
    for number in range(0, len(parameters), 2):
        units = torch.baddbmm(parameters[number + 1], parameters[number], units)
        units = units.relu() if number < last else units
    return units.transpose(1, 2)


def gradients(
    parameters: Parameters, features: Tensor, targets: Tensor, weights: Tensor, out: Sequence[Tensor]
) -> Tensor:
    """The gradient of the clips' weighted losses, into `out` of the parameters' shapes.

    Gives the gradient by what the first layer makes of the features, before any ReLU: (slot, unit, clip).

    features (slot, clip, dim), targets (slot, clip) or (slot, clip, class), weights (slot, clip). Written out, since
    memory that is new at every step costs a hidden layer as much as its product.
    """
    units = [features.transpose(1, 2)]
    with torch.no_grad():
        for weight, bias in zip(parameters[::2], parameters[1::2], strict=True):
            units.append(torch.baddbmm(bias, weight, units[-1].relu_() if len(units) > 1 else units[-1]))
    logits = units.pop().transpose(1, 2).requires_grad_()
    (slope,) = torch.autograd.grad((losses(logits, targets) * weights).sum(), logits)
    slope = slope.transpose(1, 2)
    with torch.no_grad():
        for layer in reversed(range(len(units))):
            torch.bmm(slope, units[layer].transpose(1, 2), out=out[2 * layer])
            torch.sum(slope, dim=2, keepdim=True, out=out[2 * layer + 1])
            if layer:
                slope = (parameters[2 * layer].mT @ slope).mul_(units[layer] > 0)
    return slope


def losses(logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of every clip, averaged over the K classes: (slot, clip).

    logits (slot, clip, class); targets (slot, clip) int64 or (slot, clip, class) bool or int8 (`contract.Targets`).
    -log softmax(logits)_y / K; for multi-label targets the mean binary cross-entropy, an unknown entry's being 0.
    """
    if targets.ndim == logits.ndim:
        positive = (targets == 1).to(logits.dtype)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, positive, reduction="none")
        if targets.dtype == torch.int8:
            loss = loss * (targets != UNKNOWN)
        return loss.mean(dim=2)
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return loss.view(targets.shape) / logits.shape[2]


@dataclass(frozen=True)
class NetworkFit:
    """A fitted network: layers of weights (after, before) and biases (after,), ReLU between; all float32."""

    standardise: Standardiser
    layers: tuple[tuple[Floats, Floats], ...]
    converged: bool

    def logits(self, x: Floats) -> Floats:
        """(clip, dim) -> (clip, class)."""
        with one_thread():
            features = self.standardise(x)
            for number, (weights, bias) in enumerate(self.layers):
                features = features @ weights.T + bias
                if number < len(self.layers) - 1:
                    features = features.clip(min=0)
        return features
