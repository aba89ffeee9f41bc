"""hear: any module of the HEAR 2021 API, for scene embeddings (https://hearbenchmark.com/hear-api.html).

Such a module has `load_model(model_file_path)` and `get_scene_embeddings(audio, model)`; the model that it loads is a
torch.nn.Module with `sample_rate` (Hz) and `scene_embedding_size`. What else the API promises, time stamps above all,
no score needs; `evar check-encoder` asks for it.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from evar.base.errors import UsageError
from evar.encoders.adapter import SHORTEST_SECONDS, Adapted, digest_of_weights, identified, network_of, whole_number
from evar.encoders.checks import require, signal
from evar.encoders.contract import Encoder
from evar.encoders.outside import import_outside, outside_code

RATES = (16_000, 22_050, 32_000, 44_100, 48_000)  # Hz that the API allows
SECONDS = 2.0  # of sound whose time stamps are looked at
SLACK = 1.1  # times the length of a sound that its last time stamp may reach, for models that pad


class HearEncoder(Adapted):
    """Output "last": the scene embedding of a module `api` by the `network` that it loaded. Raises UsageError."""

    def __init__(self, what: str, api: ModuleType, network: nn.Module, shortest: float) -> None:
        super().__init__(what, network, shortest, size="scene_embedding_size", shapes=("(clip, dim)",))
        self.what = f"{what}: get_scene_embeddings"
        self.scene, self.stamped = api.get_scene_embeddings, getattr(api, "get_timestamp_embeddings", None)
        self.own_checks = (has_a_rate_of_the_hear_api, gives_time_stamps_as_the_hear_api_promises)

    def call(self, waveforms: Tensor) -> Any:
        """What the module's function gives."""
        return self.scene(waveforms, self.network)


def open_encoder(weights: Path | None, module: str, shortest: NonNegativeFloat = SHORTEST_SECONDS) -> Encoder:
    """The encoder of a HEAR module.

    weights:   passed on to its `load_model` as text, which is called without an argument where there are none
    module:    its import name, or the path of a .py file
    shortest:  clips below so many seconds are zero-padded to them

    Raises UsageError where the module is not there, fails, or is no HEAR module; CheckpointError for missing weights.
    """
    what = f"hear module {module}"
    api = import_outside(module, "hear module")
    for function in ("load_model", "get_scene_embeddings"):
        if not callable(getattr(api, function, None)):
            raise UsageError(f"{what} has no function {function}, so it is no module of the HEAR 2021 API")
    digest = digest_of_weights(weights)
    with outside_code(f"{what}: load_model"):
        loaded = api.load_model(str(weights)) if weights is not None else api.load_model()
    encoder = HearEncoder(what, api, network_of(f"{what}: load_model", loaded), shortest)
    name = Path(module).stem if module.endswith(".py") else module
    return identified(encoder, name, weights.name if weights is not None else "its own weights", digest, roots=[api])


def has_a_rate_of_the_hear_api(encoder: Encoder) -> None:
    """Its sample rate is one of those that the API allows."""
    require(encoder.sample_rate in RATES, f"sample_rate is {encoder.sample_rate}, none of {RATES}")


def gives_time_stamps_as_the_hear_api_promises(encoder: Encoder) -> None:
    """`get_timestamp_embeddings` gives frames of the declared size, and their times: milliseconds at even steps."""
    assert isinstance(encoder, HearEncoder)
    require(callable(encoder.stamped), "there is no function get_timestamp_embeddings(audio, model)")
    assert encoder.stamped is not None
    size = whole_number("the model", encoder.network, "timestamp_embedding_size")
    audio = signal(encoder, 2, SECONDS)
    with outside_code("get_timestamp_embeddings"), torch.inference_mode():
        given = encoder.stamped(audio, encoder.network)
    is_pair = isinstance(given, tuple | list) and len(given) == 2 and all(isinstance(each, Tensor) for each in given)
    require(is_pair, f"it gives a {type(given).__name__} and no (embeddings, timestamps), two tensors")
    frames, times = given
    expected = f"(sound, frame, {size}) float32, for {len(audio)} sounds"
    fits = frames.ndim == 3 and len(frames) == len(audio) and frames.shape[1] > 0 and frames.shape[2] == size
    require(fits and frames.dtype == torch.float32, f"frames are {tuple(frames.shape)} {frames.dtype}, not {expected}")
    require(bool(frames.isfinite().all()), "frames hold numbers that are not finite")
    require(frames.device == audio.device, f"frames are on {frames.device}, the audio on {audio.device}")
    stamped = times.shape == frames.shape[:2]
    require(stamped, f"times are {tuple(times.shape)}, not one a frame: {tuple(frames.shape[:2])}")
    first, last, milliseconds = float(times.min()), float(times.max()), 1000 * SECONDS
    require(
        first >= 0 and last <= SLACK * milliseconds and (times.shape[1] == 1 or last >= milliseconds / 2),
        f"times are from {first:g} to {last:g} for a sound of {milliseconds:g} milliseconds",
    )
    steps = times.double().diff(dim=1)
    require(bool((steps > 0).all()), "times do not increase from frame to frame")
    uneven = float((steps - steps.mean()).abs().max()) if steps.numel() else 0.0
    require(uneven <= 1, f"times are not even: steps differ from their mean by up to {uneven:g} ms")
