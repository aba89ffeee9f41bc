"""`python -m benchmarks.near_duplicates [CLIPS]`: how fast they are found, stage by stage, and what whole tasks take.

One core and one thread, CPU seconds, on noise. Neighbours: CLIPS random embeddings (default 20,000) in ten folds, the
share is of bare products of the same shape. The last lines extrapolate: fingerprints of all clips, products for all
pairs across sides, and as many comparisons as the detector ever makes.
"""

import time
from collections.abc import Callable

import numpy as np

from benchmarks import one_option
from evar.base import provenance
from evar.base.threads import one_thread
from evar.near_duplicates import search
from evar.near_duplicates.likeness import FEATURES, analysis, embed, fingerprint, match

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
        tables = analysis(RATE)
        waveforms = 0.1 * draws.standard_normal((20, 10 * RATE)).astype(np.float32)
        heard = cpu(lambda: [fingerprint(each, tables) for each in waveforms]) / 200
        print(f"fingerprint           {1 / heard:9,.0f} x real time")
        compared = cpu(lambda: [match(*pair, RATE) for pair in zip(waveforms[::2], waveforms[1::2], strict=True)]) / 200
        print(f"compare               {1 / compared:9,.0f} x real time, both clips counted")
        prints = draws.standard_normal((clips, FEATURES)).astype(np.float32)
        begin = time.process_time()
        embeddings = embed(prints)
        print(f"embed {clips:>9,}       {time.process_time() - begin:9.2f} s")
        sides = np.arange(clips) % 10
        operations = 2 * embeddings.shape[1] * (clips**2 - int(np.square(np.bincount(sides)).sum()))
        seconds = cpu(lambda: search._candidates(embeddings, sides, range(10), 1), rounds=1)
        bare = cpu(lambda: embeddings[:512] @ embeddings[:4096].T)
        limit = 512 * 4096 * 2 * embeddings.shape[1] / bare
        rate = operations / seconds
        print(
            f"neighbours            {seconds:9.2f} s  {rate / 1e9:6.1f} GFLOP/s  {rate / limit:4.0%} of bare products"
        )
    for name, (count, length, products) in TASKS.items():
        flops = products * 2 * embeddings.shape[1]
        total = count * length * heard + flops / rate
        most = search.MOST_COMPARED_SECONDS * compared
        print(f"{name}: extrapolated {total:,.0f} CPU s, {flops / 1e12:.2f} TFLOP of products, "
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
    main(one_option("benchmarks.near_duplicates", __doc__, "clips", type=int, default=20_000))
