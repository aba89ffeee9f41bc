"""M2D checkpoints: reading the encoder out of a file, checking every tensor; and random weights."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evar.base.errors import CheckpointError, few
from evar.base.files import read_regular
from evar.nn.checkpoint_file import digest_of, find_checkpoint
from evar.nn.configuration import Configuration, configuration_of, encoder_shapes, name_of_training
from evar.nn.initial import initial_weights
from evar.nn.safe_load import load_file_safely, metadata_of
from evar.nn.state_dict import FoundEncoder, find_encoder, is_aside
from evar.nn.vit import ViT

MOST_CONFIGURED = 1 << 20  # bytes of a config.json


@dataclass(frozen=True)
class Checkpoint:
    """An encoder's weights, ready to use.

    tensors:     key -> float32 tensor on the CPU, exactly the state dict of `configuration.empty_vit()`
    norm_stats:  mean and standard deviation that the log-mel is normalised with; of images the means of red, green and
                 blue, then their deviations
    file:        where it came from; None for random weights
    digest:      sha256 of the file; "" for random weights
    """

    configuration: Configuration
    tensors: Mapping[str, Tensor]
    norm_stats: tuple[float, ...]
    file: Path | None = None
    digest: str = ""

    def vit(self) -> ViT:
        """The network with these weights, in eval mode; it shares their memory."""
        vit = self.configuration.empty_vit()
        vit.load_state_dict(dict(self.tensors), assign=True)
        return vit.eval().requires_grad_(False)


def load_checkpoint(path: Path, model: str | None = None) -> Checkpoint:
    """Read the M2D encoder out of a checkpoint file, or out of the folder that holds one.

    model:  what the file's name would state, where it does not, e.g. "m2d_vit_base-80x608p16x16"

    Raises CheckpointError for a missing or broken file, one that asks to run code, a name that does not state the
    model or contradicts the tensors, and missing, misshapen, non-finite or unknown tensors.
    """
    file = find_checkpoint(path)
    held = load_file_safely(file)
    found = find_encoder(file, held)
    encoder = {key: value for key, value in found.entries.items() if isinstance(value, Tensor)}
    training = metadata_of(file).get("training") or (held.get("training") if isinstance(held, Mapping) else None)
    configuration = configuration_of(file, encoder, model or "", name_of_training(training))
    _check(file, configuration, found)
    tensors = {key: encoder[key].to(torch.float32, copy=True).contiguous() for key in encoder_shapes(configuration)}
    return Checkpoint(configuration, tensors, _norm_stats(file, configuration, found.norm_stats), file, digest_of(file))


def _is_plain(value: Any) -> bool:
    """Whether a value is a tensor with its numbers in it: not sparse, quantised, without storage, or expanded."""
    if not isinstance(value, Tensor) or value.is_quantized:
        return False
    if value.layout != torch.strided or value.device.type == "meta":
        return False
    return value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def _check(file: Path, configuration: Configuration, found: FoundEncoder) -> None:
    """Raise CheckpointError that lists all encoder tensors that cannot be used, and keys that belong to nothing."""
    shapes, encoder = encoder_shapes(configuration), found.entries
    held = {key: encoder[key] for key in shapes if key in encoder}
    plain = {key: value for key, value in held.items() if _is_plain(value)}
    misshapen = {key for key in plain if tuple(plain[key].shape) != shapes[key]}
    known = {key for key in encoder if key in shapes or is_aside(key.partition(".")[0])}
    unknown = [key for key, value in encoder.items() if key not in known and isinstance(value, Tensor)]
    faults = {
        "missing": [key for key in shapes if key not in encoder],
        "no plain tensors": [key for key in held if key not in plain],
        "misshapen": [f"{key} {tuple(plain[key].shape)} instead of {shapes[key]}" for key in sorted(misshapen)],
        "not of floating point": [key for key, tensor in plain.items() if not tensor.is_floating_point()],
        "not finite": [key for key in plain.keys() - misshapen if not torch.isfinite(plain[key]).all()],
        "unknown": unknown + found.strays,
    }
    listed = [f"{len(keys)} {fault}: {few(keys)}" for fault, keys in faults.items() if keys]
    if listed:
        raise CheckpointError(f"{file} is not a whole {configuration.name}: tensors {'; '.join(listed)}")


def _norm_stats(file: Path, configuration: Configuration, stated: list[Any]) -> tuple[float, ...]:
    """What all norm_stats of a checkpoint say; those of a timm model's folder, or the usual ones, where it has none."""
    if not stated and configuration.grid.is_image:
        stated = _beside(file)
    if not stated:
        return configuration.norm_stats
    usual = len(configuration.norm_stats)
    found = [_numbers(each, usual) for each in stated]
    values = sorted({numbers for numbers in found if numbers is not None})
    if None in found or len(values) > 1 or not np.isfinite(values).all() or min(values[0][usual // 2 :]) <= 0:
        what = values or f"a {type(stated[0]).__name__} of something else"
        raise CheckpointError(f"{file}: norm_stats should be a mean and a positive deviation, not {what}"[:300])
    return values[0]


def _beside(file: Path) -> list[Any]:
    """What timm's config.json in the folder of a file states, in a list; nothing where there is none."""
    try:
        stated = json.loads(read_regular(file.with_name("config.json"), MOST_CONFIGURED))["pretrained_cfg"]
        return [[*stated["mean"], *stated["std"]]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:
    """The `count` real numbers in a tensor or a list; None for anything else, of which nothing is looked into."""
    if (
        isinstance(value, Tensor)
        and value.numel() == count
        and value.layout == torch.strided
        and not value.is_complex()
    ):
        value = value.flatten().tolist()
    if isinstance(value, list | tuple) and len(value) == count and all(isinstance(each, Real) for each in value):
        return tuple(map(float, value))
    return None


def random_checkpoint(configuration: Configuration, seed: int) -> Checkpoint:
    """A checkpoint of random weights, see `initial_weights`."""
    weights = initial_weights(encoder_shapes(configuration), configuration.grid, seed)
    return Checkpoint(configuration, weights, configuration.norm_stats)
