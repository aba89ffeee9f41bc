"""A probe that learns nothing and remembers what it was asked: each setting's quality is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evar.probes.contract import Examples, Fitted, Floats, Probe, Problem, ScoreFunction, Setting, Targets


@dataclass(frozen=True)
class Remembered:
    """A fit whose logits say its setting's quality and its seed: (clip, 2)."""

    problem: Problem
    quality: float
    converged: bool = True

    def logits(self, x: Floats) -> Floats:
        return np.tile(np.float32([self.quality, self.problem.seed]), (len(x), 1))


class Recorder(Probe):
    """`problems` lists all that it fitted; a setting's quality is what `quality_of_logits` scores."""

    name = "recorder"

    def __init__(
        self, qualities: Mapping[Setting, float] | None = None, validation: Any = "folds", seeds: int = 1
    ) -> None:
        self.qualities = dict(qualities or {None: 0.0})
        self.grid = tuple(self.qualities)
        self.validation, self.seeds = validation, seeds
        self.problems: list[Problem] = []
        self.options = {}

    def fit(self, examples: Examples, problems: Sequence[Problem], score: ScoreFunction) -> Sequence[Fitted]:
        self.problems.extend(problems)
        return [Remembered(problem, self.qualities[problem.setting]) for problem in problems]


def quality_of_logits(logits: Floats, targets: Targets) -> float:
    """The quality of the setting that made these logits."""
    del targets
    return float(logits[:, 0].mean())
