"""Any network of the user's as an encoder: its attributes and its output are checked, its frames averaged.

Every clip of a batch has the same length, so a network never sees padding beyond a clip, and all its frames are valid.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evar.base.errors import CheckpointError, UsageError, few
from evar.encoders.checks import ContractBroken, describes_itself, gives_the_same_bits_for_a_long_clip
from evar.encoders.contract import Encoder, Identity
from evar.encoders.fingerprint import SECONDS, behaviour_of, digest_of_tensors
from evar.encoders.outside import code_of, outside_code
from evar.nn.checkpoint import digest_of, find_checkpoint

SHORTEST_SECONDS = 0.1
"""Shorter clips are zero-padded to this: most networks fail below the length of their first windows."""


class Adapted(Encoder):
    """Output "last": what `call` makes of a batch, averaged over frames where it gives frames.

    what:       how messages call it, e.g. "hear module my_model"
    network:    registered, so that it moves with the encoder and is frozen with it
    call:       (network, (clip, sample) float32) -> (clip, dim) or (clip, frame, dim), whichever `shapes` allows
    shortest:   samples
    size:       dim that it declares; None where it declares none

    Raises UsageError where `call` raises anything or gives anything else.
    """

    def __init__(
        self,
        what: str,
        network: nn.Module,
        call: Callable[..., Any] = nn.Module.__call__,
        *,
        sample_rate: int,
        shortest: int,
        shapes: tuple[str, ...] = ("(clip, dim)", "(clip, frame, dim)"),
        size: int | None = None,
    ) -> None:
        super().__init__()
        self.what, self.network, self.call = what, network, call
        self.sample_rate, self.shortest, self.shapes, self.size = sample_rate, shortest, shapes, size
        self.identity = Identity(what)

    def encode(self, waveforms: Tensor) -> dict[str, Tensor]:
        """Embed clips of one length: (clip, sample) float32 -> {"last": (clip, dim) float32}."""
        waveforms = F.pad(waveforms, (0, max(0, self.shortest - waveforms.shape[1])))
        with outside_code(f"{self.what}: embedding {tuple(waveforms.shape)} samples"):
            given = self.call(self.network, waveforms)
        embedding = self._checked(given, len(waveforms)).to(torch.float32)
        return {"last": embedding if embedding.ndim == 2 else embedding.mean(1)}

    def _checked(self, given: Any, clips: int) -> Tensor:
        expected = f"expected a tensor {' or '.join(self.shapes)}"
        if not isinstance(given, Tensor):
            raise UsageError(f"{self.what} gives a {type(given).__name__}: {expected}")
        axes = tuple(shape.count(",") + 1 for shape in self.shapes)
        if given.ndim not in axes or len(given) != clips or 0 in given.shape or not given.is_floating_point():
            raise UsageError(f"{self.what} gives {tuple(given.shape)} {given.dtype} for {clips} clips: {expected}")
        if self.size is not None and given.shape[-1] != self.size:
            raise UsageError(f"{self.what} declares dim {self.size} and gives {tuple(given.shape)}")
        return given


def adapted(what: str, network: nn.Module, shortest: float = SHORTEST_SECONDS) -> Adapted:
    """A module with a `sample_rate` (Hz) whose forward embeds, as an encoder. Raises UsageError."""
    sample_rate = whole_number(what, network, "sample_rate")
    return Adapted(what, network, sample_rate=sample_rate, shortest=round(shortest * sample_rate))


def identified(
    encoder: Encoder, name: str, weights: str, digest: str = "", *, roots: Iterable[ModuleType] = ()
) -> Encoder:
    """Freeze an encoder from outside and give it an identity that no other code, weights or settings share.

    digest: of its weights file; "" for that of its tensors. roots: see `code_of`.
    Raises UsageError where it cannot embed, CheckpointError where its weights are no numbers.
    """
    encoder = encoder.eval().requires_grad_(False)
    identity = encoder.identity = getattr(encoder, "identity", Identity(name))
    encoder.own_checks = (*encoder.own_checks, gives_the_same_bits_for_a_long_clip)
    require_numbers(name, encoder)
    try:
        describes_itself(encoder)
        with outside_code(f"{name}: embedding {SECONDS:g} s of noise"):
            behaviour = behaviour_of(encoder)
    except ContractBroken as broken:
        raise UsageError(f"{name}: {broken}") from broken
    digest, code = digest or digest_of_tensors(encoder), code_of(roots, encoder)
    encoder.identity = replace(identity, name=name, weights=weights, digest=digest, code=code, behaviour=behaviour)
    return encoder


def digest_of_weights(weights: Path | None) -> str:
    """sha256 of the file that somebody's code is about to open; "" for a folder, and where there is none.

    Raises CheckpointError, with near names, where it is not there, no regular file, empty or damaged.
    """
    return "" if weights is None or weights.is_dir() else digest_of(find_checkpoint(weights))


def require_numbers(what: str, network: nn.Module) -> None:
    """Raise CheckpointError that names the tensors of a network that hold NaN."""
    state = {name: tensor for name, tensor in network.state_dict().items() if isinstance(tensor, Tensor)}
    plain = {name: t for name, t in state.items() if t.is_floating_point() and t.layout == torch.strided}
    broken = [name for name, tensor in plain.items() if tensor.itemsize > 1 and tensor.isnan().any()]
    if broken:
        raise CheckpointError(f"{what}: {len(broken)} of its {len(state)} tensors hold NaN: {few(broken)}")


def whole_number(what: str, owner: object, attribute: str) -> int:
    """A positive whole number that the user's object must have. Raises UsageError where it has not."""
    value = getattr(owner, attribute, None)
    if isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer() and value > 0:
        return int(value)
    said = f"its {attribute} is {value!r}" if hasattr(owner, attribute) else f"it has no {attribute}"
    raise UsageError(f"{what}: {said}; it must be a positive whole number")


def network_of(what: str, given: object) -> nn.Module:
    """The nn.Module that the user's code gave. Raises UsageError where it is something else."""
    if not isinstance(given, nn.Module):
        raise UsageError(f"{what} gives a {type(given).__name__} and no torch.nn.Module")
    return given
