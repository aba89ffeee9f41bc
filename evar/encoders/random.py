"""An M2D of random weights: what an encoder is worth before it has learned anything."""

from pathlib import Path

from pydantic import NonNegativeInt

from evar.encoders.contract import Encoder, refuse_weights
from evar.encoders.layers import Layers
from evar.encoders.m2d import open_random

MODEL = "m2d_vit_base-80x608p16x16"


def open_encoder(
    weights: Path | None,
    *,
    seed: NonNegativeInt = 0,
    model: str = MODEL,
    layers: Layers = None,
    flat: bool = False,
    frames: int | None = None,
) -> Encoder:
    """The M2D that `model` names, e.g. "m2d_vit_tiny-80x608p16x16", with weights drawn from `seed`; of images e.g.
    "m2d_vit_base-224x224p16".

    The other options are those of `m2d`. Raises UsageError where weights are given, CheckpointError for a name that
    states no model.
    """
    refuse_weights("random", weights)
    return open_random(model, seed, layers, flat, frames)
