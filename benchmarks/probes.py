"""`python -m benchmarks.probes [us8k] [as20k] [vc1] [imagenet1k] [mlp] [--scale S]`: probes at the sizes of real tasks.

us8k    8,732 x 3,840, 10 classes, 10 folds: choosing C from 45 fold pairs x 8 values, then 10 final fits, against ONE
        scikit-learn process at its default tolerance and its better number of threads. Its side is an even sample of
        the fits, extrapolated; its standardisation is not timed, ours is, and so is judging on validation rows.
as20k   20,000 x 3,840, 527 labels: one fit; choosing C on a tenth and the final fit.
vc1     138,361 x 3,840, 1,251 classes, 8 values of C: peak memory. On a CPU a tenth of the rows and one value.
imagenet1k
        1,281,167 x 768, 1,000 classes, as vc1; on a CPU a twentieth of the rows.
mlp     780 x 3,840, 10 classes, 4 folds: choosing one of 8 settings by 5 seeds. CPU seconds too, for busy machines.

Embeddings are synthetic: correlated features of a decaying spectrum, classes that overlap. FLOPs count the products of
rows with weights alone: 4 for each row, dimension and class or label of an evaluation, in float32 or float64. The rate
is compared with that of full float32 products, by the faster of PyTorch's libraries, and with that of float32 products
that may round (to bfloat16, TF32). A pass reads all rows once. Every size runs in a process of its own.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from benchmarks.limits import matrix_rate, timed
from evar.base import machine, provenance
from evar.base.byte_size import size
from evar.data.manifest import Round
from evar.embeddings.device import choose_device, describe, peak_memory_bytes
from evar.probes import open_probe, selection
from evar.probes.contract import NO_ROWS, Chosen, Examples, Floats, Probe, Problem, Rows, ScoreFunction, Targets
from evar.probes.linear import Standardiser
from evar.probes.logistic import GRID, MAX_ITER, Logistic, LogisticFit
from evar.probes.solver.precision import fast_products, products_round
from evar.scoring.metrics import metric

DIM = 3840
ONE_C = 1e-2  # of the single fit
CHUNK_ROWS = 4096
LATENT_SHARE = 8  # dimensions a latent factor
DECAY = 0.7  # factor j has deviation j ** -DECAY
SAMPLE_STEP = 41  # every 41st of the 370 fits by scikit-learn: nine of them, every C in turn
CPU_GRID = (ONE_C,)  # of the two largest
MOST_LINES = 8  # problems that are reported one by one
Row = dict[str, Any]


def main(names: Sequence[str], scale: float) -> None:
    """Print a few lines a size."""
    device = choose_device("auto")
    commit, dirty = provenance.commit()
    print(
        f"{describe(device)}  torch {torch.__version__}  commit {commit[:12]}{' + changes' if dirty else ''}",
        flush=True,
    )
    for name in names:
        process = multiprocessing.get_context("spawn").Process(target=SIZES[name], args=(scale, device))
        process.start()
        process.join()


def us8k(scale: float, device: torch.device) -> None:
    """The whole selection against scikit-learn."""
    examples, rounds = in_folds(8732, 10, scale)
    probe = Kept(device)
    rates = product_rates(device)
    took, chosen = timed(lambda: select(probe, examples, rounds))
    report("us8k", examples.x, probe, took, rates)
    right = [
        fit.logits(examples.x[r.test]).argmax(1) == examples.y[r.test]
        for r, c in zip(rounds, chosen, strict=True)
        for fit in c.fits
    ]
    print(f"  accuracy {np.concatenate(right).mean():.1%}, chosen C {sorted({c.setting for c in chosen})}", flush=True)
    compare(examples, probe.problems, took)


def as20k(scale: float, device: torch.device) -> list[Row]:
    """One fit, and the whole selection, of a multi-label task: a row of `report` each."""
    rows, dim, labels = round(20_000 * scale), round(DIM * scale), max(10, round(527 * scale))
    x = embeddings(np.zeros(rows, dtype=np.int64), 1, dim, signal=0.0)
    targets = multi_label(x, labels)
    examples, train, test = ungrouped(x, targets, labels), np.arange(rows), np.arange(10)
    rates = product_rates(device)
    probe = Kept(device)
    took, _ = timed(lambda: probe.fit(examples, [Problem(train, NO_ROWS, ONE_C, 0)], unused))
    one = report(f"as20k, one fit, C = {ONE_C:g}", x, probe, took, rates)
    probe = Kept(device)
    took, (chosen,) = timed(lambda: select(probe, examples, [Round("all", train, None, test)]))
    name = f"as20k, selection (C = {chosen.setting:g}, validation mAP {max(chosen.curve.values()):.3f})"
    return [one, report(name, x, probe, took, rates)]


def vc1(scale: float, device: torch.device) -> list[Row]:
    """See `mapped`."""
    rows = 138_361 if device.type == "cuda" else 13_836
    return mapped("vc1", round(rows * scale), round(DIM * scale), max(10, round(1251 * scale)), scale, device)


def imagenet1k(scale: float, device: torch.device) -> list[Row]:
    """See `mapped`."""
    rows = 1_281_167 if device.type == "cuda" else 64_058
    return mapped("imagenet1k", round(rows * scale), round(768 * scale), max(10, round(1000 * scale)), scale, device)


def mapped(name: str, rows: int, dim: int, classes: int, scale: float, device: torch.device) -> list[Row]:
    """Fits with the embeddings in a memory map: a row of `report`."""
    targets = np.random.default_rng(0).integers(0, classes, rows)
    with tempfile.TemporaryDirectory() as folder:
        x = embeddings(targets, classes, dim, signal=0.5 / scale**0.5, file=Path(folder) / "x.npy")
        before = machine.peak_memory_bytes()
        probe = Kept(device)
        rates = product_rates(device)
        grid = GRID if device.type == "cuda" else CPU_GRID
        examples, problems = ungrouped(x, targets, classes), [Problem(np.arange(rows), NO_ROWS, c, 0) for c in grid]
        took, _ = timed(lambda: probe.fit(examples, problems, unused))
        row = report(f"{name}, C = {', '.join(f'{c:g}' for c in grid)}", x, probe, took, rates)
        peak = machine.peak_memory_bytes()
        print(
            f"  peak memory {size(peak)} ({size(before)} before), device {size(peak_memory_bytes(device))}", flush=True
        )
        return [row | {"peak memory": size(peak), "of the device": size(peak_memory_bytes(device))}]


def mlp(scale: float, device: torch.device) -> None:
    """The whole selection of `mlp`."""
    examples, rounds = in_folds(780, 4, scale)
    probe = open_probe("mlp", str(device))
    begin = time.process_time()
    took, chosen = timed(lambda: select(probe, examples, rounds))
    busy = time.process_time() - begin
    rows, dim = examples.x.shape
    print(f"mlp: {rows:,} x {dim:,}, {selection.count(probe, rounds)} networks: {took:.1f} s, {busy:.1f} s of CPU time")
    print(f"  chosen {[each.setting for each in chosen]}", flush=True)


SIZES = {"us8k": us8k, "as20k": as20k, "vc1": vc1, "imagenet1k": imagenet1k, "mlp": mlp}


def in_folds(clips: int, folds: int, scale: float) -> tuple[Examples, list[Round]]:
    """Clips of ten classes in folds, like UrbanSound8K's, scaled in number and dimensions."""
    rows, classes = round(clips * scale), 10
    targets = np.random.default_rng(0).integers(0, classes, rows)
    x = embeddings(targets, classes, round(DIM * scale), signal=0.2 / scale**0.5)
    member = np.random.default_rng(1).permutation(rows) % folds
    tests = [(np.flatnonzero(member != fold), np.flatnonzero(member == fold)) for fold in range(folds)]
    rounds = [Round(str(fold), train, None, test) for fold, (train, test) in enumerate(tests)]
    return ungrouped(x, targets, classes), rounds


def unused(logits: Floats, targets: Targets) -> float:
    """The score of fits that nobody judges."""
    raise AssertionError


class Kept(Logistic):
    """The logistic probe, with all problems and fits kept."""

    def __init__(self, device: torch.device) -> None:
        super().__init__(GRID, MAX_ITER)
        self.device = str(device)
        self.problems: list[Problem[float]] = []
        self.fits: list[LogisticFit] = []

    def fit(self, examples: Examples, problems: Sequence[Problem[float]], score: ScoreFunction) -> list[LogisticFit]:
        """As ever."""
        found = super().fit(examples, problems, score)
        self.problems += problems
        self.fits += found
        return found


def ungrouped(x: Floats, y: Targets, classes: int) -> Examples:
    """Each clip a group of its own."""
    return Examples(x, y, np.arange(len(x)).astype(np.str_), classes)


def select(probe: Probe, examples: Examples, rounds: Sequence[Round]) -> list[Chosen]:
    """What the pipeline does: choose on validation rows, then the final fits."""
    return selection.run(probe, examples, rounds, metric("accuracy" if examples.y.ndim == 1 else "mAP"), 42)


def report(name: str, x: Floats, probe: Kept, took: float, rates: tuple[float, float]) -> Row:
    """Time, iterations, certified gaps, passes, FLOPs, shares of both rates: printed, and given as {column: cell}."""
    optima = [optimum for fit in probe.fits for optimum in fit.optima]
    fast, exact = (np.array([getattr(optimum, kind) for optimum in optima]) for kind in ("fast", "exact"))
    columns = np.array([len(optimum.weights) for optimum in optima])
    rate = float((4 * len(x) * x.shape[1] * columns * (fast + exact)).sum()) / took
    certified, gap = sum(optimum.converged for optimum in optima), max(optimum.bound for optimum in optima)
    passes = max(optimum.passes for optimum in optima)
    shares = " and ".join(
        f"{rate / most:.0%} of {most / 1e12:.3f} {what}"
        for most, what in zip(rates, ("in full float32", "by products that may round"), strict=True)
    )
    print(f"{name}: {x.shape[0]:,} x {x.shape[1]:,}, {len(optima):,} problems: {took:.1f} s")
    print(
        f"  certified {certified:,}, greatest gap {gap:.1e}; evaluations a problem {fast.mean():.1f} fast + "
        f"{exact.mean():.1f} exact; {passes:,} passes over the rows; {rate / 1e12:.3f} TFLOP/s, {shares}",
        flush=True,
    )
    for each in optima if len(optima) <= MOST_LINES else []:
        print(f"  fit: {each.fast} fast + {each.exact} exact evaluations, {each.passes} passes, gap {each.bound:.1e}")
    return {
        "size": f"{name}: {x.shape[0]:,} x {x.shape[1]:,}",
        "problems": len(optima),
        "certified": certified,
        "greatest gap": gap,
        "seconds": took,
        "fast": float(fast.mean()),
        "exact": float(exact.mean()),
        "TFLOP/s": rate / 1e12,
        "passes": passes,
        "of the limits": shares,
    }


def compare(examples: Examples, problems: Sequence[Problem[float]], took: float) -> None:
    """scikit-learn on an even sample of the problems, by its better number of threads."""
    middle, sample = problems[len(problems) // 2], problems[SAMPLE_STEP // 2 :: SAMPLE_STEP]
    threads = min({1, machine.cores()}, key=lambda count: by_scikit_learn(examples, middle, count))
    seconds = np.mean([by_scikit_learn(examples, problem, threads) for problem in sample]) * len(problems)
    print(
        f"  scikit-learn at its default tolerance, {threads} threads: {seconds:,.0f} s for {len(problems)} fits "
        f"(extrapolated from {len(sample)}); ours is {seconds / took:.1f} times faster",
        flush=True,
    )


def by_scikit_learn(examples: Examples, problem: Problem[float], threads: int) -> float:
    """Seconds of one fit."""
    x, y = examples.x[problem.train], examples.y[problem.train]
    z, model = Standardiser.of(x)(x), LogisticRegression(C=problem.setting, max_iter=MAX_ITER)
    with threadpool_limits(threads):
        took, _ = timed(lambda: model.fit(z, y))
    return took


def product_rates(device: torch.device) -> tuple[float, float]:
    """FLOP/s of full float32 products and of those that may round; without rounding the faster library's, twice."""
    exact = matrix_rate(device, "float32")
    with fast_products(device):
        fast = max(exact, matrix_rate(device, "float32"))
        return (exact if products_round(device) else fast), fast


def embeddings(y: Rows, classes: int, dim: int, signal: float, file: Path | None = None) -> Floats:
    """(row, dim) for class numbers y: latent factors of decaying deviation, mixed, rectified, and some noise."""
    draws = np.random.default_rng(2)
    latent = max(2, dim // LATENT_SHARE)
    deviation = np.arange(1, latent + 1) ** -DECAY
    centres = signal * draws.normal(size=(classes, latent)) * draws.uniform(0.2, 1, latent)
    mixing = draws.normal(size=(latent, dim)).astype(np.float32)
    unit, offset = draws.uniform(0.1, 3, dim), draws.normal(size=dim)
    noise = 0.05 * np.sqrt(np.square(deviation).sum())
    shape = (len(y), dim)
    x = np.empty(shape, dtype=np.float32) if file is None else np.lib.format.open_memmap(file, "w+", np.float32, shape)
    for start in range(0, len(y), CHUNK_ROWS):
        own = y[start : start + CHUNK_ROWS]
        factors = (draws.normal(size=(len(own), latent)) + centres[own]) * deviation
        mixed = factors.astype(np.float32) @ mixing
        mixed += 0.3 * np.maximum(mixed, 0) + noise * draws.standard_normal(mixed.shape, dtype=np.float32)
        x[start : start + len(own)] = mixed * unit + offset
    return x


def multi_label(x: Floats, labels: int) -> NDArray[np.bool_]:
    """(row, label) targets that embeddings predict in part; shares of positives from a tenth down to a thousandth."""
    draws = np.random.default_rng(3)
    known = (x - x.mean(0)) / x.std(0) @ draws.normal(size=(x.shape[1], labels)).astype(np.float32)
    scores = known / known.std(0) + draws.normal(size=known.shape)
    shares = np.geomspace(0.1, 0.001, labels)
    positive = scores > [np.quantile(column, 1 - share) for column, share in zip(scores.T, shares, strict=True)]
    positive[: len(positive) // 20] |= draws.random((len(positive) // 20, labels)) < 2 * shares  # wrong labels
    return np.asarray(positive, dtype=np.bool_)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", choices=[*SIZES, []], help="which (default: all)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of rows, dimensions, and of many classes")
    arguments = parser.parse_args()
    main(arguments.sizes or list(SIZES), arguments.scale)
