"""`python -m benchmarks.coverage`: how often the 95 % intervals hold the truth, by simulation.

Test sets are drawn from populations whose truth is known, and scored as a task is. Groups of clips share a difficulty:
for accuracy a group's chance of being right is drawn from a beta distribution of which two clips of a group correlate
by `likeness`; for mAP a normal deviate of that standard deviation shifts a group's logits and its labels' log-odds.
The truth of mAP is its mean over test sets of the same size. `--runs` sets the number of test sets a line: the
standard error of a coverage near 95 % is 0.5 points for 2,000.
"""

import argparse
import math

import numpy as np

from evar.probes.predictions import Predictions
from evar.scoring.intervals import score_predictions
from evar.scoring.metrics import metric

NOMINAL, LEAST, MOST = 0.95, 0.93, 0.97
POSITIVES = 20  # clips of a class, on average
TRUTH_SETS = 1500  # test sets that the mean mAP is taken from

ACCURACIES = (0.5, 0.7, 0.9, 0.95)
GROUPS = ((50, 1, 0.0), (50, 5, 0.2), (50, 20, 0.1), (100, 1, 0.0), (100, 5, 0.2), (200, 5, 0.2), (1000, 1, 0.0))
RANKINGS = (  # classes, groups, clips a group, separation, likeness
    (5, 200, 1, 1.0, 0.0),
    (5, 200, 1, 2.5, 0.0),
    (5, 50, 5, 1.0, 0.7),
    (20, 100, 4, 1.5, 0.5),
    (20, 400, 1, 1.0, 0.0),
    (50, 400, 1, 2.0, 0.0),
)


def of_accuracy(
    draws: np.random.Generator,
    accuracy: float,
    *,
    groups: int,
    clips: int,
    likeness: float,
    runs: int,
    resamples: int,
) -> float:
    """The share of test sets whose interval holds the expected `accuracy`."""
    member, covered = np.repeat(np.arange(groups), clips), 0
    for run in range(runs):
        chances = np.full(groups, accuracy)
        if likeness:
            strength = (1 - likeness) / likeness
            chances = draws.beta(accuracy * strength, (1 - accuracy) * strength, size=groups)
        correct = draws.random(len(member)) < chances[member]
        logits = np.stack([correct, ~correct], axis=1).astype(np.float32)
        found = score_predictions(
            _test_set(logits, np.zeros(len(member), np.int64), member), "accuracy", run, resamples
        )
        covered += found.low <= accuracy <= found.high
    return covered / runs


def of_map(
    draws: np.random.Generator,
    classes: int,
    *,
    groups: int,
    clips: int,
    separation: float,
    likeness: float,
    runs: int,
    resamples: int,
) -> float:
    """The share of test sets whose interval holds the mean mAP of such sets, with 20 positives a class on average."""
    member, covered = np.repeat(np.arange(groups), clips), 0

    def draw() -> tuple[np.ndarray, np.ndarray]:
        odds = math.log(POSITIVES / (len(member) - POSITIVES)) + likeness * draws.normal(size=(groups, classes))
        targets = draws.random((len(member), classes)) < 1 / (1 + np.exp(-odds[member]))
        noise = draws.normal(size=targets.shape) + likeness * draws.normal(size=(groups, classes))[member]
        return (separation * targets + noise).astype(np.float32), targets

    truth = np.mean([metric("mAP")(*draw()) for _ in range(TRUTH_SETS)])
    for run in range(runs):
        found = score_predictions(_test_set(*draw(), member), "mAP", run, resamples)
        covered += found.low <= truth <= found.high
    return covered / runs


def _test_set(logits: np.ndarray, targets: np.ndarray, member: np.ndarray) -> Predictions:
    clips = len(member)
    return Predictions(logits[None], targets, np.arange(clips), member.astype(str), np.full(clips, "test"))


def main(runs: int, resamples: int) -> int:
    """Print a line for each population; 1 where a coverage is outside 93 to 97 %, less two standard errors."""
    error, outside = math.sqrt(NOMINAL * (1 - NOMINAL) / runs), 0

    def report(what: str, share: float) -> None:
        nonlocal outside
        far = not LEAST - 2 * error <= share <= MOST + 2 * error
        outside += far
        print(f"{what:<62} {100 * share:5.1f} %{'  OUTSIDE' if far else ''}", flush=True)

    print(f"{runs} test sets a line, {resamples} resamples each; standard error {100 * error:.1f} points")
    for groups, clips, likeness in GROUPS:
        for accuracy in ACCURACIES:
            draws = np.random.default_rng(0)
            share = of_accuracy(
                draws, accuracy, groups=groups, clips=clips, likeness=likeness, runs=runs, resamples=resamples
            )
            report(f"accuracy {accuracy}  {groups} groups of {clips}, likeness {likeness}", share)
    for classes, groups, clips, separation, likeness in RANKINGS:
        share = of_map(
            np.random.default_rng(0),
            classes,
            groups=groups,
            clips=clips,
            separation=separation,
            likeness=likeness,
            runs=runs,
            resamples=resamples,
        )
        report(
            f"mAP  {classes} classes, {groups} groups of {clips}, separation {separation}, likeness {likeness}", share
        )
    return 1 if outside else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="test sets a line (default: 1000)")
    parser.add_argument("--resamples", type=int, default=1000, help="of each test set (default: 1000)")
    arguments = parser.parse_args()
    raise SystemExit(main(arguments.runs, arguments.resamples))
