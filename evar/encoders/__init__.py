"""Encoders: one file for each kind of frozen network; see `contract.py`.

A file of this folder is an encoder where it defines `open_encoder`; every other file supports them. It is imported
only when it is opened, so that one that needs an optional package disturbs no other.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evar.base import plugins
from evar.base.errors import UsageError
from evar.base.spec import check_options, parse_call
from evar.nn import releases
from evar.nn.checkpoint_file import SUFFIXES
from evar.nn.memory import enough_memory

if TYPE_CHECKING:
    from evar.encoders.contract import Encoder


def names() -> list[str]:
    """Names of all encoders, sorted; imports none of them."""
    return plugins.names("encoder")


def opener_of(spec: str) -> tuple[str, "Callable[..., Encoder]", dict[str, Any]]:
    """The name, the opening function and the given options of a call such as "random(seed=3)".

    Raises UsageError for what is none: near names, and what was meant where a file or a checkpoint is named.
    """
    if spec.strip() not in names() and (meant := _meant_by(spec.strip())):
        raise UsageError(f"unknown encoder {spec!r}: that is {meant}")
    name, given = parse_call(spec, "encoder")
    return name, plugins.load("encoder", name), given


def _meant_by(text: str) -> str:
    """What a text that names no encoder is, and how it is given; "" where it is nothing that lies here."""
    for file in (text, f"{text}.py"):
        if file.endswith(".py") and os.path.isfile(file):  # noqa: PTH113  a text may be too long for a Path
            return f"a file: --encoder \"file(path='{file}')\""
    if os.path.isfile(os.path.join(text, "config.json")):  # noqa: PTH113, PTH118
        return f"a folder of transformers: --encoder \"transformers(model='{text}')\""
    is_file = text.endswith(SUFFIXES) and os.path.isfile(text)  # noqa: PTH113
    return f"a checkpoint: --encoder m2d --weights {text}" if is_file or releases.meant_by(text) else ""


def open_encoder(spec: str, weights: Path | None = None) -> "Encoder":
    """The encoder that a call such as "m2d" or "random(seed=3)" asks for, frozen: eval mode, no gradients, on the CPU.

    weights:  a checkpoint file or folder; None for the encoder's own default

    Raises UsageError, with near names, for an unknown encoder or option, a value that cannot be, and weights for an
    encoder that takes none; CheckpointError for weights that cannot be used; DataError where memory is short.
    """
    name, function, given = opener_of(spec)
    options = check_options("encoder", name, function, given)
    package = plugins.source_of("encoder", name)
    with enough_memory(f"encoder {name}", "the memory of this machine"):
        if package:
            from evar.encoders.adapter import opened_outside

            encoder = opened_outside(f"encoder {name} of {package}", function, weights, options, name)
        else:
            encoder = function(weights, **options)
    code = "; ".join(filter(None, [encoder.identity.code, package]))
    encoder.identity = replace(encoder.identity, options=options, package=package, code=code)
    return encoder.eval().requires_grad_(False)
