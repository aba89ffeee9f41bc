"""`python -m benchmarks.finetune [--task spcv2] [--encoder random] [--batch N]`: clips a second of fine-tuning.

A row a precision: a whole step by the recipe of the task, beside it what stages take alone, the rate in FLOP/s and its
share of the machine's limit measured before and after (`limits.py`). FLOPs count the matrix products of real tokens,
forwards and backwards (three times a forward); where a step is taken in parts, its features are computed a second time,
which counts nothing. The clips are noise.
"""

import argparse
import copy
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.embed import synthesised
from benchmarks.limits import matrix_rate, timed
from benchmarks.pretrain import transformer_flops
from evar.base import provenance
from evar.cli.terminal import table
from evar.data.store import Store
from evar.data.task import load_task
from evar.embeddings.device import choose_device, describe
from evar.encoders import open_encoder
from evar.encoders.m2d import M2D
from evar.training.team import Team
from evar.tuning.clips import LabelledClips, TrainingClips
from evar.tuning.network import FineTuned
from evar.tuning.patchout import kept_shape
from evar.tuning.recipe import FineTuningRecipe, make_recipe
from evar.tuning.trainer import FineTuner

BATCH = {"cpu": 16, "cuda": 128}
STEPS = {"cpu": 2, "cuda": 20}  # of which the fastest counts
CLASSES = 35
HEADER = ("precision", "clips/s", "step s", "clips", "front end", "TFLOP/s", "limit", "of limit")


def flops_a_clip(model: FineTuned, recipe: FineTuningRecipe) -> float:
    """FLOPs of the matrix products that one clip of a step needs."""
    grid, rows, columns = model.grid, model.grid.rows, model.columns
    high, wide = kept_shape(rows, columns, recipe.patchout)
    embedding = 2 * rows * columns * grid.patch_mels * grid.patch_frames * model.vit.width
    return 3 * transformer_flops(high * wide + 1, model.vit.width, model.vit.depth) + 2 * embedding


def measure(
    store: Store, encoder: M2D, recipe: FineTuningRecipe, seconds: float, precision: str, device: torch.device
) -> tuple[str, ...]:
    """One row, cells of HEADER: the step, its stages, and the limit before and after."""
    samples = round(seconds * store.rate)
    frames, rows = samples // encoder.log_mel.hop + 1, store.usable
    targets = np.arange(len(rows)) % CLASSES
    clips = LabelledClips(store, rows, np.ones(len(rows), dtype=np.bool_), targets, CLASSES, samples)
    limit = matrix_rate(device, precision)
    model = FineTuned(copy.deepcopy(encoder), CLASSES, frames, recipe, 0)
    tuner = FineTuner(model, recipe, lambda step: 1e-4, device, precision, Team(), several=False)
    data = TrainingClips(clips, rows, recipe, 0, (model.grid.mels, frames), (model.grid.rows, model.columns))
    chosen = np.resize(rows, recipe.batch_size)
    read, batch = timed(lambda: data.batch(0, 0, chosen, slice(None)))

    def settled(work: object) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def step() -> None:
        settled(tuner.step(1, batch))

    def front_end() -> None:
        settled([tuner.inputs(each) for each in (batch.waveforms, batch.partners) if each is not None])

    step()
    took = min(timed(step)[0] for _ in range(STEPS[device.type]))
    front = min(timed(front_end)[0] for _ in range(STEPS[device.type]))
    limit = max(limit, matrix_rate(device, precision))
    rate = recipe.batch_size * flops_a_clip(model, recipe) / took
    cells = (recipe.batch_size / took, took, read, front, rate / 1e12, limit / 1e12)
    return (precision, f"{cells[0]:,.1f}", *(f"{cell:.3f}" for cell in cells[1:]), f"{rate / limit:.0%}")


def rows(task: str, spec: str, batch: int, device: torch.device) -> list[tuple[str, ...]]:
    """A row a precision, cells of HEADER, by the recipe of the task for an M2D."""
    seconds, encoder = load_task(task).seconds, open_encoder(spec)
    assert isinstance(encoder, M2D)
    recipe = make_recipe(task, None, {"batch_size": batch, "at_once": batch, "sampling": "each", "epoch_clips": None})
    with tempfile.TemporaryDirectory() as name:
        store = synthesised(Path(name) / "noise", seconds + 1)
        return [measure(store, encoder, recipe, seconds, precision, device) for precision in ("float32", "bfloat16")]


def main(task: str, spec: str, batch: int | None) -> None:
    """Print them."""
    device = choose_device("auto")
    commit, dirty = provenance.commit()
    size = batch or BATCH[device.type]
    print(f"{describe(device)}  torch {torch.__version__}  commit {commit[:12]}{' + changes' if dirty else ''}")
    print(f"{spec}, recipe of {task}, batch {size}")
    print(table(HEADER, rows(task, spec, size, device)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="spcv2", help="whose recipe and seconds (default: spcv2)")
    parser.add_argument("--encoder", default="random", help="an M2D (default: random, a ViT-Base)")
    parser.add_argument("--batch", type=int, help="clips of a step (default: 16 on a CPU, 128 on CUDA)")
    arguments = parser.parse_args()
    main(arguments.task, arguments.encoder, arguments.batch)
