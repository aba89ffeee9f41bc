"""`python -m benchmarks.embed [--quick] [--kinds]`: how fast clips are embedded, beside the machine's own limit.

Rates are end to end: from the first byte read of a prepared store to the last byte written of the embeddings, imports
and decoding excluded. The clips are synthesised noise; a ViT-Base of random weights embeds them. `--quick` takes few.

The stages are seconds of the one thread that embeds, and add up to the end-to-end time:

    read     waiting for the next batch: on a CPU reading and checking it, on CUDA only what reading ahead did not hide
    encode   on a CPU the encoder; on CUDA launching its kernels, which run on while the thread goes on
    wait     until a block's numbers are there: on CUDA for the device, on a CPU only a look whether all are finite
    write    a block's numbers and their hash into the cache, and flushing it at the end
    rest     the key, converting weights, laying out, and reading all again to check it

`--kinds` shows in place of that which kinds of operations take the time on a CPU, by torch's profiler, which slows all.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch

from benchmarks.limits import flops_a_clip, matrix_rate
from benchmarks.stages import Stages
from evar.base import machine, provenance
from evar.base.byte_size import size
from evar.cli.terminal import table
from evar.data.store import Store, prepare
from evar.embeddings import forward
from evar.embeddings.batches import make_plan
from evar.embeddings.cache import Entry
from evar.embeddings.device import Runtime, choose_device, describe, peak_memory_bytes
from evar.embeddings.extract import embed
from evar.encoders import open_encoder
from evar.encoders.m2d import M2D

RATE = 16_000
LENGTHS = (1.0, 4.0, 10.0, 30.0)  # seconds of a clip
SECONDS_OF_AUDIO = {"cpu": 600.0, "cuda": 120_000.0}  # a row
QUICK_SHARE = 0.1
DIFFERENT_CLIPS = 16  # on disk; a plan repeats them
STAGES = (
    ("read", forward, "feed"),
    ("encode", forward, "_start"),
    ("wait", forward, "_collect"),
    ("write", Entry, "write"),
    ("write", Entry, "finish"),
)
KINDS = {
    "products": ("addmm", "mm", "bmm", "_scaled_dot_product_flash_attention_for_cpu"),
    "softmax": ("_softmax",),
    "GELU": ("gelu",),
    "copies": ("copy_", "cat"),
    "sums": ("add", "add_", "mul"),
    "norms": ("native_layer_norm",),
}
COLUMNS = ("read", "encode", "wait", "write", "rest")
HEADER = ("clip", "precision", "batch", "clips/s", "audio s/s", "TFLOP/s", "of limit", "limit", "peak memory", *COLUMNS,
          "end to end")  # fmt: skip


def main(quick: bool) -> None:
    """Print one row for each clip length, precision and batch size."""
    device = choose_device("auto")
    commit, dirty = provenance.commit()
    print(f"{describe(device)}  torch {torch.__version__}  commit {commit[:12]}{' + changes' if dirty else ''}")
    seconds = SECONDS_OF_AUDIO[device.type] * (QUICK_SHARE if quick else 1)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for length in LENGTHS:
            store = synthesised(Path(name) / f"{length:g}", length)
            for precision in ("float32", "bfloat16"):
                for batch in (None, 8):
                    rows.append(measure(store, length, round(seconds / length), precision, batch, device, Path(name)))
    print(table(HEADER, rows))


def kinds(quick: bool) -> None:
    """Print, for each clip length and precision, the share of the time that each kind of operation takes."""
    seconds = SECONDS_OF_AUDIO["cpu"] * (QUICK_SHARE if quick else 1)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for length in LENGTHS:
            store = synthesised(Path(name) / f"{length:g}", length)
            plan = make_plan(store, np.arange(round(seconds / length)) % DIFFERENT_CLIPS, np.zeros(1, np.bool_), length)
            for precision in ("float32", "bfloat16"):
                with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
                    embed(open_encoder("random"), plan, Runtime(torch.device("cpu"), precision, None), Path(name))
                took = {event.key: event.self_cpu_time_total for event in profiler.key_averages()}
                shares = [
                    sum(took.get(f"aten::{key}", 0) for key in keys) / sum(took.values()) for keys in KINDS.values()
                ]
                rows.append((f"{length:g} s", precision, *(f"{each:.0%}" for each in (*shares, 1 - sum(shares)))))
    print(table(("clip", "precision", *KINDS, "rest"), rows))


def synthesised(folder: Path, seconds: float) -> Store:
    """A prepared store of a few clips of noise."""
    folder.mkdir()
    draws = np.random.default_rng(0)
    names = [f"{number}.wav" for number in range(DIFFERENT_CLIPS)]
    for name in names:
        soundfile.write(folder / name, 0.1 * draws.standard_normal(round(seconds * RATE)), RATE)
    return prepare(folder, names, RATE, folder / "cache", workers=1)


def measure(
    store: Store,
    seconds: float,
    clips: int,
    precision: str,
    batch: int | None,
    device: torch.device,
    cache: Path,
    spec: str = "random",
) -> tuple[str, ...]:
    """Embed `clips` clips, and the limit before and after: cells of HEADER. spec: of an M2D."""
    encoder = open_encoder(spec)
    assert isinstance(encoder, M2D)
    rows = np.arange(clips) % DIFFERENT_CLIPS
    plan = make_plan(store, rows, np.zeros(clips, dtype=np.bool_), seconds)
    before = matrix_rate(device, precision)
    stages = Stages()
    with stages.watching(STAGES):
        embeddings = embed(encoder, plan, Runtime(device, precision, batch), cache)
    took = stages.total
    if embeddings.cached:  # the batch size is no part of the key
        return measure(store, seconds, clips + 1, precision, batch, device, cache, spec)
    limit = max(before, matrix_rate(device, precision))
    rate = clips * flops_a_clip(encoder, seconds) / took
    memory = peak_memory_bytes(device) or machine.peak_memory_bytes()
    return (
        f"{seconds:g} s",
        precision,
        str(embeddings.batch_size),
        f"{clips / took:,.1f}",
        f"{clips * seconds / took:,.0f}",
        f"{rate / 1e12:.3f}",
        f"{rate / limit:.0%}",
        f"{limit / 1e12:.3f}",
        size(memory),
        *(f"{stages.seconds[stage]:.2f}" for stage in COLUMNS),
        f"{took:.2f} s",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the clips")
    parser.add_argument("--kinds", action="store_true", help="which kinds of operations take the time, on a CPU")
    arguments = parser.parse_args()
    (kinds if arguments.kinds else main)(arguments.quick)
