"""A network in memory, from a script, a notebook or a training loop, as a frozen encoder."""

import copy
import dataclasses

from torch import nn

from evar.base.errors import UsageError
from evar.encoders.adapter import adapted, identified
from evar.encoders.contract import Encoder
from evar.nn.memory import enough_memory


def in_memory(module: nn.Module, name: str | None = None) -> Encoder:
    """A copy of a module, on the CPU, as a frozen encoder. Raises UsageError where it cannot be one."""
    kind = type(module).__name__
    if not isinstance(module, nn.Module):
        raise UsageError(f"evar.evaluate scores a torch.nn.Module, not a {kind}")
    try:
        copied = copy.deepcopy(module).cpu()
    except Exception as error:  # whatever a class's own way of copying raises
        raise UsageError(f"module {kind} cannot be copied ({error}): give one that copy.deepcopy takes") from error
    encoder = copied if isinstance(copied, Encoder) else adapted(f"module {kind}", copied)
    own = encoder.identity if encoder is copied else None
    with enough_memory(f"module {kind}", "the memory of this machine"):
        encoder = identified(encoder, name or (own.name if own else kind), own.weights if own else "in memory")
    if own is not None:
        encoder.identity = dataclasses.replace(encoder.identity, random=own.random and name is None)
    return encoder
