"""`python -m benchmarks.pretrain [--preset base] [--batch N]`: clips a second of pre-training, stage by stage.

A row a precision: a whole step (crops read ahead of it, as in a run), beside it what its stages take alone, the rate in
FLOP/s and its share of the machine's own limit measured before and after (`limits.py`). FLOPs count the matrix products
of real tokens: encoder and predictor forwards and backwards (three times a forward), the target network forwards.
The clips are noise.
"""

import argparse
import tempfile
from pathlib import Path

import torch

from benchmarks.embed import synthesised
from benchmarks.limits import matrix_rate, timed
from evar.base import provenance
from evar.cli.terminal import table
from evar.data.store import Store
from evar.embeddings.device import choose_device, describe
from evar.nn.vit import MLP_RATIO
from evar.pretrain.crops import Crops, Epochs
from evar.pretrain.masking import split_patches, visible_patches
from evar.pretrain.recipe import Recipe, make_recipe
from evar.pretrain.schedule import schedule_of
from evar.pretrain.trainer import Trainer
from evar.training.numerics import numerics
from evar.training.team import Team

BATCH = {"cpu": 16, "cuda": 512}
STEPS = {"cpu": 2, "cuda": 20}  # of which the fastest counts
SECONDS = 30.0  # of each clip of noise
HEADER = ("precision", "clips/s", "step s", "crops", "front end", "forward", "backward, update", "TFLOP/s", "limit",
          "of limit")  # fmt: skip


def flops_a_clip(recipe: Recipe) -> float:
    """FLOPs of the matrix products that one clip of a step needs."""
    grid, shape = recipe.grid, recipe.configuration
    patches = grid.rows * grid.columns
    visible = visible_patches(patches, recipe.mask_ratio)
    encoder = transformer_flops(visible + 1, shape.width, shape.depth)
    target = transformer_flops(patches - visible + 1, shape.width, shape.depth) if recipe.objective == "m2d" else 0.0
    predictor = transformer_flops(patches + 1, recipe.predictor_width, recipe.predictor_depth)
    embedding = 2 * patches * grid.patch_mels * grid.patch_frames * shape.width
    return 3 * (encoder + predictor) + target + 2 * embedding


def transformer_flops(tokens: int, width: int, depth: int) -> float:
    """FLOPs of one clip of so many tokens through so many blocks, forwards."""
    return 2 * depth * (tokens * width * width * (4 + 2 * MLP_RATIO) + 2 * tokens * tokens * width)


def measure(
    store: Store, recipe: Recipe, precision: str, device: torch.device, steps: int | None = None
) -> tuple[str, ...]:
    """One row, cells of HEADER: the step, its stages, and the limit before and after."""
    epochs, limit = Epochs(store, recipe), matrix_rate(device, precision)
    trainer = Trainer(recipe, schedule_of(recipe, epochs.steps), device, precision, Team())
    samples = epochs.order(0)[0]
    crops = epochs.crops(0, samples)

    def step() -> None:
        trainer.step(1, crops)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    step()
    steps = steps or STEPS[device.type]
    took = min(timed(step)[0] for _ in range(steps))
    read = timed(lambda: epochs.crops(0, samples))[0]
    front_end, forward = stages(trainer, crops, precision, steps)
    limit = max(limit, matrix_rate(device, precision))
    rate = recipe.batch_size * flops_a_clip(recipe) / took
    return (
        precision,
        f"{recipe.batch_size / took:,.1f}",
        f"{took:.3f}",
        f"{read:.3f}",
        f"{front_end:.3f}",
        f"{forward:.3f}",
        f"{took - front_end - forward:.3f}",
        f"{rate / 1e12:.3f}",
        f"{limit / 1e12:.3f}",
        f"{rate / limit:.0%}",
    )


def store_for(recipe: Recipe, folder: Path) -> Store:
    """A store of noise with enough crops for a step."""
    return synthesised(folder, max(SECONDS, recipe.batch_size * recipe.samples / 16_000 / 8))


def stages(trainer: Trainer, crops: Crops, precision: str, steps: int) -> tuple[float, float]:
    """Seconds of the front end, and of the networks forwards."""
    device = trainer.device
    noise = crops.noise.to(device)
    visible, masked = split_patches(noise, trainer.recipe.mask_ratio)

    def spectra() -> torch.Tensor:
        made = trainer.inputs(crops)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return made

    def forward() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            trainer.model.loss(made, visible, masked).item()

    front_end, made = timed(spectra)
    with numerics(precision):
        return front_end, min(timed(forward)[0] for _ in range(steps))


def main(preset: str, batch: int | None) -> None:
    """Print a row a precision, and how many times faster bfloat16 is."""
    device = choose_device("auto")
    commit, dirty = provenance.commit()
    recipe = make_recipe(preset, {"batch_size": batch or BATCH[device.type]})
    print(f"{describe(device)}  torch {torch.__version__}  commit {commit[:12]}{' + changes' if dirty else ''}")
    print(f"{recipe.name}, batch {recipe.batch_size}, {flops_a_clip(recipe) / 1e9:.1f} GFLOP a clip")
    with tempfile.TemporaryDirectory() as name:
        store = store_for(recipe, Path(name) / "noise")
        rows = [measure(store, recipe, precision, device) for precision in ("float32", "bfloat16")]
    print(table(HEADER, rows))
    slow, fast = (float(row[1].replace(",", "")) for row in rows)
    print(f"bfloat16 is {fast / slow:.2f} times as fast as float32")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="base", help="of the recipe (default: base)")
    parser.add_argument("--batch", type=int, help="clips of a step (default: 16 on a CPU, 512 on CUDA)")
    arguments = parser.parse_args()
    main(arguments.preset, arguments.batch)
