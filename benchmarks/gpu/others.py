"""The machine and its limits; then what has a benchmark or tests of its own, at the sizes that a GPU is for."""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks import embed as embedding
from benchmarks import finetune as finetuning
from benchmarks import five_tasks
from benchmarks import pretrain as pretraining
from benchmarks import probes as probing
from benchmarks.gpu.report import MACHINE, Report, Skipped
from benchmarks.limits import matrix_rate, settled
from evar import encoders
from evar.base import machine as host
from evar.data.store import Store
from evar.data.task import load_task
from evar.embeddings.batches import make_plan
from evar.embeddings.device import choose_precision, describe
from evar.embeddings.feed import feed
from evar.embeddings.forward import READERS
from evar.nn.exact_float32 import exact_float32
from evar.pretrain.recipe import make_recipe

ROOT = Path(__file__).parents[2]
CLIPS = {10.0: 20_000, 4.0: 30_000, 1.0: 80_000, 30.0: 6_000}  # seconds of a clip -> clips embedded
FEED_BATCH, FEED_BLOCKS = 256, 20  # 10 s each
FEED_READERS = (0, 1, 2, 4, 8)
NEARLY = 1.05  # times the shortest
QUICK_TINY = 'random(model="m2d_vit_tiny-80x208p16x16")'
TESTS = ("tests/devices", "tests/golden", "tests/pretrain", "tests/tuning")
TASKS = ("gtzan", "us8k", "spcv2", "as20k", "vc1")  # the smaller ones first: a row is kept as soon as it is there
FIRST_SCALE, GROWTH, SHARE_OF_REST = 0.01, 8.0, 0.6


def machine(report: Report) -> None:
    """Versions, and the rates of bare matrix products."""
    device, cuda = report.device, report.device.type == "cuda"
    about = {"device": describe(device), "torch": torch.__version__, "Python": platform.python_version()}
    about |= {"cores": host.cores(), "NumPy": np.__version__}
    if cuda:
        memory = torch.cuda.get_device_properties(device).total_memory / 2**30
        about |= {"GiB": round(memory), "CUDA": torch.version.cuda}
        about |= {"cuDNN": torch.backends.cudnn.version(), "driver": driver()}
    report.row(MACHINE, {name: str(value) for name, value in about.items()})
    if not cuda and not report.quick:
        report.fail("no CUDA device here: QUICK=1 runs the same with tiny shapes on a CPU")
        return
    with exact_float32():
        for precision in ("bfloat16", "float16", "float32"):
            report.row("Matrix products", {"precision": precision, "TFLOP/s": matrix_rate(device, precision) / 1e12})
    if cuda:
        torch.backends.cuda.matmul.allow_tf32 = True
        report.row("Matrix products", {"precision": "TF32", "TFLOP/s": matrix_rate(device, "float32") / 1e12})


def driver() -> str:
    """The version of NVIDIA's driver, as far as its own tool says it."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    found = subprocess.run(query, capture_output=True, text=True).stdout.split() if shutil.which(query[0]) else []
    return found[0] if found else "unknown"


def tests(report: Report) -> None:
    """The tests marked `cuda`; those that fail are said at once."""
    if importlib.util.find_spec("pytest") is None:
        raise Skipped("pytest is not installed here")
    line = [sys.executable, "-m", "pytest", "-vv", "--tb=short", "-m", "cuda", *TESTS]
    line += ["-W", "default"]  # warnings of versions that the project does not pin are no failures
    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # plug-ins may be of another pytest
    count = {"PASSED": 0, "FAILED": 0, "ERROR": 0, "SKIPPED": 0}
    with subprocess.Popen(line, cwd=ROOT, env=alone, stdout=subprocess.PIPE, text=True) as process:
        for said in process.stdout or ():
            print(said, end="")
            if found := re.match(rf"(\S+::.*?) ({'|'.join(count)})\b", said):
                count[found[2]] += 1
                if found[2] in ("FAILED", "ERROR"):
                    report.fail(found[1])
    report.row("Tests marked `cuda`", {state.lower(): number for state, number in count.items()})
    if process.returncode and not report.failed:
        report.fail(f"pytest's exit code is {process.returncode}")
    if not report.failed and not count["PASSED"]:
        raise Skipped("none of these tests runs here: no CUDA device")


def embed(report: Report) -> None:
    """From a prepared store to the cache: rates, and what reading alone can give."""
    device, precision = report.device, choose_precision("auto", report.device)
    with tempfile.TemporaryDirectory() as name:
        stores = {}
        for seconds, clips in ({4.0: 8} if report.quick else CLIPS).items():
            stores[seconds] = embedding.synthesised(Path(name) / f"{seconds:g}", seconds)
            spec = QUICK_TINY if report.quick else "random"
            line = embedding.measure(stores[seconds], seconds, clips, precision, None, device, Path(name), spec)
            row = dict(zip(embedding.HEADER, line, strict=True))
            waited = float(row["read"]) / max(0.01, float(row["end to end"].removesuffix(" s")))
            report.row("Store to cache", row | {"waits for the readers": f"{waited:.1%}"})
        read_ahead(report, stores[4.0 if report.quick else 10.0])


def read_ahead(report: Report, store: Store) -> None:
    """Batches from the store into pinned memory by several readers, with what decides; and from there to the device."""
    device, cuda = report.device, report.device.type == "cuda"
    blocks, batch = (2, 4) if report.quick else (FEED_BLOCKS, FEED_BATCH)
    rows = np.arange(blocks * batch) % len(store.usable)
    seconds = float(store.index["duration"].iloc[0])
    plan = make_plan(store, rows, np.zeros(len(rows), dtype=np.bool_), seconds)
    audio, gigabytes = len(rows) * seconds, 2e-9 * len(rows) * plan.samples

    def read(readers: int) -> None:
        for _ in feed(plan, range(blocks), batch, readers=readers, pinned=cuda):
            pass

    took = {readers: settled(lambda readers=readers: read(readers), device) for readers in FEED_READERS}
    enough = min(readers for readers, seconds in took.items() if seconds <= NEARLY * min(took.values()))
    for readers, seconds in took.items():
        row = {"readers": readers, "GB/s": gigabytes / seconds, "audio s/s": audio / seconds}
        rule = {"taken": f"the fewest within {NEARLY - 1:.0%} of the best", "today": READERS}
        outcome = "none: a GPU decides" if not cuda else "take it" if readers == enough else "leave it"
        report.row("Feed, by readers", row | rule | {"outcome": outcome})
    if cuda:
        pinned = plan.batch(0, batch, plan.buffer(batch, pinned=True)).waveforms
        seconds = settled(lambda: pinned.to(device, non_blocking=True), device)
        row = {"GB/s": pinned.nbytes / 1e9 / seconds, "audio s/s": batch * plan.samples / store.rate / seconds}
        report.row("Feed, to the device", row)


def probes(report: Report) -> None:
    """The logistic probe at the sizes of AudioSet-20K and VoxCeleb1."""
    scale = 0.02 if report.quick else 1.0
    for name in ("as20k", "vc1"):
        for row in probing.SIZES[name](scale, report.device):
            report.row("Probe `logistic`", row)
            cut_short = name == "vc1" and report.device.type == "cpu"
            if row["certified"] < row["problems"] and not cut_short:
                report.fail(f"{row['size']}: {row['problems'] - row['certified']} fits are not certified")


def pretrain(report: Report) -> None:
    """Steps of a ViT-Base; float32 with fewer and smaller ones."""
    for precision, batch, steps in (("bfloat16", 512, 20), ("float32", 128, 5)):
        recipe = make_recipe("tiny" if report.quick else "base", {"batch_size": 4 if report.quick else batch})
        with tempfile.TemporaryDirectory() as name:
            store = pretraining.store_for(recipe, Path(name) / "noise")
            line = pretraining.measure(store, recipe, precision, report.device, 1 if report.quick else steps)
        row = dict(zip(pretraining.HEADER, line, strict=True))
        counted = {"batch": recipe.batch_size, "steps/s": 1 / float(row["step s"])}
        report.row(f"Pre-training {recipe.name}", counted | row)


def finetune(report: Report) -> None:
    """Steps of a ViT-Base by the recipes of clips of a second and of ten."""
    spec = QUICK_TINY if report.quick else "random"
    for task in ("spcv2", "as20k"):
        batch = 4 if report.quick else finetuning.BATCH["cuda"]
        for line in finetuning.rows(task, spec, batch, report.device):
            report.row(
                f"Fine-tuning by the recipe {task}", {"batch": batch} | dict(zip(finetuning.HEADER, line, strict=True))
            )


def tasks(report: Report) -> None:
    """The five tasks, of a hundredth of their clips, then of as many as the time that is left allows."""
    line = ["--encoder", "logmel", "--probe", "logistic(grid=[0.01])"] if report.quick else []
    arguments = five_tasks.parsed(line)
    device = report.device
    encoder, precision = encoders.open_encoder(arguments.encoder), choose_precision("auto", device)
    limit = matrix_rate(device, precision)
    scale = 0.0001 if report.quick else FIRST_SCALE
    while True:
        begin = time.monotonic()
        arguments.scale = scale
        for name in TASKS:
            task = load_task(name)
            five_tasks.require_space(task, scale, arguments.folder)
            with tempfile.TemporaryDirectory() as folder:
                found = five_tasks.measure(task, encoder, device, precision, Path(folder), arguments)
            rate = found.flops / found.seconds["embed"]
            row = {"task": name, "clips": found.clips, **{stage: found.seconds[stage] for stage in five_tasks.COLUMNS}}
            row |= {"total": found.total, "embed TFLOP/s": rate / 1e12, "of the limit": f"{rate / limit:.0%}"}
            report.row(f"{scale:.4g} of the clips, seconds by stage", row)
        grown = min(1.0, scale * min(GROWTH, SHARE_OF_REST * report.left() / (time.monotonic() - begin)))
        if report.quick or grown < 2 * scale:
            return
        scale = grown
