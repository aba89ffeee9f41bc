"""`python -m benchmarks.bundled SHARED/data`: what the bundled encoder has learned.

Scores it, the same network untrained from five seeds, and log-mel statistics with the probe `logistic` on a slice of
UrbanSound8K (folds 1, 2, 3, 10; 780 clips) and on FSDD; then compares it with each of the others, paired on the clips,
whose 95 % intervals docs/bundled-encoder.md quotes. Rows go to a folder of their own, to no leaderboard.
"""

import argparse
import tempfile
from pathlib import Path

from evar.cli import main as evar
from evar.leaderboard.runs import read_rows

UNTRAINED = [f"random(seed={seed}, model='m2d_vit_tiny-80x208p16x16')" for seed in range(5)]
TASKS = f"us8k,{Path(__file__).with_name('fsdd_reference.yaml')}"


def main(data: Path, weights: str, folder: Path) -> None:
    """Score and compare."""
    results, cache = folder / "results", folder / "cache"
    places = ["--data", str(data), "--min-coverage", "0.05", "--results", str(results), "--cache", str(cache)]
    for encoder in ("m2d", *UNTRAINED, "logmel"):
        options = ["--weights", weights] if encoder == "m2d" else []
        evar(["--task", TASKS, "--encoder", encoder, *options, *places])
    rows = read_rows(results)
    for task in dict.fromkeys(row.task for row in rows):
        bundled, *others = (row.run for row in rows if row.task == task)
        for other in others:
            evar(["compare", bundled, other, "--task", task, "--results", str(results)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds UrbanSound8K and FSDD")
    parser.add_argument("--weights", default="tiny", help="another checkpoint in its place (default: tiny)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        main(arguments.data, arguments.weights, Path(folder))
