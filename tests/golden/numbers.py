"""Golden numbers: which there are, how they are computed, and how far ours may lie from them.

Eight configurations: two front ends and six encoders (weights by recipe, `tests/recipe.py`). A file NAME.npz holds
numbers of this implementation for inputs made from a seed, written only after it had reproduced every reference file of
the M2D authors' own implementation: every so-many-th number of an array, about `COUNT` of them.
`python -m tests.golden.make` remakes the files.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evar.encoders.m2d import M2D
from evar.nn.frontend import LogMel
from evar.nn.pooling import mean_over_frames
from tests import recipe

FOLDER = Path(__file__).parent
CPU = torch.device("cpu")
COUNT = 200

LOG_MEL_TOLERANCE = 1e-5  # relative, 2-norm over the array
EMBEDDING_TOLERANCE = 1e-4

FRONTENDS = {"frontend_16k": 16_000, "frontend_32k": 32_000}
ENCODERS = {
    "m2d_vit_base-80x608p16x16": 6.3,
    "m2d_s_vit_base-80x400p80x2": 4.1,
    "m2d_as_vit_base-80x1001p16x16": 10.2,
    "m2d_as_vit_base-80x608p16x16p32k": 6.3,
}
"""Model -> seconds of a seeded clip that is a little longer than one chunk."""
OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "m2d_vit_base-80x608p16x16-flat": ("m2d_vit_base-80x608p16x16", {"flat": True}),
    "m2d_vit_base-80x608p16x16-dur1001": ("m2d_vit_base-80x608p16x16", {"frames": 1001}),
}
"""Configuration -> model and options of `m2d`."""
ENCODERS |= dict.fromkeys(OPTIONS, 10.2)
CONFIGURATIONS = (*FRONTENDS, *ENCODERS)

Floats = NDArray[np.float32]
Arrays = dict[str, NDArray[np.generic]]


def some(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """About COUNT numbers, evenly taken."""
    return values.ravel()[:: max(1, values.size // COUNT)]


def relative_error(ours: NDArray[np.generic], reference: NDArray[np.generic]) -> float:
    """|ours - reference| / |reference|, 2-norms over the arrays; infinite where their shapes differ."""
    if ours.shape != reference.shape:
        return float("inf")
    return float(np.linalg.norm(ours - reference) / np.linalg.norm(reference))


def tolerance(configuration: str) -> float:
    return LOG_MEL_TOLERANCE if configuration in FRONTENDS else EMBEDDING_TOLERANCE


def seeded_clip(sample_rate: int, seconds: float, seed: int) -> NDArray[np.int16]:
    """Two tones in noise, 16-bit, (sample,)."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    tones = sum(np.sin(2 * np.pi * generator.uniform(100, 4000) * time) for _ in range(2))
    return np.int16(4000 * tones + 1500 * generator.standard_normal(len(time)))


def encoder_of(configuration: str) -> M2D:
    """The reference encoder of a configuration."""
    model, options = OPTIONS.get(configuration, (configuration, {}))
    return recipe.encoder(model, **options)


def network(configuration: str, device: torch.device = CPU) -> Callable[[NDArray[np.generic]], Floats]:
    """(clip, sample) or (sample,) 16-bit -> log-mel, or clip embeddings, computed on a device."""
    if configuration in FRONTENDS:
        log_mel = LogMel(FRONTENDS[configuration]).to(device)
        return lambda wav: log_mel(_waveforms(wav).to(device)).cpu().numpy()
    encoder = encoder_of(configuration).to(device)

    def embed(wav: NDArray[np.generic]) -> Floats:
        waveforms = _waveforms(wav).to(device)
        embedded: Floats = (
            encoder.embed(waveforms, torch.full((len(waveforms),), waveforms.shape[1]))["last"].cpu().numpy()
        )
        return embedded

    return embed


def _waveforms(wav: NDArray[np.generic]) -> torch.Tensor:
    return torch.from_numpy(np.atleast_2d(wav).astype(np.float32) / 32768)


def seeded(configuration: str, device: torch.device = CPU) -> Arrays:
    """Our numbers for the seeded inputs."""
    run = network(configuration, device)
    rate = FRONTENDS.get(configuration) or (32_000 if configuration.endswith("p32k") else 16_000)
    long = ENCODERS.get(configuration, 1.0)
    return {
        "seeded_short": some(run(seeded_clip(rate, 0.5, seed=1))),
        "seeded_long": some(run(seeded_clip(rate, long, seed=2))),
    }


def reference_errors(configuration: str, shared: Path) -> Iterator[tuple[str, float]]:
    """(what, relative error) of ours for every number of a configuration's reference file."""
    reference = np.load(shared / "reference" / f"{configuration}.npz")
    if configuration in FRONTENDS:
        yield "log_mel", relative_error(network(configuration)(reference["wav"]), reference["log_mel"])
        return
    encoder = encoder_of(configuration)
    for duration in [key.removeprefix("wav_") for key in reference.files if key.startswith("wav_")]:
        wav = reference[f"wav_{duration}"]
        with torch.inference_mode():
            chunked = encoder.chunk_frames(_waveforms(wav))["last"]
        frames, scene = torch.cat(chunked, dim=1), mean_over_frames(chunked)
        yield f"frames_{duration}", float(frames.shape[1] != reference[f"frames_{duration}"])
        yield f"scene_{duration}", relative_error(scene.numpy(), reference[f"scene_{duration}"])
        yield f"first_frame_{duration}", relative_error(frames[:, 0].numpy(), reference[f"first_frame_{duration}"])
        yield f"last_frame_{duration}", relative_error(frames[:, -1].numpy(), reference[f"last_frame_{duration}"])
