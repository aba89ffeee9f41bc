"""Encoders: one file for each kind of frozen network; see `contract.py`.

A file of this folder is an encoder where it defines `open_encoder`; every other file supports them. It is imported
only when it is opened, so that one that needs an optional package disturbs no other.
"""

from dataclasses import replace
from pathlib import Path

from evar.base import plugins
from evar.base.spec import check_options, parse_call
from evar.encoders.contract import Encoder, Origin
from evar.nn.memory import enough_memory

PACKAGE = "evar.encoders"
OPENER = "open_encoder"


def names() -> list[str]:
    """Names of all encoders, sorted; imports none of them."""
    return plugins.names(PACKAGE, OPENER)


def open_encoder(spec: str, weights: Path | None = None) -> Encoder:
    """The encoder that a call such as "m2d" or "random(seed=3)" asks for, frozen: eval mode, no gradients, on the CPU.

    weights:  a checkpoint file or folder; None for the encoder's own default

    Raises UsageError, with near names, for an unknown encoder or option, a value that cannot be, and weights for an
    encoder that takes none; CheckpointError for weights that cannot be used; DataError where memory is short.
    """
    name, given = parse_call(spec, "encoder")
    function = plugins.load(PACKAGE, OPENER, name, "encoder")
    options = check_options("encoder", name, function, given)
    with enough_memory(f"encoder {name}", "the memory of this machine"):
        encoder: Encoder = function(weights, **options)
    encoder.identity = replace(encoder.identity, options=options)
    encoder.origin = Origin(spec, weights)
    return encoder.eval().requires_grad_(False)
