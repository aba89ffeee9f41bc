"""Which layers of a network are asked for, and the outputs that this makes.

Layers are counted from 0. None: output "last"; a number: "layer07"; several: one output "3+7+11", concatenated;
"each": one output a layer, in one pass. Of images each of these is two outputs, the CLS token and the mean over the
patches: "cls" and "mean" where it is the last layer, else "layer07-cls" and so on.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from evar.base.errors import UsageError

Layers = Literal["each"] | list[int] | int | None


def outputs_of(encoder: str, layers: Layers, depth: int) -> Mapping[str, tuple[int, ...]]:
    """Output -> the layers in it. Raises UsageError for a layer that is not there, and for none."""
    if layers is None:
        return {"last": (depth - 1,)}
    numbers = list(range(depth)) if layers == "each" else [layers] if isinstance(layers, int) else list(layers)
    if not numbers or any(not 0 <= number < depth for number in numbers):
        raise UsageError(
            f"encoder {encoder}: layers must be from 0 to {depth - 1}, at least one of them, not {layers!r}"
        )
    if layers == "each" or len(numbers) == 1:
        return {f"layer{number:02}": (number,) for number in numbers}
    return {"+".join(map(str, numbers)): tuple(numbers)}


def image_outputs(layers_of: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    """The names of what `cls_and_mean` gives."""
    return tuple(f"{_prefix(output)}{kind}" for output in layers_of for kind in ("cls", "mean"))


def cls_and_mean(layers_of: Mapping[str, tuple[int, ...]], tokens: Mapping[int, Tensor]) -> dict[str, Tensor]:
    """CLS and the mean over the patches of each output, (clip, dim): of each layer's (clip, 1 + patch, width)."""
    found = {}
    for output, layers in layers_of.items():
        found[f"{_prefix(output)}cls"] = torch.cat([tokens[layer][:, 0] for layer in layers], dim=1)
        found[f"{_prefix(output)}mean"] = torch.cat([tokens[layer][:, 1:].mean(dim=1) for layer in layers], dim=1)
    return found


def _prefix(output: str) -> str:
    return "" if output == "last" else f"{output}-"
