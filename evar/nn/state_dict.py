"""Finding an M2D encoder within what a checkpoint file holds.

Keys are the public ones (`cls_token`, `pos_embed`, `patch_embed.proj.*`, `blocks.N.*`, `norm.*`, `norm_stats`). The
state dict may lie at any depth ("model", "state_dict"), its keys may have anything before them ("backbone.") and
wrappers anywhere in them. Everything that only training needs is left aside.
"""

import difflib
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from evar.base.errors import CheckpointError, few

log = logging.getLogger(__name__)

LANDMARK = "patch_embed.proj.weight"

WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""Parts of keys that DataParallel, torch.compile and the like put anywhere; none is M2D's own."""

BEFORE = {"backbone", "ar", "runtime"}
"""Parts that stand before the encoder's keys in fine-tuned models' checkpoints: `module.ar.runtime.backbone.`"""

AVERAGED = re.compile(r"(?:\w+_)?ema(?:_\w+)?|teacher")
"""Parts of the place of averaged weights, which are left aside where the trained ones are there too."""

ASIDE = re.compile(r"(?:decoder|target|offline|text)_\w+|audio_proj|mask_token|logit_scale|head|norm_stats|n_averaged")
"""The first part of the keys of all that is not the encoder: predictor, target networks, CLAP's text side, heads."""

ENCODERS_OWN = {"cls_token", "pos_embed", "patch_embed", "blocks"}
"""First parts of keys that belong to an encoder and to nothing else."""

DEEPEST = 4  # mappings within each other that a state dict is looked for in


@dataclass(frozen=True)
class FoundEncoder:
    """The encoder within what a file holds.

    entries:     public key -> value, of the encoder and of what is left aside
    norm_stats:  what it holds under that name, in the state dict and around it
    strays:      keys of an encoder that stand outside of this one
    """

    entries: Mapping[str, Any]
    norm_stats: list[Any]
    strays: list[str]


def find_encoder(file: Path, held: Any) -> FoundEncoder:
    """The one encoder of a file. Raises CheckpointError where it holds none, or several."""
    states = [(place, _unwrapped(file, state), above) for place, state, above in _mappings(held)]
    every = [
        (f"{place}{key.removesuffix(LANDMARK)}", key.removesuffix(LANDMARK), state, above)
        for place, state, above in states
        for key in state
        if f".{key}".endswith(f".{LANDMARK}") and not is_aside(key)
    ]
    trained = [each for each in every if not any(map(AVERAGED.fullmatch, each[0].split(".")))] or every
    if len(trained) != 1:
        raise _no_encoder(file, held, [state for _, state, _ in states], [place for place, *_ in trained])
    if len(every) > 1:
        log.info(f"{file}: the averaged weights that it holds too are left aside")
    _, prefix, state, above = trained[0]
    encoder = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    if len(getattr(encoder[LANDMARK], "shape", ())) != 4:
        raise CheckpointError(
            f"{file}: {LANDMARK} has not the four dimensions (width, channels, patch mels, patch frames)"
        )
    stats = [value for key, value in state.items() if key.split(".")[-1] == "norm_stats"]
    stats += [mapping["norm_stats"] for mapping in above if "norm_stats" in mapping]
    before = {*BEFORE, *prefix.split(".")}
    outside = {key: [part for part in key.split(".") if part not in before] for key in state if prefix}
    strays = [key for key in outside if not key.startswith(prefix) and {*outside[key][:1]} & ENCODERS_OWN]
    return FoundEncoder(encoder, stats, strays)


def _mappings(held: Any) -> Iterator[tuple[str, Mapping[Any, Any], tuple[Mapping[Any, Any], ...]]]:
    """Each mapping in what a file holds: the keys that lead there ("model."), it, and the mappings that it lies in."""
    waiting: list[tuple[str, Any, tuple[Mapping[Any, Any], ...]]] = [("", held, ())]
    seen: set[int] = set()
    while waiting:
        place, mapping, above = waiting.pop(0)
        if not isinstance(mapping, Mapping) or id(mapping) in seen or len(above) > DEEPEST:
            continue
        seen.add(id(mapping))
        yield place, mapping, above
        inner = [key for key in mapping if isinstance(key, str) and not is_aside(key)]
        waiting += [(f"{place}{key}.", mapping[key], (*above, mapping)) for key in inner]


def is_aside(key: str) -> bool:
    """Whether a key or one of its parts names what is not the encoder."""
    return any(map(ASIDE.fullmatch, key.split(".")))


def _unwrapped(file: Path, state: Mapping[Any, Any]) -> dict[str, Any]:
    """The entries of a mapping under their keys without `WRAPPERS`."""
    keys = [key for key in state if isinstance(key, str)]
    bare = {key: ".".join(part for part in key.split(".") if part not in WRAPPERS) for key in keys}
    unwrapped = {bare[key]: state[key] for key in keys}
    if len(unwrapped) != len(keys):
        twice = [key for key in keys if bare[key] != key and bare[key] in bare]
        raise CheckpointError(f"{file} holds tensors twice, with and without a wrapper's name: {few(twice)}")
    return unwrapped


def _no_encoder(file: Path, held: Any, states: list[dict[str, Any]], places: list[str]) -> CheckpointError:
    """The error for a file of no encoder, or of several, at these `places`."""
    if places:
        return CheckpointError(
            f"{file} holds {len(places)} encoders ({few(place or 'bare' for place in places)}): keep one of them"
        )
    keys = [key for state in states for key, value in state.items() if isinstance(value, Tensor)]
    if not keys:
        return CheckpointError(f"{file} holds a {type(held).__name__} and no state dict (key -> tensor)")
    near = difflib.get_close_matches(LANDMARK, keys, n=3, cutoff=0.6)
    said = f"near it: {few(near)}" if near else f"its keys: {few(keys)}"
    hint = ""
    if (file.parent / "config.json").is_file():
        hint = f"; a folder of transformers is --encoder \"transformers(model='{file.parent}')\""
    return CheckpointError(f"{file} holds no M2D encoder: expected {LANDMARK} once; {said}{hint}")
