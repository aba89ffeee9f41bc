"""`python -m benchmarks.precision DATA`: what bfloat16 costs and saves, on the real UrbanSound8K clips below DATA.

A ViT-Base with weights by recipe (`tests/recipe.py`) embeds them in float32 and in bfloat16: rates beside the limit of
each, the cosine between both embeddings of every clip, and the logistic probe's score of each with its interval.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.limits import flops_a_clip, matrix_rate
from evar import probes
from evar.base.progress import show_progress
from evar.config import Config
from evar.data.task import load_task
from evar.embeddings.batches import make_plan
from evar.embeddings.device import Runtime, choose_device, describe
from evar.embeddings.extract import embed
from evar.fitting import Fitter
from evar.preparation import prepare_task
from tests import recipe

MODEL = "m2d_vit_base-80x608p16x16"


def main(data: Path) -> None:
    """Print a line for each precision, and how far they are apart."""
    device, task, embedded = choose_device("auto"), load_task("us8k"), {}
    print(describe(device))
    with tempfile.TemporaryDirectory() as name:
        prepared = prepare_task(task, 16_000, Config(data=data, cache=Path(name), workers=2))
        clips = prepared.manifest.keep(prepared.store.usable)
        plan = make_plan(prepared.store, prepared.store.usable, clips.random_crops, task.seconds)
        for precision in ("float32", "bfloat16"):
            encoder, before = recipe.encoder(MODEL), matrix_rate(device, precision)
            embeddings = embed(encoder, plan, Runtime(device, precision), Path(name))
            limit = max(before, matrix_rate(device, precision))
            rate = len(plan) * flops_a_clip(encoder, task.seconds) / embeddings.seconds
            fit = Fitter(clips, embeddings, probes.open_probe("logistic"), 42).fit("last")
            embedded[precision] = np.array(embeddings.outputs["last"], dtype=np.float64)
            print(
                f"{precision:<8}  {len(plan)} clips in {embeddings.seconds:.1f} s, {rate / 1e12:.3f} TFLOP/s, "
                f"{rate / limit:.0%} of {limit / 1e12:.3f}; accuracy {100 * fit.score.value:.1f} % "
                f"[{100 * fit.score.low:.1f}, {100 * fit.score.high:.1f}]"
            )
    exact, quick = embedded["float32"], embedded["bfloat16"]
    cosine = (exact * quick).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(quick, axis=1)
    print(f"cosine between both: least {cosine.min():.6f}, median {np.median(cosine):.6f}, asked for 0.9995")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds UrbanSound8K")
    with show_progress():
        main(parser.parse_args().data)
