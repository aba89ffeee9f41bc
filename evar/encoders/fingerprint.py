"""What tells two networks apart that no weights file and no name tells apart: their tensors, and what they do."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evar.encoders.contract import Encoder

CLIPS, SECONDS = 2, 1.0

ROUNDING = 1e-5
"""Two behaviours that differ by no more (2-norm, relative, a clip) are one: machines add in another order."""

Behaviour = Mapping[str, NDArray[np.float32]]


def digest_of_tensors(module: nn.Module) -> str:
    """sha256 over names, types, shapes and bytes of everything in a module's state dict; "" where it holds nothing."""
    state = {name: value for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest() if state else ""


def behaviour_of(encoder: Encoder) -> Behaviour:
    """An encoder's embeddings of two seeded clips: {output: (clip, dim) float32}.

    Settings that are neither tensors nor options (an attribute of the user's module, a file that it reads) show here.
    An encoder that gives other numbers each time is another one each time, so that nothing of it is ever read again.
    """
    samples = round(SECONDS * encoder.sample_rate)
    noise = torch.randn(CLIPS, samples, generator=torch.Generator().manual_seed(0))
    embedded = encoder.embed(0.1 * noise, torch.full((CLIPS,), samples))
    return {output: values.cpu().numpy().copy() for output, values in embedded.items()}


def same_behaviour(one: Behaviour, other: Behaviour) -> bool:
    """Whether two behaviours differ by rounding alone."""
    if {name: each.shape for name, each in one.items()} != {name: each.shape for name, each in other.items()}:
        return False
    for output, values in one.items():
        apart = np.linalg.norm((values - other[output]).astype(np.float64), axis=1)
        if not (apart <= ROUNDING * np.linalg.norm(values.astype(np.float64), axis=1)).all():  # NaN is the same as none
            return False
    return True


def digest_of_behaviour(behaviour: Behaviour) -> str:
    """sha256 over a behaviour's numbers."""
    digest = hashlib.sha256()
    for output, values in sorted(behaviour.items()):
        digest.update(output.encode() + b"\0" + np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def packed(behaviour: Behaviour) -> bytes:
    """A behaviour as the bytes of a file, see `unpacked`."""
    stream = io.BytesIO()
    np.savez(stream, **behaviour)  # type: ignore[arg-type]
    return stream.getvalue()


def unpacked(file: Path) -> Behaviour | None:
    """The behaviour in a file; None where it cannot be read."""
    try:
        with np.load(file) as held:
            return {output: held[output] for output in held.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
