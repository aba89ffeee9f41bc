"""M2D checkpoints: finding the file, reading the encoder out of it, checking every tensor; and random weights.

Keys are the public ones (`cls_token`, `pos_embed`, `patch_embed.proj.*`, `blocks.N.*`, `norm.*`, `norm_stats`), bare or
under "model", with one of `PREFIXES` before them. Everything that only training needs is left aside.
"""

import difflib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evar.base.errors import CheckpointError, few
from evar.nn.configuration import Configuration, configuration_of, encoder_shapes
from evar.nn.frontend import NORM_STATS
from evar.nn.positions import sincos_positions
from evar.nn.safe_load import load_file_safely
from evar.nn.vit import ViT

SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".safetensors")

PREFIXES = ("", "backbone.", "module.ar.runtime.backbone.")
"""What stands before the encoder's keys: nothing in pre-training, the others in fine-tuned models' checkpoints."""

ASIDE = re.compile(r"(?:decoder|target|offline|text)_\w+|audio_proj|mask_token|logit_scale|head|norm_stats")
"""The first part of the keys of all that is not the encoder: predictor, target networks, CLAP's text side, heads."""

ENCODERS_OWN = {"cls_token", "pos_embed", "patch_embed", "blocks"}
"""First parts of keys that belong to an encoder and to nothing else."""

LANDMARK = "patch_embed.proj.weight"
TOKEN_STD = 0.02  # of random CLS and mask tokens (He et al., arXiv:2111.06377, official settings)


@dataclass(frozen=True)
class Checkpoint:
    """An encoder's weights, ready to use.

    tensors:     key -> float32 tensor on the CPU, exactly the state dict of `configuration.empty_vit()`
    norm_stats:  mean and standard deviation that the log-mel is normalised with
    file:        where it came from; None for random weights
    digest:      sha256 of the file; "" for random weights
    """

    configuration: Configuration
    tensors: Mapping[str, Tensor]
    norm_stats: tuple[float, float] = NORM_STATS
    file: Path | None = None
    digest: str = ""

    def vit(self) -> ViT:
        """The network with these weights, in eval mode; it shares their memory."""
        vit = self.configuration.empty_vit()
        vit.load_state_dict(dict(self.tensors), assign=True)
        return vit.eval().requires_grad_(False)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read the M2D encoder out of a checkpoint file, or out of the folder that holds one.

    Raises CheckpointError for a missing or broken file, one that asks to run code, a name that does not state the
    model or contradicts the tensors, and missing, misshapen, non-finite or unknown tensors.
    """
    file = find_checkpoint(path)
    held = load_file_safely(file)
    state = _state_dict(file, held)
    prefix = _prefix(file, state)
    encoder = {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
    configuration = configuration_of(file, encoder)
    _check(file, configuration, encoder, _strays(state, prefix))
    tensors = {key: encoder[key].to(torch.float32, copy=True).contiguous() for key in encoder_shapes(configuration)}
    return Checkpoint(configuration, tensors, _norm_stats(file, state, held), file, digest_of(file))


def find_checkpoint(path: Path) -> Path:
    """`path` itself where it is a file, or the one checkpoint in the folder `path`.

    Raises CheckpointError where there is none, or several.
    """
    try:
        if path.is_file():
            return path
        is_folder = path.is_dir()
    except OSError as error:
        raise CheckpointError(f"no checkpoint at {str(path)[:80]}...: {error.strerror}") from error
    if not is_folder:
        siblings = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, siblings, n=3, cutoff=0.5)
        hint = (
            f"did you mean {' or '.join(near)}?"
            if near
            else f"{path.parent} holds {few(sorted(siblings)) or 'nothing'}"
        )
        raise CheckpointError(f"no checkpoint at {path}: {hint}")
    found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and not file.name.startswith("."))
    if len(found) != 1:
        what = f"{len(found)} checkpoints ({few(file.name for file in found)})" if found else "no checkpoint"
        raise CheckpointError(f"the folder {path} holds {what}: name one file ending in {', '.join(SUFFIXES)}")
    return found[0]


def digest_of(file: Path) -> str:
    """sha256 of a file's bytes, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _state_dict(file: Path, held: Any) -> Mapping[str, Tensor]:
    """The key -> tensor mapping in what a file held: under "model", or itself."""
    state = held["model"] if isinstance(held, Mapping) and "model" in held else held
    if not isinstance(state, Mapping) or not state:
        raise CheckpointError(f"{file} holds a {type(state).__name__} and no state dict (key -> tensor)")
    others = [str(key) for key, value in state.items() if not (isinstance(key, str) and _is_plain(value))]
    if others:
        raise CheckpointError(f"{file}: expected a state dict, bare or under 'model'; no plain tensors: {few(others)}")
    return state


def _is_plain(value: Any) -> bool:
    """Whether a value is a tensor with its numbers in it: not sparse, quantised or without storage."""
    if not isinstance(value, Tensor) or value.is_quantized:
        return False
    return value.layout == torch.strided and value.device.type != "meta"


def _prefix(file: Path, state: Mapping[str, Tensor]) -> str:
    found = [prefix for prefix in PREFIXES if prefix + LANDMARK in state]
    if len(found) != 1:
        what = f"{len(found)} encoders" if found else "no M2D encoder"
        raise CheckpointError(
            f"{file} holds {what}: expected {LANDMARK} once, bare or after {' or '.join(PREFIXES[1:])}; "
            f"its keys: {few(state)}"
        )
    if state[found[0] + LANDMARK].ndim != 4:
        raise CheckpointError(f"{file}: {LANDMARK} has not the four dimensions (width, 1, patch mels, patch frames)")
    return found[0]


def _strays(state: Mapping[str, Tensor], prefix: str) -> list[str]:
    """Keys of an encoder that stand outside its `prefix`, behind another one."""
    others = [other for other in sorted(PREFIXES, key=len, reverse=True) if other != prefix]
    outside = [key for key in state if not key.startswith(prefix)]
    bare = {key: key.removeprefix(next((p for p in others if key.startswith(p)), "")) for key in outside}
    return [key for key in outside if bare[key].partition(".")[0] in ENCODERS_OWN]


def _check(file: Path, configuration: Configuration, encoder: Mapping[str, Tensor], strays: list[str]) -> None:
    """Raise CheckpointError that lists all encoder tensors that cannot be used, and keys that belong to nothing."""
    shapes = encoder_shapes(configuration)
    held = {key: encoder[key] for key in shapes if key in encoder}
    misshapen = {key for key in held if tuple(held[key].shape) != shapes[key]}
    faults = {
        "missing": [key for key in shapes if key not in encoder],
        "misshapen": [f"{key} {tuple(held[key].shape)} instead of {shapes[key]}" for key in sorted(misshapen)],
        "not of floating point": [key for key, tensor in held.items() if not tensor.is_floating_point()],
        "not finite": [key for key in held.keys() - misshapen if not torch.isfinite(held[key]).all()],
        "unknown": [k for k in encoder if k not in shapes and not ASIDE.fullmatch(k.partition(".")[0])] + strays,
    }
    listed = [f"{len(keys)} {fault}: {few(keys)}" for fault, keys in faults.items() if keys]
    if listed:
        raise CheckpointError(f"{file} is not a whole {configuration.name}: tensors {'; '.join(listed)}")


def _norm_stats(file: Path, state: Mapping[str, Tensor], held: Mapping[str, Any]) -> tuple[float, float]:
    """The checkpoint's norm_stats wherever its prefix puts it, or beside "model"; the default where it has none."""
    stated: list[Any] = [tensor for key, tensor in state.items() if key.split(".")[-1] == "norm_stats"]
    if held is not state and "norm_stats" in held:
        stated.append(held["norm_stats"])
    if not stated:
        return NORM_STATS
    try:
        values = [tuple(torch.as_tensor(each).double().flatten().tolist()) for each in stated]
    except (TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{file}: norm_stats should be two numbers, not {stated[-1]!r}"[:300]) from error
    one = values[0]
    if set(values) != {one} or len(one) != 2 or not np.isfinite(one).all() or one[1] <= 0:
        raise CheckpointError(f"{file}: norm_stats should be a mean and a positive deviation, not {values}")
    return one[0], one[1]


def random_checkpoint(configuration: Configuration, seed: int) -> Checkpoint:
    """A checkpoint of random weights, see `random_state`."""
    return Checkpoint(configuration, random_state(configuration, seed))


def random_state(configuration: Configuration, seed: int) -> dict[str, Tensor]:
    """M2D weights before any training, all drawn in the order of the keys from one generator made from `seed`.

    Positions are the fixed sine-cosine table, all else is `random_tensor`'s.
    """
    generator = np.random.default_rng(seed)
    grid = configuration.grid
    state: dict[str, Tensor] = {}
    for key, shape in encoder_shapes(configuration).items():
        if key == "pos_embed":
            state[key] = torch.from_numpy(sincos_positions(configuration.width, grid.rows, grid.columns)[None])
        else:
            state[key] = random_tensor(key, shape, generator)
    return state


def random_tensor(key: str, shape: tuple[int, ...], generator: np.random.Generator) -> Tensor:
    """The tensor called `key` before any training.

    Linear layers (the patch embedding too) xavier-uniform, biases 0, norms 1 and 0, CLS and mask tokens normal with
    deviation 0.02. Source: He et al., arXiv:2111.06377, appendix A.1.
    """
    if key.endswith("_token"):
        values = TOKEN_STD * generator.standard_normal(shape, dtype=np.float32)
    elif len(shape) == 1:
        values = np.full(shape, "norm" in key and key.endswith("weight"), dtype=np.float32)
    else:
        outputs, inputs = shape[0], int(np.prod(shape[1:]))
        limit = np.float32(np.sqrt(6 / (inputs + outputs)))  # Glorot & Bengio 2010, equation 16
        values = limit * (2 * generator.random(shape, dtype=np.float32) - 1)
    return torch.from_numpy(values)
