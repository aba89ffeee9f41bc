"""`python -m benchmarks.leaks [CLIPS]`: how fast leaks are found, stage by stage, and what that means for whole tasks.

One core and one thread, CPU seconds, on noise. Neighbours: CLIPS random embeddings (default 20,000) in ten folds, the
share is of bare products of the same shape. The last lines extrapolate: fingerprints of all clips, products for all
pairs across sides, and as many comparisons as the detector ever makes.
"""

import sys
import time
from collections.abc import Callable

import numpy as np

from evar.base import provenance
from evar.base.threads import one_thread
from evar.scoring import fingerprints, neighbours
from evar.scoring.correlation import match
from evar.scoring.near_duplicates import MOST_COMPARED_SECONDS

RATE = 16_000
TASKS = {  # name: (clips, seconds each, pairs of clips that products are taken of)
    "UrbanSound8K": (8_732, 4, 0.9 * 8_732**2),
    "AudioSet-20K": (38_000, 10, 20_000 * 18_000),
    "100,000 clips of 4 s in ten folds": (100_000, 4, 0.9 * 100_000**2),
}


def main(clips: int) -> None:
    """Print a line a stage, then a line a task."""
    commit, dirty = provenance.commit()
    print(f"CPU, one thread  numpy {np.__version__}  commit {commit[:12]}{' + changes' if dirty else ''}")
    draws = np.random.default_rng(0)
    with one_thread():
        tables = fingerprints.analysis(RATE)
        waveforms = 0.1 * draws.standard_normal((20, 10 * RATE)).astype(np.float32)
        heard = cpu(lambda: [fingerprints.fingerprint(each, tables) for each in waveforms]) / 200
        print(f"fingerprint           {1 / heard:9,.0f} x real time")
        compared = cpu(lambda: [match(*pair, RATE) for pair in zip(waveforms[::2], waveforms[1::2], strict=True)]) / 200
        print(f"compare               {1 / compared:9,.0f} x real time, both clips counted")
        prints = draws.standard_normal((clips, fingerprints.FEATURES)).astype(np.float32)
        begin = time.process_time()
        embeddings = fingerprints.embed(prints)
        print(f"embed {clips:>9,}       {time.process_time() - begin:9.2f} s")
        blocks = neighbours.blocks(np.sort(np.arange(clips) % 10), range(10))
        operations = 2 * embeddings.shape[1]
        pairs = sum((b.queries.stop - b.queries.start) * (o.stop - o.start) for b in blocks for o in b.others)
        seconds = cpu(lambda: [neighbours.nearest(embeddings, block) for block in blocks], rounds=1)
        bare = cpu(lambda: embeddings[: neighbours.QUERIES] @ embeddings[: neighbours.OTHERS].T)
        limit = neighbours.QUERIES * neighbours.OTHERS * operations / bare
        rate = pairs * operations / seconds
        print(
            f"neighbours            {seconds:9.2f} s  {rate / 1e9:6.1f} GFLOP/s  {rate / limit:4.0%} of bare products"
        )
    for name, (count, length, products) in TASKS.items():
        total = count * length * heard + products * operations / rate
        most = MOST_COMPARED_SECONDS * compared
        print(f"{name}: extrapolated {total:,.0f} CPU s, {products * operations / 1e12:.2f} TFLOP of products, "
              f"and at most {most:,.0f} CPU s of comparisons")  # fmt: skip


def cpu(work: Callable[[], object], rounds: int = 3) -> float:
    """The least CPU seconds of a few rounds."""
    taken = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return min(taken)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
