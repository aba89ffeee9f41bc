"""`python -m benchmarks.coverage`: how often the 95 % intervals hold the truth, and how often equals are separated.

Test sets are drawn from populations whose truth is known, and scored as a task is. Clips of a group share a difficulty:
its chance of being right is drawn from a beta distribution of which two clips of a group correlate by `likeness`; for
mAP and balanced accuracy a normal deviate of that standard deviation shifts its logits. The truth is the mean over test
sets of the same size, seeds and draws; of accuracy it is known, else measured on 3,000 others. The last lines compare
an encoder with itself under other seeds and count verdicts; one of them trains `m2d_paper`. `--runs` sets the number of
test sets a line: the standard error of a coverage near 95 % is 0.7 points for 1,000.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evar.probes import open_probe
from evar.probes.contract import Examples, Problem
from evar.probes.predictions import Predictions
from evar.scoring.compare import RunOutput, compare
from evar.scoring.intervals import score_predictions
from evar.scoring.metrics import lookup, metric
from evar.scoring.summary import mean_score

NOMINAL, LEAST, MOST = 0.95, 0.93, 0.97
MOST_VERDICTS = 0.08
TRIALS = 200  # comparisons of an encoder with itself
TRUTH_SETS = 3000  # test sets that a truth which no formula gives is taken from
MEDIAN_CLIPS = 8  # of groups of log-normal sizes
LARGE = MEDIAN_CLIPS * math.e  # clips: a sixth of such groups are larger

Sizes = Callable[[np.random.Generator], NDArray[np.int64]]
"""Draws the sizes of a test set's groups."""


def equal(groups: int, clips: int) -> Sizes:
    """All of this many clips."""
    return lambda draws: np.full(groups, clips)


def log_normal(groups: int) -> Sizes:
    """Log-normal, of deviation 1: 50 such groups are worth 22."""
    return lambda draws: np.maximum(1, np.round(MEDIAN_CLIPS * np.exp(draws.normal(size=groups)))).astype(np.int64)


def one_large(groups: int) -> Sizes:
    """One group holds 30 % of the clips, the others have ten each."""
    return lambda draws: np.array([round(0.3 / 0.7 * 10 * (groups - 1)), *[10] * (groups - 1)])


def few_hold_half(large: int, groups: int) -> Sizes:
    """A few large groups hold half of the clips, the others have ten each."""
    return lambda draws: np.array([10 * (groups - large) // large] * large + [10] * (groups - large))


@dataclass(frozen=True)
class Population:
    """Test sets of an accuracy of 2 classes.

    likeness: of two clips of a group; large_accuracy, large_likeness: of groups of over 21 clips, where they differ
    seeds, draws: how many; seed_spread, draw_spread: standard deviations of the accuracy over them
    agreement: of all seeds, the share of clips that one deviate decides for them all
    """

    sizes: Sizes
    accuracy: float
    likeness: float = 0.0
    large_accuracy: float | None = None
    large_likeness: float | None = None
    folds: int = 1
    seeds: int = 1
    draws: int = 1
    seed_spread: float = 0.0
    draw_spread: float = 0.0
    agreement: float = 0.8

    def draw(self, draws: np.random.Generator) -> "Drawn":
        """The groups of a test set, their chances of being right, and what decides each clip for all seeds."""
        sizes = self.sizes(draws)
        large = sizes > LARGE
        chances = np.empty(len(sizes))
        for where, accuracy, likeness in (
            (~large, self.accuracy, self.likeness),
            (large, self.large_accuracy, self.large_likeness),
        ):
            accuracy = self.accuracy if accuracy is None else accuracy
            likeness = self.likeness if likeness is None else likeness
            strength = (1 - likeness) / likeness if likeness else math.inf
            chances[where] = (
                draws.beta(accuracy * strength, (1 - accuracy) * strength, size=where.sum()) if likeness else accuracy
            )
        member = np.repeat(np.arange(len(sizes)), sizes)
        return Drawn(self, chances[member], member, draws.random(len(member)), draws.random(len(member)))

    def truth(self) -> float:
        """The expected accuracy of a clip."""
        if self.large_accuracy is None:
            return self.accuracy
        sizes = np.concatenate([self.sizes(np.random.default_rng([1, number])) for number in range(TRUTH_SETS)])
        return float(np.where(sizes > LARGE, self.large_accuracy, self.accuracy) @ sizes / sizes.sum())


@dataclass(frozen=True)
class Drawn:
    """A test set: each clip's chance of being right and its group; shared, own: uniform deviates that decide it."""

    population: Population
    chances: NDArray[np.float64]
    member: NDArray[np.int64]
    shared: NDArray[np.float64]
    own: NDArray[np.float64]

    def run(self, draws: np.random.Generator) -> Predictions:
        """What a run with its own seeds and draws says of it."""
        population, clips = self.population, len(self.member)
        rows = []
        for _ in range(population.draws):
            drawn = population.draw_spread * draws.normal()
            for _ in range(population.seeds):
                chances = self.chances + drawn + population.seed_spread * draws.normal()
                rows.append(np.where(self.own < population.agreement, self.shared, draws.random(clips)) < chances)
        correct = np.stack(rows)
        logits = np.stack([correct, ~correct], axis=2).astype(np.float32)
        folds = (self.member * population.folds // (self.member.max() + 1)).astype(str)
        return Predictions(
            logits, np.zeros(clips, np.int64), np.arange(clips), self.member.astype(str), folds, draws=population.draws
        )


def of_accuracy(draws: np.random.Generator, population: Population, runs: int, resamples: int) -> float:
    """The share of test sets whose interval holds the expected accuracy."""
    truth, covered = population.truth(), 0
    for run in range(runs):
        found = score_predictions(population.draw(draws).run(draws), "accuracy", run, resamples)
        covered += found.low <= truth <= found.high
    return covered / runs


@dataclass(frozen=True)
class Scored:
    """Test sets of several classes with logits; each clip has labels of its own where the metric is for that.

    separation: of a class's logit between clips with and without it; seed_spread: its standard deviation over `seeds`;
    positives: the share of clips that a label has, where groups do not shift it
    """

    metric: str
    classes: int
    sizes: Sizes
    separation: float
    likeness: float = 0.0
    positives: float = 0.1
    folds: int = 1
    seeds: int = 1
    seed_spread: float = 0.0

    def draw(self, draws: np.random.Generator) -> Predictions:
        """A run on a test set."""
        sizes = self.sizes(draws)
        member = np.repeat(np.arange(len(sizes)), sizes)
        clips, shape = len(member), (len(member), self.classes)
        if lookup(self.metric).kind == "multi-label":
            odds = math.log(self.positives / (1 - self.positives))
            shifts = self.likeness * draws.normal(size=(len(sizes), self.classes))
            targets = marks = draws.random(shape) < 1 / (1 + np.exp(-odds - shifts[member]))
        else:
            targets = draws.integers(self.classes, size=clips)
            marks = targets[:, None] == np.arange(self.classes)
        noise = draws.normal(size=shape) + self.likeness * draws.normal(size=(len(sizes), self.classes))[member]
        separations = self.separation + self.seed_spread * draws.normal(size=self.seeds)
        own = draws.normal(size=(self.seeds, *shape)) / 2 if self.seeds > 1 else 0
        logits = (separations[:, None, None] * marks + noise + own).astype(np.float32)
        folds = (member * self.folds // (member.max() + 1)).astype(str)
        return Predictions(logits, targets, np.arange(clips), member.astype(str), folds)


def of_metric(draws: np.random.Generator, population: Scored, runs: int, resamples: int) -> float:
    """The share of test sets whose interval holds the mean score of such sets."""
    scores = [mean_score(population.draw(draws), population.metric) for _ in range(TRUTH_SETS)]
    truth, covered = float(np.mean([score for score in scores if score is not None])), 0
    for run in range(runs):
        found = score_predictions(population.draw(draws), population.metric, run, resamples)
        covered += found.low <= truth <= found.high
    return covered / runs


def verdicts(draws: np.random.Generator, population: Population, trials: int) -> float:
    """The share of comparisons of an encoder with itself, on one test set under other seeds, that name a better one."""
    named = 0
    for _ in range(trials):
        drawn = population.draw(draws)
        a, b = (_output(drawn.run(draws)) for _ in "ab")
        named += compare(a, b, "accuracy").separable
    return named / trials


def verdicts_of_m2d_paper(draws: np.random.Generator, trials: int) -> float:
    """The same of `m2d_paper`: 180 clips of 10 classes to learn from, 400 to test; new ones every 20 trials."""
    named, of_one = 0, 20
    for start in range(0, trials, of_one):
        count = min(of_one, trials - start)
        y = draws.integers(10, size=600)
        x = (draws.normal(size=(10, 32))[y] + draws.normal(size=(600, 32))).astype(np.float32)
        train, valid, test = np.split(np.arange(600), [180, 200])
        first = int(draws.integers(2**31))
        problems = [Problem(train, valid, None, first + seed) for seed in range(6 * count)]
        clips = Examples(x, y, np.arange(600).astype(str), 10)
        fits = open_probe("m2d_paper").fit(clips, problems, metric("accuracy"))
        logits = np.stack([fit.logits(x[test]) for fit in fits]).reshape(count, 2, 3, len(test), 10)
        groups = np.arange(len(test)).astype(str)
        for both in logits:
            a, b = (
                _output(Predictions(own, y[test], np.arange(len(test)), groups, np.full(len(test), "test")))
                for own in both
            )
            named += compare(a, b, "accuracy").separable
    return named / trials


def _output(predictions: Predictions) -> RunOutput:
    classes = tuple(map(str, range(predictions.logits.shape[2])))
    return RunOutput(predictions, [f"{row:06}" for row in predictions.rows], classes)


SIZES = {
    "50 groups of 1": equal(50, 1),
    "50 groups of 5": equal(50, 5),
    "50 groups of 20": equal(50, 20),
    "200 groups of 5": equal(200, 5),
    "1,000 groups of 1": equal(1000, 1),
    "50 log-normal groups": log_normal(50),
    "100 log-normal groups": log_normal(100),
    "200 log-normal groups": log_normal(200),
    "one of 50 groups has 30 %": one_large(50),
}
LIKENESS = {"50 groups of 1": 0.0, "1,000 groups of 1": 0.0, "50 groups of 20": 0.1, "50 groups of 5": 0.2}
ACCURACIES: dict[str, tuple[Population, ...]] = {
    **{
        name: tuple(Population(sizes, accuracy, LIKENESS.get(name, 0.3)) for accuracy in (0.5, 0.7, 0.9))
        for name, sizes in SIZES.items()
    },
    "50 log-normal groups, the large ones worse": tuple(
        Population(log_normal(50), accuracy, 0.3, large_accuracy=accuracy - 0.3) for accuracy in (0.5, 0.7, 0.9)
    ),
    "50 log-normal groups, the large ones better": tuple(
        Population(log_normal(50), accuracy - 0.3, 0.3, large_accuracy=accuracy) for accuracy in (0.5, 0.7, 0.9)
    ),
    "10 of 50 groups have half, likeness 0.3 against 0.1": tuple(
        Population(few_hold_half(10, 50), accuracy, 0.1, large_likeness=0.3) for accuracy in (0.5, 0.7, 0.9)
    ),
    "5 of 50 groups have half, likeness 0.3 against 0.1": tuple(
        Population(few_hold_half(5, 50), accuracy, 0.1, large_likeness=0.3) for accuracy in (0.5, 0.7, 0.9)
    ),
    "10 folds of 20 groups of 5": tuple(Population(equal(200, 5), p, 0.2, folds=10) for p in (0.5, 0.7, 0.9)),
    "5 folds of 20 log-normal groups": tuple(Population(log_normal(100), p, 0.3, folds=5) for p in (0.5, 0.7, 0.9)),
    "3 seeds that vary by 1 point, 50 groups of 5": tuple(
        Population(equal(50, 5), p, 0.2, seeds=3, seed_spread=0.01) for p in (0.5, 0.7, 0.9)
    ),
    "3 seeds that vary by 5 points, 400 groups of 1": tuple(
        Population(equal(400, 1), p, seeds=3, seed_spread=0.05) for p in (0.5, 0.7, 0.85)
    ),
    "3 seeds that vary by 2 points, 50 log-normal groups": tuple(
        Population(log_normal(50), p, 0.3, seeds=3, seed_spread=0.02) for p in (0.5, 0.7, 0.9)
    ),
    "5 draws that vary by 3 points, 200 groups of 1": tuple(
        Population(equal(200, 1), p, draws=5, draw_spread=0.03) for p in (0.5, 0.7, 0.9)
    ),
    "5 draws by 4 points, 3 seeds by 1, 100 log-normal groups": tuple(
        Population(log_normal(100), p, 0.1, seeds=3, draws=5, seed_spread=0.01, draw_spread=0.04)
        for p in (0.5, 0.7, 0.85)
    ),
}
METRICS = {
    "mAP, 5 classes, 200 groups of 1": Scored("mAP", 5, equal(200, 1), 1.0),
    "mAP, 5 classes, 200 groups of 1, well separated": Scored("mAP", 5, equal(200, 1), 2.5),
    "mAP, 5 classes, 50 groups of 5": Scored("mAP", 5, equal(50, 5), 1.0, 0.7),
    "mAP, 20 classes, 100 groups of 4": Scored("mAP", 20, equal(100, 4), 1.5, 0.5),
    "mAP, 50 classes, 400 groups of 1": Scored("mAP", 50, equal(400, 1), 2.0),
    "mAP, 5 classes, 50 log-normal groups": Scored("mAP", 5, log_normal(50), 1.0, 0.7),
    "mAP, 20 classes, 100 log-normal groups": Scored("mAP", 20, log_normal(100), 1.5, 0.5),
    "mAP, 20 classes, one of 50 groups has 30 %": Scored("mAP", 20, one_large(50), 1.5, 0.5),
    "mAP, 20 classes, 3 seeds, 100 groups of 4": Scored("mAP", 20, equal(100, 4), 1.5, 0.5, seeds=3, seed_spread=0.2),
    "mAP, 20 classes, 5 folds of 20 groups of 8": Scored("mAP", 20, equal(100, 8), 1.5, 0.5, folds=5),
    "lwlrap, 5 classes, 50 log-normal groups": Scored("lwlrap", 5, log_normal(50), 1.0, 0.7),
    "lwlrap, 20 classes, 100 groups of 4": Scored("lwlrap", 20, equal(100, 4), 1.5, 0.5),
    "balanced accuracy, 5 classes, 50 groups of 5": Scored("balanced_accuracy", 5, equal(50, 5), 1.5, 0.5),
    "balanced accuracy, 5 classes, 50 log-normal groups": Scored("balanced_accuracy", 5, log_normal(50), 1.5, 0.5),
    "balanced accuracy, 5 classes, one of 50 groups has 30 %": Scored("balanced_accuracy", 5, one_large(50), 1.5, 0.5),
    "balanced accuracy, 5 classes, 3 seeds": Scored(
        "balanced_accuracy", 5, equal(100, 3), 1.5, 0.5, seeds=3, seed_spread=0.2
    ),
}
EQUALS = {
    "1 seed, 400 groups of 1": Population(equal(400, 1), 0.7),
    "3 seeds that vary by 1 point, 60 groups of 5": Population(equal(60, 5), 0.7, 0.2, seeds=3, seed_spread=0.01),
    "3 seeds that vary by 5 points, 400 groups of 1": Population(equal(400, 1), 0.7, seeds=3, seed_spread=0.05),
    "3 seeds that vary by 2 points, 100 log-normal groups": Population(
        log_normal(100), 0.7, 0.3, seeds=3, seed_spread=0.02
    ),
    "5 draws that vary by 4 points, 200 groups of 1": Population(equal(200, 1), 0.7, draws=5, draw_spread=0.04),
}


def main(runs: int, resamples: int, trials: int) -> int:
    """Print a table, a line for each population; 1 where a coverage is outside 93 to 97 %, less two standard errors."""
    error, outside = math.sqrt(NOMINAL * (1 - NOMINAL) / runs), 0

    def shown(share: float) -> str:
        nonlocal outside
        far = not LEAST - 2 * error <= share <= MOST + 2 * error
        outside += far
        return f"{100 * share:.1f} %{' OUTSIDE' if far else ''}"

    print(f"{runs} test sets a figure, {resamples} resamples each; standard error {100 * error:.1f} points\n")
    print("| accuracy | low | middle | high |\n|---|---|---|---|", flush=True)
    for name, populations in ACCURACIES.items():
        shares = [of_accuracy(np.random.default_rng(0), each, runs, resamples) for each in populations]
        print(f"| {name} | {' | '.join(map(shown, shares))} |", flush=True)
    print("\n| other metrics | covered |\n|---|---|", flush=True)
    for name, scored in METRICS.items():
        print(f"| {name} | {shown(of_metric(np.random.default_rng(0), scored, runs, resamples))} |", flush=True)
    print(f"\n| an encoder and itself, {trials} times | called better or worse |\n|---|---|", flush=True)
    named = {name: verdicts(np.random.default_rng(0), each, trials) for name, each in EQUALS.items()}
    named["m2d_paper, trained anew under other seeds"] = verdicts_of_m2d_paper(np.random.default_rng(0), trials)
    for name, share in named.items():
        outside += share > MOST_VERDICTS
        print(f"| {name} | {100 * share:.1f} %{' OUTSIDE' if share > MOST_VERDICTS else ''} |", flush=True)
    return 1 if outside else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="test sets a figure (default: 1000)")
    parser.add_argument("--resamples", type=int, default=1000, help="of each test set (default: 1000)")
    parser.add_argument("--trials", type=int, default=TRIALS, help=f"comparisons a line (default: {TRIALS})")
    arguments = parser.parse_args()
    raise SystemExit(main(arguments.runs, arguments.resamples, arguments.trials))
