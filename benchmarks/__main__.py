"""`python -m benchmarks` (`make bench`): every stage of the pipeline on the demo dataset, on this machine.

The limit of embedding is the machine's own rate of matrix products, measured before and after (the best of ten of
2048 x 2048 x 2048, in the same precision); FLOPs count the matrix products of the encoder's real tokens only.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from evar import provenance
from evar.data.demo import write_demo
from evar.data.manifest import read_manifest
from evar.data.store import prepare
from evar.data.task import load_task
from evar.embeddings.batches import Plan, make_plan
from evar.embeddings.device import PRECISIONS, choose_device, describe
from evar.embeddings.extract import Runtime, embed
from evar.encoders import open_encoder
from evar.encoders.m2d import M2D
from evar.nn.pooling import chunk_frames
from evar.nn.vit import MLP_RATIO
from evar.progress import silent

SIDE = 2048  # of the matrices that show the limit
HOP_SECONDS = 0.01  # of the log-mel at every sample rate


def main() -> None:
    """Print one line a stage."""
    device = choose_device("auto")
    commit, dirty = provenance.commit()
    print(f"{describe(device)}  torch {torch.__version__}  commit {commit[:12]}{' + changes' if dirty else ''}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        took, _ = timed(lambda: write_demo(folder / "demo", seed=0))
        print(f"synthesise the demo     {took:7.2f} s")
        task = load_task("demo")
        manifest = read_manifest(task, folder)
        paths = manifest.clips["path"].tolist()
        took, store = timed(lambda: prepare(manifest.root, paths, 16000, folder, workers=2, progress=silent))
        seconds = store.index["duration"].sum()
        print(
            f"prepare                 {took:7.2f} s  {len(paths) / took:9,.0f} clips/s  "
            f"{seconds / took:9,.0f} x real time"
        )
        plan = make_plan(store, store.usable, manifest.random_crops, task.seconds)
        for precision in ("float32", "bfloat16"):
            report_embedding(plan, device, precision, folder)


def report_embedding(plan: Plan, device: torch.device, precision: str, cache: Path) -> None:
    """Embed by a ViT-Base of random weights and compare with the rate of bare matrix products."""
    encoder = open_encoder("m2d")
    assert isinstance(encoder, M2D)
    before = matrix_rate(device, precision)
    took, _ = timed(lambda: embed(encoder, plan, Runtime(device, precision), cache, progress=silent))
    limit = max(before, matrix_rate(device, precision))
    rate = len(plan) * flops_a_clip(encoder, plan.samples / plan.store.rate) / took
    print(
        f"embed m2d {precision:<8}      {took:7.2f} s  {len(plan) / took:9,.0f} clips/s  {rate / 1e12:6.2f} TFLOP/s  "
        f"{rate / limit:4.0%} of {limit / 1e12:.2f}"
    )


def flops_a_clip(encoder: M2D, seconds: float) -> float:
    """Matrix products (multiply and add apart) of a clip's tokens through the ViT."""
    vit, total = encoder.vit, 0.0
    for _, columns in chunk_frames(int(seconds / HOP_SECONDS) + 1, vit.grid):
        patches = columns * vit.grid.rows
        tokens = patches + 1
        linear = tokens * vit.width * vit.width * (4 + 2 * MLP_RATIO)
        attention = 2 * tokens * tokens * vit.width
        embedding = patches * vit.grid.patch_mels * vit.grid.patch_frames * vit.width
        total += 2 * (vit.depth * (linear + attention) + embedding)
    return total


def matrix_rate(device: torch.device, precision: str) -> float:
    """FLOP/s of the best of ten square products."""
    left = torch.randn(SIDE, SIDE, device=device).to(PRECISIONS[precision])
    right = torch.randn(SIDE, SIDE, device=device).to(PRECISIONS[precision])

    def multiply() -> None:
        torch.mm(left, right)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return 2 * SIDE**3 / min(timed(multiply)[0] for _ in range(10))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """(seconds, what `work` gives)."""
    begin = time.perf_counter()
    answer = work()
    return time.perf_counter() - begin, answer


if __name__ == "__main__":
    main()
