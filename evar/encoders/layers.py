"""Which layers of a network are asked for, and the outputs that this makes.

Layers are counted from 0. None: output "last"; a number: "layer07"; several: one output "3+7+11", concatenated;
"each": one output a layer, in one pass.
"""

from collections.abc import Mapping
from typing import Literal

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
