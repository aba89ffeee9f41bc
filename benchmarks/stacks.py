"""`python -m benchmarks.stacks`: does a step get cheaper where several small networks are trained in one stack?

Random embeddings of 3,840 dimensions, 10 classes; the probe `m2d_paper` and an `mlp` of 512 units. For each number of
slots the time of a step, divided by the slots: the best of three runs. On a CPU it is the time of one core, since a fit
has one thread; the work of others on the machine is not in it.
"""

import argparse
import time

import numpy as np
import torch

from evar.embeddings.device import choose_device, describe
from evar.nn.exact_float32 import exact_float32
from evar.probes.contract import NO_ROWS, Examples, Problem
from evar.probes.m2d_paper import BATCH_SIZE
from evar.probes.training import Data, Job, NetworkRecipe, SlotBlock, slots

DIM, CLASSES, CLIPS = 3840, 10, 4000


def main(device: torch.device, counts: list[int]) -> None:
    """Print a line a probe."""
    torch.set_num_threads(1)
    draws = np.random.default_rng(0)
    x, y = draws.normal(size=(CLIPS, DIM)).astype(np.float32), draws.integers(CLASSES, size=CLIPS)
    problem = Problem(np.arange(CLIPS), NO_ROWS, None, 0)
    examples = Examples(x, y, np.zeros(CLIPS, dtype=np.str_), CLASSES)
    print(f"{describe(device)}  torch {torch.__version__}")
    for name, hidden in (("linear", ()), ("512 units", (512,))):
        recipe = NetworkRecipe(hidden, 1, 1, BATCH_SIZE, decoupled=True, rounds=False)
        data = Data.of(examples, [problem], recipe, device)
        steps = -(-CLIPS // BATCH_SIZE)
        said = []
        for count in counts:
            blocks = [SlotBlock(data, [Job(problem, 1e-3, 0.0)] * count, lambda *_: 0.0, recipe, count)] * 3
            with exact_float32():
                took = min(seconds(block) for block in blocks)
            said.append(f"{count} {1000 * took / steps / count:.2f}")
        chosen = slots(BATCH_SIZE, data.sizes, device)
        print(f"{name:<10} ms a step and network, by slots: {'  '.join(said)}  (chosen: {chosen})")


def seconds(block: SlotBlock) -> float:
    """The time of an epoch."""
    clock = time.process_time if block.mean.device.type == "cpu" else time.perf_counter
    begin = clock()
    block.train()
    return clock() - begin


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 2, 4, 8])
    arguments = parser.parse_args()
    main(choose_device(arguments.device), arguments.slots)
