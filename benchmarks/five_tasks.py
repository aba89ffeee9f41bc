"""`python -m benchmarks.five_tasks`: from prepared stores to leaderboard rows, all five core tasks at full size.

    python -m benchmarks.five_tasks --folder /big/disk        59 GB of stores in all, one at a time, 43 GB the largest
    python -m benchmarks.five_tasks --scale 0.01              on two cores; its extrapolation is one, and says so

The clips are synthetic (`synthetic.py`): rows, seconds, classes, splits and groups are those of the tasks, the classes
can be learned. What is timed is the pipeline itself, `evar.pipeline.Evaluator`, with the probe and its interval, and
the row being kept; making the store is not timed, and each is deleted afterwards. Imports and the device's start are
not timed. Times are seconds; the limit is `limits.py`'s, the better of before and after all tasks.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks import page_cache, synthetic
from benchmarks.limits import flops_a_clip, matrix_rate
from benchmarks.stages import Stages
from evar import encoders, fitting, pipeline, probes
from evar.base import machine, provenance
from evar.base.byte_size import size
from evar.base.errors import EvarError, UsageError
from evar.base.progress import say, show_progress
from evar.cli.options import argument
from evar.cli.terminal import table
from evar.config import Config, share
from evar.data.task import CORE, Task, load_task
from evar.embeddings.device import choose_device, choose_precision, describe
from evar.encoders.contract import Encoder
from evar.encoders.m2d import M2D
from evar.leaderboard import leaderboard_csv
from evar.preparation import Prepared, prepare_task
from evar.probes import selection
from evar.scoring import intervals

SEED = 42
STAGES = (
    ("read", pipeline, "prepare_task"),
    ("read", pipeline, "make_plan"),
    ("embed", pipeline, "embed"),
    ("leaks", Prepared, "note_findings"),
    ("probe", selection, "run"),
    ("probe", fitting, "predict"),
    ("score", intervals, "score_predictions"),
    ("row", pipeline, "make_result"),
    ("row", leaderboard_csv, "append"),
)
COLUMNS = ("read", "embed", "leaks", "probe", "score", "row", "rest")
BYTES_OF_EMBEDDING = 3840 * 4  # of a ViT-Base's clip


@dataclass(frozen=True)
class Measured:
    """A task's times: seconds by stage, `total` by the clock; full: clips of the whole task; flops of the encoder."""

    task: str
    clips: int
    full: int
    seconds: Mapping[str, float]
    total: float
    flops: float
    line: str

    def times(self, factor: float) -> "Measured":
        """The same with so many times the clips, if every stage grew with them."""
        seconds = {stage: factor * took for stage, took in self.seconds.items()}
        clips = round(factor * self.clips)
        return replace(self, clips=clips, seconds=seconds, total=factor * self.total, flops=factor * self.flops)


def main(arguments: argparse.Namespace) -> list[Measured]:
    """Measure and print. Raises EvarError where it cannot be: a typo, too small a disk."""
    tasks = [load_task(name) for name in arguments.tasks.split(",")]
    for task in tasks:
        require_space(task, arguments.scale, arguments.folder)
    device = choose_device(arguments.device)
    precision = choose_precision(arguments.precision, device)
    encoder = encoders.open_encoder(arguments.encoder, None)
    commit, dirty = provenance.commit()
    print(f"{describe(device)}  torch {torch.__version__}  commit {commit[:12]}{' + changes' if dirty else ''}")
    print(f"{encoder.identity.name}, {precision}; probe {arguments.probe}; {machine.cores()} cores", flush=True)
    limit, measured = matrix_rate(device, precision), []
    for task in tasks:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            measured.append(measure(task, encoder, device, precision, Path(name), arguments))
    report(measured, arguments.scale, max(limit, matrix_rate(device, precision)))
    return measured


def require_space(task: Task, scale: float, folder: Path) -> None:
    """Raise UsageError where the folder is not there, or its disk too small for the task's store and embeddings."""
    if not folder.is_dir():
        raise UsageError(f"--folder {folder} is no folder: make it first")
    small = synthetic.in_shape_of(task, scale)
    assert small.expects is not None
    wanted = small.expects.rows * (round(task.seconds * 16_000) * 2 + BYTES_OF_EMBEDDING)
    if (free := shutil.disk_usage(folder).free) < wanted:
        raise UsageError(
            f"task {task.name} takes {size(wanted)}, {folder} has {size(free)} left: "
            "give another --folder, other --tasks or a smaller --scale"
        )


def measure(
    task: Task, encoder: Encoder, device: torch.device, precision: str, folder: Path, arguments: argparse.Namespace
) -> Measured:
    """Make the task's store in `folder`, then time the way from there to the row."""
    small = synthetic.in_shape_of(task, arguments.scale)
    config = Config(data=folder / "data", cache=folder / "cache", device=str(device), precision=precision, seed=SEED)
    shares = task.expects.of_class if task.expects else None
    clips = synthetic.write_table(small, shares, config.data / small.folder, SEED)
    with synthetic.instead_of_decoding(synthetic.Synthesiser(clips, task.seconds, SEED)):
        prepare_task(small, encoder.sample_rate, config)
    files = sorted((folder / "cache" / "stores").glob("*/samples-*.bin"))
    if arguments.cold:
        page_cache.drop(files)
    stored = sum(file.stat().st_size for file in files)
    print(f"{task.name}: store of {size(stored)}, {page_cache.share(files):.0%} of it in the page cache", flush=True)
    probe = probes.open_probe(arguments.probe, str(device))
    stages = Stages()
    with stages.watching(STAGES):
        (evaluation,) = pipeline.Evaluator(encoder, [probe], config, folder / "results").evaluations(small)
    flops = len(clips) * flops_a_clip(encoder, task.seconds) if isinstance(encoder, M2D) else 0.0
    full = task.expects.rows if task.expects else len(clips)
    line = evaluation.result.line
    say(line)
    return Measured(task.name, len(clips), full, stages.seconds, stages.total, flops, line)


def report(measured: list[Measured], scale: float, limit: float) -> None:
    """Print the rows, their times, and what they would be at full size; limit in FLOP/s."""
    print("\n".join(each.line for each in measured))
    print(f"\nMeasured, {scale:g} of the clips, beside a limit of {limit / 1e12:.3f} TFLOP/s:")
    print(times(measured, limit))
    if scale < 1:
        print(
            f"\nExtrapolated from {scale:g} of the clips to all, not measured: every stage is taken to grow with the "
            "clips, its fixed costs too,\nand the probe's where it would not, with fewer clips than dimensions, fewer "
            "classes:"
        )
        print(times([each.times(each.full / each.clips) for each in measured], limit))


def times(measured: list[Measured], limit: float) -> str:
    """A line a task, and their sum."""
    rows = []
    for each in measured:
        rate = each.flops / each.seconds["embed"]
        speed = (f"{rate / 1e12:.3f}", f"{rate / limit:.0%}") if rate else ("-", "-")  # counted for an M2D alone
        clips_a_second = f"{each.clips / each.seconds['embed']:,.1f}"
        rows.append((each.task, *_line(each.clips, each.seconds, each.total), clips_a_second, *speed))
    together = {stage: sum(each.seconds[stage] for each in measured) for stage in COLUMNS}
    sums = _line(sum(each.clips for each in measured), together, sum(each.total for each in measured))
    header = ("task", "clips", *COLUMNS, "total", "embed clips/s", "TFLOP/s", "of limit")
    return table(header, [*rows, ("all", *sums, "", "", "")])


def _line(clips: int, seconds: Mapping[str, float], total: float) -> list[str]:
    return [f"{clips:,}", *(f"{seconds[stage]:.2f}" for stage in COLUMNS), f"{total:.2f}"]


def parsed(line: list[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default=",".join(CORE), help="names with commas between (default: all five)")
    parser.add_argument(
        "--scale", type=argument(share), default=1.0, help="share of each part's clips, 0 to 1 (default: 1)"
    )
    folder = Path(tempfile.gettempdir())
    parser.add_argument("--folder", type=Path, default=folder, help=f"where the stores go (default: {folder})")
    parser.add_argument(
        "--cold", action="store_true", help="put the store out of the page cache first (default: as is)"
    )
    parser.add_argument("--encoder", default="random", help="(default: random, a ViT-Base of random weights)")
    parser.add_argument("--probe", default="logistic", help="(default: logistic)")
    parser.add_argument("--device", default="auto", help="(default: auto)")
    parser.add_argument("--precision", default="auto", help="(default: auto)")
    return parser.parse_args(line)


if __name__ == "__main__":
    try:
        with show_progress():
            main(parsed())
    except EvarError as error:
        say(f"error: {error}")
        sys.exit(2)
