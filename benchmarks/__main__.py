"""`python -m benchmarks` (`make bench`): every stage of the pipeline on the demo dataset, on this machine.

Each stage has a benchmark of its own with more rows: `python -m benchmarks.prepare`, `python -m benchmarks.embed`.
`python -m benchmarks.five_tasks` goes from prepared stores to rows at the size of the five core tasks.
`python -m benchmarks.gpu` (`make gpu`) runs them and more on a machine with a GPU.
`python -m benchmarks.reference` compares scores. What FLOPs and the limit are stands in `limits.py`.
"""

import tempfile
from pathlib import Path

import torch

from benchmarks import one_option
from benchmarks.limits import flops_a_clip, matrix_rate, timed
from evar.base import provenance
from evar.data.demo import write_demo
from evar.data.manifest import read_manifest
from evar.data.store import prepare
from evar.data.task import load_task
from evar.embeddings.batches import Plan, make_plan
from evar.embeddings.device import Runtime, choose_device, describe
from evar.embeddings.extract import embed
from evar.encoders import open_encoder
from evar.encoders.m2d import M2D


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
        took, store = timed(lambda: prepare(manifest.root, paths, 16000, folder, workers=2))
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
    encoder = open_encoder("random")
    assert isinstance(encoder, M2D)
    before = matrix_rate(device, precision)
    took, _ = timed(lambda: embed(encoder, plan, Runtime(device, precision), cache))
    limit = max(before, matrix_rate(device, precision))
    rate = len(plan) * flops_a_clip(encoder, plan.samples / plan.store.rate) / took
    print(
        f"embed m2d {precision:<8}      {took:7.2f} s  {len(plan) / took:9,.0f} clips/s  {rate / 1e12:6.2f} TFLOP/s  "
        f"{rate / limit:4.0%} of {limit / 1e12:.2f}"
    )


if __name__ == "__main__":
    one_option("benchmarks", __doc__)
    main()
