"""Small fine-tunings for tests: a ViT of two blocks on a quarter of a second of tones."""

from pathlib import Path

import torch

from evar.config import Config
from evar.data.task import load_task
from evar.encoders.contract import Identity
from evar.encoders.m2d import M2D
from evar.nn.checkpoint import random_checkpoint
from evar.nn.configuration import Configuration
from evar.nn.vit import Grid
from evar.preparation import prepare_task
from evar.scoring import metrics
from evar.training.team import Team
from evar.tuning.clips import LabelledClips
from evar.tuning.loop import FineTuningJob, TrainingPlace, fit
from evar.tuning.recipe import make_recipe
from tests.tones import write_tones

NAME = "m2d-80x64p16x16"
AUGMENTED = {"mixup": 0.3, "crop": True, "freq_mask": 30, "time_mask": 48, "patchout": 0.5}
QUICK = {"epochs": 2, "batch_size": 8, "lr": 1e-3, "warmup_epochs": 0.5, **AUGMENTED}


def encoder(grid=None, rate=16_000, name=NAME, width=64):
    """An M2D of random weights."""
    configuration = Configuration(name, rate, grid or Grid(80, 64, 16, 16), width, 2)
    return M2D(random_checkpoint(configuration, 0), Identity(name, "random weights"))


def recipe(**more):
    """The default recipe, for a few steps."""
    return make_recipe("tones", None, {**QUICK, **more})


def prepared(folder: Path, **how):
    """The task of tones, decoded."""
    return prepare_task(
        load_task(str(write_tones(folder, **how))), 16_000, Config(data=folder / "data", cache=folder / "cache")
    )


def labelled(tones):
    """Its clips."""
    return LabelledClips.of(tones.clips, tones.store)


def job(tones, folder, **more):
    """A run on its official parts."""
    (parts,) = tones.clips.rounds()
    given = {
        "train": parts.train,
        "valid": parts.valid,
        "test": parts.test,
        "seed": 43,
        "data": "tones",
        "what": {"weights": "none"},
    }
    return FineTuningJob(folder=folder, **{**given, **more})


def place(device=None, precision="float32", **more):
    """Where it runs."""
    return TrainingPlace(device or torch.device("cpu"), precision, Team(), **more)


def run(tones, folder, how=None, where=None, **more):
    """Do it."""
    folder.mkdir(exist_ok=True)
    score = metrics.metric("accuracy")
    return fit(encoder(), labelled(tones), job(tones, folder, **more), how or recipe(), score, where or place())
