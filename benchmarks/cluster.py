"""`python -m benchmarks.cluster [CELLS]`: what a sweep on a Ray cluster of this machine costs beside the work itself.

1. Scheduling: CELLS calls (default: 10,000) that sleep SECONDS each, on WORKERS workers that import no torch. The
   overhead of a cell is what the sweep took beyond its share of sleeping; it does not grow with the sleep, so it is
   given as a share of a cell of 10 s.
2. Embedding: one job on one and two workers of one thread each, and in this process with one thread; clips read from
   the store where it lies, and sent. By an encoder that waits 0.2 s for each block, as for a device, so that other work
   of this machine does not count, and by the bundled M2D. Efficiency: 1 where n workers are n times as fast as one.
   The best of ROUNDS.
"""

import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import one_option
from evar.cluster.pool import QUEUED, Devices, Pool

if TYPE_CHECKING:
    from evar.embeddings.batches import Plan

SECONDS = 0.1
WORKERS = 8
ROUNDS = 3
SIZE = 32  # clips a block
STORE_BYTES = 200 << 20


class Sleeper:
    """A worker that sleeps; its facts are whether torch was imported."""

    def ready(self) -> bool:
        """Whether torch was imported."""
        return "torch" in sys.modules

    def sleep(self, seconds: float) -> None:
        """Do nothing."""
        time.sleep(seconds)


def main(cells: int) -> None:
    """Print both."""
    scheduling(cells)
    embedding()


@contextmanager
def ray_of(cpus: int) -> Iterator[Devices]:
    """Ray on this machine, with so many CPUs, as it says."""
    import ray

    ray.init("local", num_cpus=cpus, object_store_memory=STORE_BYTES, include_dashboard=False, log_to_driver=False)
    try:
        yield Devices("CPU", cpus, STORE_BYTES)
    finally:
        ray.shutdown()


def scheduling(cells: int) -> None:
    """Cells that sleep, each called from one of as many threads as a sweep has."""
    from evar.base.threads import Threads

    with ray_of(WORKERS) as devices:
        pool = Pool(Sleeper, (), devices)

        def cell(_: int) -> None:
            pool.begin("sleep", lambda facts: (SECONDS,)).result()

        with Threads(QUEUED * WORKERS + 2) as threads:
            list(threads.map(cell, range(4 * WORKERS)))  # all are there
            begin = time.perf_counter()
            list(threads.map(cell, range(cells)))
            took = time.perf_counter() - begin
        torch = pool.facts()
        pool.close()
    overhead = took * WORKERS / cells - SECONDS
    print(
        f"{cells:,} cells of {SECONDS:g} s on {WORKERS} workers (torch imported: {torch}): {took:.1f} s, "
        f"{1000 * overhead:.1f} ms of a worker beyond a cell's own, {overhead / 10:.2%} of a cell of 10 s; "
        f"{cells / took:.0f} cells a second"
    )


WAITING = """
import time, torch

class Waiting(torch.nn.Module):
    sample_rate = 16000

    def forward(self, waveforms):
        time.sleep(0.2 if len(waveforms) > 2 else 0.0)
        return waveforms.reshape(len(waveforms), 1000, -1).mean(dim=2)

def open_encoder(weights):
    return Waiting()
"""


def embedding() -> None:
    """One job, by number of workers."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "waiting.py").write_text(WAITING)
        plan = demo_plan(folder)
        for encoder in (f"file(path='{folder / 'waiting.py'}')", "m2d"):
            for sent in (False, True):
                measure(plan, encoder, folder / "cache", sent=sent)


def demo_plan(folder: Path) -> "Plan":
    """All clips of the demo."""
    import numpy as np

    from evar.data.demo import write_demo
    from evar.data.store import prepare
    from evar.embeddings.batches import make_plan

    write_demo(folder / "demo", 1)
    paths = sorted(str(path.relative_to(folder / "demo")) for path in folder.glob("demo/audio/*.wav"))
    store = prepare(folder / "demo", paths, 16000, folder / "cache", workers=2)
    return make_plan(store, store.usable, np.zeros(len(paths), dtype=np.bool_), 1.0)


def measure(plan: "Plan", call: str, cache: Path, *, sent: bool) -> None:
    """A line for an encoder. sent: its clips are sent to the workers."""
    import torch

    from evar import encoders
    from evar.cluster.remote import Cluster
    from evar.config import Config
    from evar.embeddings.device import Runtime
    from evar.embeddings.extract import Embeddings, embed

    encoder, runtime = encoders.open_encoder(call), Runtime(torch.device("cpu"), "float32", SIZE)

    def best(work: Callable[[Path], Embeddings]) -> float:
        """Clips a second."""
        rates = []
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as name:
                rates.append(len(plan) / work(Path(name)).seconds)
        return max(rates)

    here = best(lambda cache: embed(encoder, plan, runtime, cache))
    print(
        f"{encoder.identity.name}, clips {'sent' if sent else 'read where they lie'}: here {here:.0f} clips/s", end=""
    )
    one = 0.0
    for workers in (1, 2):
        with ray_of(2) as devices:
            config = Config(device="cpu", precision="float32", cache=cache)
            cluster = Cluster(dataclasses.replace(devices, count=workers), config)
            cluster.begin()
            engine = cluster.of(call, None, 0)
            if sent:
                cluster.lacks.add((cluster.facts.machine, plan.store.folder))
            with tempfile.TemporaryDirectory() as name:
                engine.embed(encoder, plan, runtime, Path(name))  # opens the encoder on each
            rate = best(lambda cache, engine=engine: engine.embed(encoder, plan, runtime, cache))  # type: ignore[misc]
            one = one or rate
            print(f"; {workers} workers {rate:.0f}, efficiency {rate / one / workers:.2f}", end="", flush=True)
            blocks = plan.blocks(SIZE)
            there, back = cluster.sent.bytes / blocks, cluster.received_bytes / blocks / (ROUNDS + 1)
            cluster.close()
    print(f"; a block: {there / 1e6:.2f} MB there, once, {back / 1e6:.2f} MB back")


if __name__ == "__main__":
    main(one_option("benchmarks.cluster", __doc__, "cells", type=int, default=10_000))
