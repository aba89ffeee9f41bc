"""`python -m benchmarks.scale [--clips N ...] [--lists N ...] [--runs N ...]`: how time and memory grow.

Clips of 16 samples: what is measured is the work a clip, not the work a sample. Decoding is replaced, all else is the
pipeline's own. Lists are those of datasets, without any audio. Seconds are of CPU, over all threads; the exponent is
that between the two largest sizes: 1 is a cost that grows with the work. Every size runs in a process of its own.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar
from unittest import mock

import numpy as np
import pandas as pd

from evar.base import machine, provenance
from evar.data import audio
from evar.data.check import make_report
from evar.data.leaks import find_leaks
from evar.data.manifest import read_manifest
from evar.data.opening import Decoded
from evar.data.store import Store, prepare
from evar.data.task import load_task

CLIPS = (1_000, 10_000, 100_000, 1_000_000)
LISTS = (20_000, 305_979, 2_000_000)  # clips of AudioSet-20K, NSynth, AudioSet-2M
RUNS = (100, 1_000, 10_000, 50_000)
RATE, SAMPLES, FOLDS, CLASSES, CLIPS_A_GROUP = 16_000, 16, 10, 50, 7
DIM = 8
Result = TypeVar("Result")


class Clock:
    """CPU seconds of each stage, and the most memory that the process has held by its end."""

    def __init__(self) -> None:
        self.stages: dict[str, tuple[float, int]] = {}

    def __call__(self, stage: str, work: Callable[[], Result]) -> Result:
        begin = time.process_time()
        result = work()
        self.stages[stage] = time.process_time() - begin, machine.peak_memory_bytes()
        return result


def clips(count: int, folder: Path) -> dict[str, tuple[float, int]]:
    """Every stage of an evaluation that costs something a clip."""
    import torch

    from evar.embeddings.batches import make_plan
    from evar.embeddings.key import cache_key
    from evar.encoders import open_encoder
    from evar.probes import open_probes, selection
    from evar.probes.contract import Examples
    from evar.probes.predictions import predict
    from evar.scoring import intervals, metrics

    write(count, folder)
    encoder = open_encoder("logmel")
    clock = Clock()
    manifest = clock("read the table", lambda: read_manifest(load_task(folder / "wide.yaml"), folder))
    clock("rounds, ten folds", manifest.rounds)
    clock("targets", lambda: manifest.targets)
    clock("digest of the table", lambda: manifest.digest)
    paths = manifest.clips["path"].tolist()

    def opened() -> Store:
        return prepare(manifest.root, paths, RATE, folder / "cache", workers=machine.cores())

    with mock.patch.object(audio, "read", decoded):
        clock("prepare, decoding aside", opened)
    store = clock("open the store", opened)
    kept = clock("usable clips", lambda: manifest.keep(store.usable))
    clock("leaks", lambda: find_leaks(kept, store))
    clock("check", lambda: make_report(manifest, store))
    everywhere = np.ones(count, dtype=np.bool_)
    plan = clock("plan, random crops", lambda: make_plan(store, store.usable, everywhere, (SAMPLES - 1) / RATE))
    clock("key of the cache", lambda: cache_key(encoder, plan, "float32", torch.device("cpu")))

    def batches() -> None:
        for block in range(plan.blocks(1024)):
            plan.batch(block, 1024)

    clock("batches", batches)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((count, DIM), dtype=np.float32)
    examples, rounds = Examples(x, kept.targets, kept.groups, len(kept.classes)), kept.rounds()
    (probe,) = open_probes("centroid", "cpu")
    metric = metrics.metric("accuracy")
    chosen = clock("probe `centroid`", lambda: selection.run(probe, examples, rounds, metric, 0))
    predictions = clock("predict", lambda: predict(examples, rounds, chosen))
    clock("interval of accuracy", lambda: intervals.score_predictions(predictions, "accuracy", 0))
    return clock.stages


def write(count: int, folder: Path) -> None:
    """A task of `count` clips: its table, and a file a clip with its number."""
    rng = np.random.default_rng(0)
    (folder / "wide").mkdir(parents=True)
    numbers = np.arange(count)
    names = [f"{number:07}.wav" for number in numbers]
    for name in names:
        file = os.open(f"{folder}/wide/{name}", os.O_CREAT | os.O_WRONLY)
        os.write(file, name.encode())
        os.close(file)
    groups = rng.permutation(count // CLIPS_A_GROUP + 1)[numbers // CLIPS_A_GROUP]
    table = {"path": names, "label": rng.integers(0, CLASSES, count), "fold": groups % FOLDS + 1, "group": groups}
    pd.DataFrame(table).to_csv(folder / "wide" / "clips.csv", index=False)
    folds = ", ".join(f'"{fold}"' for fold in range(1, FOLDS + 1))
    (folder / "wide.yaml").write_text(
        f"folder: wide\nreader: table\nkind: single-label\nmetric: accuracy\nseconds: 1\nfolds: [{folds}]\n"
    )


def decoded(path: Path, rate: int, _: object = None) -> Decoded:
    """Stands in for `audio.read`: SAMPLES samples of noise, drawn for the file's number."""
    number = int(path.stem)
    samples = (np.arange(SAMPLES) * (2 * number + 1) % 65521 - 32768).astype(np.int16)
    samples[:4] = np.frombuffer(np.int64(number).tobytes(), np.int16)
    samples[4] = 32767
    return Decoded(samples, rate, SAMPLES / rate, 1, 1.0, 0.0)


def lists(count: int, folder: Path) -> dict[str, tuple[float, int]]:
    """Manifests and targets of AudioSet-2M and of NSynth."""
    write = f"import pathlib, benchmarks.scale as s; s.write_lists({count}, pathlib.Path({str(folder)!r}))"
    subprocess.run([sys.executable, "-c", write], check=True)  # so that its memory is not counted
    clock = Clock()
    for name in ("as2m", "nsynth_pitch"):
        task = load_task(name).model_copy(update={"expects": None})
        manifest = clock(f"manifest of {name}", partial(read_manifest, task, folder))
        clock(f"targets of {name}", partial(getattr, manifest, "targets"))
    return clock.stages


def write_lists(count: int, folder: Path) -> None:
    """Generated rows in the form of AudioSet's lists and of NSynth's JSON, `count` of each."""
    rng = np.random.default_rng(0)
    (folder / "AudioSet").mkdir()
    ids = [f"{number:011}" for number in range(count)]
    parts = {"balanced_train": ids[: count // 100], "eval": ids[count // 100 : count // 50]}
    for name, own in (parts | {"unbalanced_train": ids[count // 50 :]}).items():
        mids = rng.integers(0, 527, (len(own), 2)).tolist()
        lines = (f'{i}, 30.000, 40.000, "/m/{a:03},/m/{b:03}"\n' for i, (a, b) in zip(own, mids, strict=True))
        (folder / "AudioSet" / f"{name}_segments.csv").write_text("".join(lines))
    names = "".join(f"{number},/m/{number:03},Sound {number}\n" for number in range(527))
    (folder / "AudioSet" / "class_labels_indices.csv").write_text("index,mid,display_name\n" + names)
    for part, share in {"train": 0.945, "valid": 0.041, "test": 0.014}.items():
        place = folder / "NSynth" / f"nsynth-{part}"
        place.mkdir(parents=True)
        drawn = rng.integers(0, 128, (max(128, round(count * share)), 3)).tolist()
        made = {
            f"bass_acoustic_{i % 1000:03}-{p:03}-{number:07}": {
                "note": number,
                "instrument": i % 1000,
                "instrument_str": f"bass_acoustic_{i % 1000:03}",
                "pitch": number % 128,
                "velocity": v,
                "sample_rate": 16000,
                "qualities": [0] * 10,
                "instrument_family": number % 11,
                "instrument_family_str": f"family {number % 11}",
                "instrument_source_str": "acoustic",
            }
            for number, (i, p, v) in enumerate(drawn)
        }
        (place / "examples.json").write_text(json.dumps(made))


def runs(count: int, folder: Path) -> dict[str, tuple[float, int]]:
    """What goes through every run of a results folder: ten runs an encoder on one task, without predictions."""
    from evar.leaderboard import leaderboard_csv
    from evar.leaderboard.read import Leaderboard
    from evar.leaderboard.runs import ChosenBy, Record, read_rows, record_path
    from evar.testing.made_results import add, make_scored

    scores = np.random.default_rng(0).uniform(0.2, 0.9, count).round(3)
    rows = [make_scored(f"encoder {n // 10}", "us8k", score, n) for n, score in enumerate(scores)]
    path = record_path(folder, rows[0].run)
    path.parent.mkdir()
    for row in rows[:-1]:
        path.with_name(f"{row.run}.json").write_text(Record(row, ChosenBy(classes=[], curves={})).to_json())
    clock = Clock()
    clock("make the table", lambda: leaderboard_csv.update(folder))
    add(folder, rows[-1])
    clock("append a run", lambda: leaderboard_csv.update(folder))
    board = Leaderboard(folder, clock("read all runs", lambda: read_rows(folder)), [], [])
    clock("tables as text", lambda: board.text("terminal"))
    clock("page", lambda: board.text("html"))
    return clock.stages


SIDES = {"clips": (clips, CLIPS), "lists": (lists, LISTS), "runs": (runs, RUNS)}


def measured(side: str, count: int) -> dict[str, tuple[float, int]]:
    """The stages of one size, in a process of its own."""
    code = f"import benchmarks.scale as s; s.print_stages({side!r}, {count})"
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    stages: dict[str, tuple[float, int]] = json.loads(done.stdout.splitlines()[-1])
    return stages


def print_stages(side: str, count: int) -> None:
    """The other side of `measured`."""
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(SIDES[side][0](count, Path(name))))


def report(side: str, sizes: list[int]) -> None:
    """A table: a line a stage, a column a size, the exponent, and the memory at the largest."""
    found = {size: measured(side, size) for size in sizes}
    before, last = sizes[-2:] if len(sizes) > 1 else (0, sizes[-1])
    print(f"| {side} | {' | '.join(f'{size:,}' for size in sizes)} | exponent | peak so far |")
    print("|---" * (len(sizes) + 3) + "|")
    for stage, (seconds, peak) in found[last].items():
        grown = seconds / max(found[before][stage][0], 1e-9) if before else math.nan
        exponent = math.log(grown) / math.log(last / before) if before else math.nan
        times = " | ".join(f"{found[size][stage][0]:.3g}" for size in sizes)
        print(f"| {stage} | {times} | {exponent:.2f} | {peak / 2**20:,.0f} MiB |")
    print(flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for side, (_, sizes) in SIDES.items():
        parser.add_argument(f"--{side}", type=int, nargs="*", default=sizes, help=f"sizes (default: {sizes})")
    arguments = parser.parse_args()
    commit, dirty = provenance.commit()
    print(f"{machine.cores()} cores, commit {commit[:12]}{' + changes' if dirty else ''}\n")
    for side in SIDES:
        if sizes := sorted(getattr(arguments, side)):
            report(side, sizes)


if __name__ == "__main__":
    main()
