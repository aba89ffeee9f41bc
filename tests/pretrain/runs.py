"""Small runs for tests: two dozen short noises and tones, a ViT-Tiny on 0.64 s, ten steps."""

import contextlib
from pathlib import Path

import numpy as np
import soundfile
import torch

from evar.base.progress import displayed
from evar.data.store import prepare
from evar.pretrain.loop import TrainingRun, train
from evar.pretrain.recipe import FOR, make_recipe
from evar.training.team import Team

RATE = 16_000
SETTINGS = {
    "frames": 64,
    "short_clips": "pad",
    "masking": "random",
    "mask_ratio": 0.7,
    "batch_size": 4,
    "epochs": 2,
    "warmup_epochs": 0.5,
    "base_lr": 0.1,
    "predictor_width": 32,
    "predictor_depth": 1,
    "predictor_heads": 2,
    "ema_start": 0.998,
    "ema_end": 0.9995,
}


def write_audio(folder: Path, files: int = 16) -> Path:
    """Noises and tones of 0.3 to 1.9 s."""
    folder.mkdir(parents=True)
    draws = np.random.default_rng(5)
    for number in range(files):
        time = np.arange(int(RATE * (0.3 + 0.1 * number))) / RATE
        tone = np.sin(2 * np.pi * draws.uniform(100, 4000) * time)
        soundfile.write(folder / f"{number:02}.wav", 0.2 * tone + 0.05 * draws.standard_normal(len(time)), RATE)
    return folder


def make_store(folder: Path, files: int = 16):
    """Their prepared store."""
    audio = write_audio(folder / "audio", files)
    names = sorted(path.name for path in audio.iterdir())
    return prepare(audio, names, RATE, folder / "cache", workers=1)


def recipe(**more):
    """A recipe for seconds."""
    settings = {**SETTINGS, **more}
    for name in FOR["audio"] if "image_size" in more else ():
        settings.pop(name, None)
    return make_recipe("tiny", settings)


def run(folder: Path, **more):
    """How to run it, unless said otherwise in float32 on the CPU; keywords of the recipe or of `TrainingRun`."""
    own = {name: more.pop(name) for name in list(more) if name in TrainingRun.__dataclass_fields__}
    device, precision = own.pop("device", torch.device("cpu")), own.pop("precision", "float32")
    return TrainingRun(recipe(**more), folder, device, precision, **own)


def go(store, how, on_checkpoint=lambda saved: None, bar=None):
    """Train, with `bar` as the display of progress."""
    with displayed(bar) if bar else contextlib.nullcontext():
        return train(store, how, Team(), on_checkpoint=on_checkpoint)


def tensors(path: Path):
    """Every tensor of a checkpoint to go on from, by a flat name."""
    content = torch.load(path, weights_only=True)
    found = {f"model.{key}": tensor for key, tensor in content["model"].items()}
    for number, state in content["optimizer"]["state"].items():
        found |= {f"optimizer.{number}.{key}": value for key, value in state.items()}
    return found


def assert_equal(one: Path, other: Path):
    """Two checkpoints hold the same bits."""
    first, second = tensors(one), tensors(other)
    assert first.keys() == second.keys()
    assert not [key for key in first if not torch.equal(first[key], second[key])]
