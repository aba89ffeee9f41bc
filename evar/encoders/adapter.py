"""Any network of the user's as an encoder: its attributes and its output are checked, its frames averaged.

Every clip of a batch has the same length, so a network never sees padding beyond a clip, and all its frames are valid.
Two networks that share their files' names differ by digests: of their tensors, and of what they make of a test signal.
"""

import copy
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evar.base.errors import CheckpointError, UsageError, few
from evar.base.threads import one_thread
from evar.encoders.checks import ContractBroken, describes_itself, gives_the_same_bits_for_a_long_clip, require_vectors
from evar.encoders.contract import Encoder, Identity
from evar.encoders.outside import code_of, outside_code
from evar.nn.checkpoint_file import digest_of, find_checkpoint
from evar.nn.memory import enough_memory

SHORTEST_SECONDS = 0.1
"""Shorter clips are zero-padded to this: most networks fail below the length of their first windows."""

CLIPS, SECONDS = 2, 1.0  # of the test signal


class Adapted(Encoder):
    """Output "last": what `call` makes of a batch, averaged over frames where it gives frames.

    what:       how messages call it, e.g. "module MyNet"
    network:    registered, so that it moves with the encoder and is frozen with it
    shortest:   seconds
    rate:       its attribute that holds the sample rate in Hz
    size:       its attribute that holds the dim; "" where it declares none
    shapes:     what `call` may give

    Raises UsageError where an attribute is no positive whole number, and where `call` raises or gives anything else.
    """

    def __init__(
        self,
        what: str,
        network: nn.Module,
        shortest: float = SHORTEST_SECONDS,
        *,
        rate: str = "sample_rate",
        size: str = "",
        shapes: tuple[str, ...] = ("(clip, dim)", "(clip, frame, dim)"),
    ) -> None:
        super().__init__()
        self.what, self.network, self.shapes = what, network, shapes
        self.sample_rate = whole_number(what, network, rate)
        self.shortest = round(shortest * self.sample_rate)
        self.size = whole_number(what, network, size) if size else None

    def call(self, waveforms: Tensor) -> Any:
        """What the network gives for (clip, sample) float32."""
        return self.network(waveforms)

    def encode(self, waveforms: Tensor) -> dict[str, Tensor]:
        """Embed clips of one length: (clip, sample) float32 -> {"last": (clip, dim) float32}."""
        waveforms = F.pad(waveforms, (0, max(0, self.shortest - waveforms.shape[1])))
        with outside_code(f"{self.what}: embedding {tuple(waveforms.shape)} samples"):
            given = self.call(waveforms)
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


def opened_outside(
    what: str,
    function: Callable[..., object],
    weights: Path | None,
    options: Mapping[str, Any],
    name: str,
    *,
    roots: Iterable[ModuleType] = (),
    shortest: float = SHORTEST_SECONDS,
) -> Encoder:
    """What somebody's `open_encoder(weights, **options)` gives, an `Encoder` or any network, as a frozen encoder.

    what: how messages call it; name: where it gives itself none; roots: see `code_of`; shortest: seconds, see `Adapted`

    Raises UsageError where it fails or gives no encoder, CheckpointError for missing weights.
    """
    opener = getattr(function, "__name__", "open_encoder")
    digest = digest_of_weights(weights)
    with outside_code(f"{what}: {opener}"):
        opened = function(weights, **options)
    network = network_of(f"{what}: {opener}", opened)
    encoder = network if isinstance(network, Encoder) else Adapted(what, network, shortest)
    named = getattr(network, "identity", None) if encoder is network else None
    held = named.weights if named else weights.name if weights else "its own weights"
    return identified(encoder, named.name if named else name, held, digest, roots=roots)


def in_memory(module: nn.Module, name: str | None = None) -> Encoder:
    """A copy of a module, on the CPU, as a frozen encoder. Raises UsageError where it cannot be one."""
    kind = type(module).__name__
    if not isinstance(module, nn.Module):
        raise UsageError(f"evar.evaluate scores a torch.nn.Module, not a {kind}")
    try:
        copied = copy.deepcopy(module).cpu()
    except Exception as error:  # whatever a class's own way of copying raises
        raise UsageError(f"module {kind} cannot be copied ({error}): give one that copy.deepcopy takes") from error
    encoder = copied if isinstance(copied, Encoder) else Adapted(f"module {kind}", copied)
    own = encoder.identity if encoder is copied else None
    with enough_memory(f"module {kind}", "the memory of this machine"):
        encoder = identified(encoder, name or (own.name if own else kind), own.weights if own else "in memory")
    if own is not None:
        encoder.identity = replace(encoder.identity, random=own.random and name is None)
    return encoder


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
    digest, code = digest or digest_of_tensors(encoder.state_dict()), code_of(roots, encoder)
    encoder.identity = replace(identity, name=name, weights=weights, digest=digest, code=code, behaviour=behaviour)
    return encoder


def digest_of_weights(weights: Path | None) -> str:
    """sha256 of the file that somebody's code is about to open; "" for a folder, and where there is none.

    Raises CheckpointError, with near names, where it is not there, no regular file, empty or damaged.
    """
    return "" if weights is None or weights.is_dir() else digest_of(find_checkpoint(weights))


def digest_of_tensors(named: Mapping[str, Any]) -> str:
    """sha256 over names, types, shapes and bytes of all tensors in a state dict or the like; "" where it holds none."""
    tensors = {name: value for name, value in named.items() if isinstance(value, Tensor)}
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest() if tensors else ""


def behaviour_of(encoder: Encoder) -> str:
    """`digest_of_tensors` of an encoder's embeddings of two seeded clips.

    Settings that are neither tensors nor options (an attribute of the user's module, a file that it reads) show here.
    An encoder that gives other numbers each time is another one each time, so that nothing of it is ever read again.
    One thread computes it, for sums in another order round differently; another kind of machine may still do so.
    Raises ContractBroken for what is no embedding of two clips.
    """
    draws, size = torch.Generator().manual_seed(0), encoder.rate
    if encoder.modality == "image":
        noise = torch.rand(CLIPS, 3, size, size, generator=draws)
    else:
        noise = 0.1 * torch.randn(CLIPS, round(SECONDS * size), generator=draws)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with one_thread():
            embedded = encoder.embed(noise, torch.full((CLIPS,), noise.shape[1]))
    finally:
        torch.set_num_threads(threads)
    require_vectors(encoder, noise, embedded)
    return digest_of_tensors(embedded)


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
    if attribute == "sample_rate" and not hasattr(owner, attribute) and hasattr(owner, "image_size"):
        raise UsageError(f"{what}: a network of images must be an evar.encoders.contract.ImageEncoder")
    said = f"its {attribute} is {value!r}" if hasattr(owner, attribute) else f"it has no {attribute}"
    raise UsageError(f"{what}: {said}; it must be a positive whole number")


def network_of(what: str, given: object) -> nn.Module:
    """The nn.Module that the user's code gave. Raises UsageError where it is something else."""
    if not isinstance(given, nn.Module):
        raise UsageError(f"{what} gives a {type(given).__name__} and no torch.nn.Module")
    return given
