"""Logistic regression with L2 penalty, its strength C chosen on validation rows: the default probe.

Objective (scikit-learn's): minimise over weights W and intercepts b, on features standardised on the training rows,

    1/2 |W|^2 + C * sum over clips of the log loss;  the intercepts carry no penalty.

Log loss: softmax over classes, two classes as one logit, multi-label one-vs-rest. Classes that the training rows
cannot teach keep their column, with a constant logit: LOWEST without positives, -LOWEST without negatives. All
problems are solved together, to a certified optimum; see `solver/`.

On a weighted sum over layers (`layer_sum.py`) the objective has no certified optimum, since it is not convex in the
weights of the layers. They are learned first, for each set of training rows, with a linear layer trained by AdamW on
these rows alone; then they stay, and the regression on the sum is solved as any other, the layer left aside.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import torch

from evar.base.errors import UsageError
from evar.base.progress import advance, hidden_progress, progress
from evar.probes import by_label
from evar.probes.contract import NO_ROWS, Examples, Floats, Probe, Problem, Rows, ScoreFunction, Targets, rises
from evar.probes.layer_sum import LayerChoice, LayerSum, LayerSumFit
from evar.probes.linear import LinearFit, Standardiser
from evar.probes.solver.solve import LogisticProblem, Optimum, solve
from evar.probes.training import Job, NetworkRecipe, train

GRID = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1)  # C, from the strongest penalty
MAX_ITER = 1000
LOWEST = np.float32(-1e30)  # a logit below all others that still leaves softmax and differences finite
LAYERS_LR, LAYERS_DECAY, LAYERS_BATCH = 1e-2, 0.1, 128
LAYERS_EPOCHS, LAYERS_STEPS = 10, 500  # at least so many of either


def open_probe(grid: Sequence[float] = GRID, max_iter: int = MAX_ITER, layers: LayerChoice = None) -> Probe:
    """Logistic regression. Raises UsageError where an option cannot be.

    grid:      values of C to choose from, rising
    max_iter:  most L-BFGS iterations of a fit; one that is not certified by then is reported as not converged
    layers:    "weighted": on a weighted sum over the encoder's layers, its weights learned on the training rows
    """
    probe = Logistic(grid, max_iter)
    return OnLayerSum(probe) if layers == "weighted" else probe


@dataclass(frozen=True)
class LogisticFit(LinearFit):
    """A fitted logistic regression; optima: one, or one a label, or none where nothing was to fit."""

    optima: tuple[Optimum, ...]


class Logistic(Probe[float]):
    """See the module's docstring."""

    def __init__(self, grid: Sequence[float], max_iter: int) -> None:
        if not rises(grid) or grid[0] <= 0:
            raise UsageError(f"probe logistic: grid must be a rising list of positive numbers, not {grid!r}")
        if max_iter < 1:
            raise UsageError(f"probe logistic: max_iter must be at least 1, not {max_iter!r}")
        self.grid = tuple(float(c) for c in grid)
        self.max_iter = max_iter

    def fit(self, examples: Examples, problems: Sequence[Problem[float]], score: ScoreFunction) -> list[LogisticFit]:
        """Fit every problem to its certified optimum, all of them together."""
        del score  # the objective alone decides when a fit ends
        y, classes = examples.y, examples.classes
        designs, design_of = _distinct([problem.train for problem in problems])
        known = [_known(y[train], classes) for train in designs]
        learnable = [_learnable(each, multi_label=y.ndim == 2) for each in known]
        jobs = [
            (number, LogisticProblem(design, problem.setting, label))
            for number, (problem, design) in enumerate(zip(problems, design_of, strict=True))
            for label in learnable[design]
        ]
        drafts = [_Draft(examples.x.shape[1], known[design], multi_label=y.ndim == 2) for design in design_of]
        awaited = Counter(number for number, _ in jobs)
        advance(len(problems) - len(awaited))
        for own in ([job for job in jobs if job[1].label is None], [job for job in jobs if job[1].label is not None]):
            if own:
                targets = y if own[0][1].label is None or y.ndim == 2 else y[:, None] == np.arange(classes)
                fits, device, optima = [fit for _, fit in own], torch.device(self.device), {}
                solving = solve(replace(examples, y=targets), designs, fits, max_iter=self.max_iter, device=device)
                with closing(solving):
                    for place, optimum in solving:
                        optima[place] = optimum
                        awaited[own[place][0]] -= 1
                        if not awaited[own[place][0]]:
                            advance()
                for place, (number, fit) in enumerate(own):
                    drafts[number].take(optima[place], fit.label)
        return [draft.fitted() for draft in drafts]


class OnLayerSum(Probe[float]):
    """A logistic regression on a weighted sum over layers; see the module's docstring."""

    takes_unknown = True
    weighs_layers = True

    def __init__(self, probe: Logistic) -> None:
        self.probe, self.grid = probe, probe.grid

    def fit(self, examples: Examples, problems: Sequence[Problem[float]], score: ScoreFunction) -> list[LayerSumFit]:
        """Fit every problem; those of the same training rows and seed have the same sum and are solved together."""
        self.probe.device = self.device
        alike: dict[tuple[bytes, int], list[int]] = {}
        for number, each in enumerate(problems):
            alike.setdefault((each.train.tobytes(), each.seed), []).append(number)
        fits: dict[int, LayerSumFit] = {}
        sums = self._sums(examples, [problems[members[0]] for members in alike.values()], score)
        for members, own_sum in zip(alike.values(), sums, strict=True):
            rows = problems[members[0]].train
            x, y, groups = own_sum(examples.x, rows), examples.y[rows], examples.groups[rows]
            summed = replace(examples, x=x, y=y, groups=groups, layers=1)
            own = [replace(problems[number], train=np.arange(len(rows)), valid=NO_ROWS) for number in members]
            for number, fit in zip(members, by_label.fit(self.probe, summed, own, score), strict=True):
                fits[number] = LayerSumFit(own_sum, fit)
        return [fits[number] for number in range(len(problems))]

    def _sums(self, examples: Examples, problems: Sequence[Problem[float]], score: ScoreFunction) -> list[LayerSum]:
        """The sum of each problem, its weights learned on the training rows, as long as they ask for."""
        jobs = [Job(replace(each, valid=NO_ROWS), LAYERS_LR, LAYERS_DECAY) for each in problems]
        by_epochs: dict[int, list[int]] = {}
        for number, each in enumerate(problems):
            steps = -(-len(each.train) // LAYERS_BATCH)
            by_epochs.setdefault(max(LAYERS_EPOCHS, -(-LAYERS_STEPS // steps)), []).append(number)
        sums: dict[int, LayerSum] = {}
        with hidden_progress(), progress("weights of layers", total=len(jobs), unit="fit"):
            for epochs, members in by_epochs.items():
                recipe = NetworkRecipe((), epochs, epochs, LAYERS_BATCH, decoupled=True, rounds=False)
                some = [jobs[number] for number in members]
                trained = train(examples, some, score, recipe, torch.device(self.device))
                sums.update(zip(members, (each.layer_sum for each in trained), strict=True))
        return [sums[number] for number in range(len(problems))]


class _Draft:
    """Weights and bias of a fit, part by part."""

    def __init__(self, dim: int, known: Floats, *, multi_label: bool) -> None:
        self.weights, self.bias = np.zeros((dim, len(known)), dtype=np.float32), known.copy()
        self.present, self.multi_label = np.flatnonzero(known == 0), multi_label
        self.optima: list[Optimum] = []

    def take(self, optimum: Optimum, label: int | None) -> None:
        """Put an optimum in its columns."""
        self.optima.append(optimum)
        weights, bias = optimum.weights.T, optimum.intercepts
        if label is None:
            self.weights[:, self.present], self.bias[self.present] = weights[:, self.present], bias[self.present]
        elif self.multi_label:
            self.weights[:, [label]], self.bias[[label]] = weights, bias
        else:  # one logit z of the second class: -z/2 and z/2 have the same softmax
            self.weights[:, self.present] = np.hstack([-weights / 2, weights / 2])
            self.bias[self.present] = np.hstack([-bias / 2, bias / 2])

    def fitted(self) -> LogisticFit:
        """The whole fit."""
        nothing = np.zeros(len(self.weights))
        standardise = self.optima[0].standardise if self.optima else Standardiser(nothing, nothing)
        converged = all(optimum.converged for optimum in self.optima)
        return LogisticFit(standardise, self.weights, self.bias, converged, tuple(self.optima))


def _distinct(trains: Sequence[Rows]) -> tuple[list[Rows], list[int]]:
    """The different sets of training rows, each rising, and the number of each problem's own."""
    numbers: dict[bytes, int] = {}
    distinct: list[Rows] = []
    own = []
    for rows in map(np.sort, trains):
        number = numbers.setdefault(rows.tobytes(), len(distinct))
        if number == len(distinct):
            distinct.append(rows)
        own.append(number)
    return distinct, own


def _known(y: Targets, classes: int) -> Floats:
    """(class,) what is known before any fit: the logits of classes that training targets cannot teach; 0 for others."""
    if y.ndim == 2:
        return np.where(y.all(axis=0), -LOWEST, np.where(y.any(axis=0), np.float32(0), LOWEST)).astype(np.float32)
    return np.where(np.bincount(y, minlength=classes) > 0, np.float32(0), LOWEST).astype(np.float32)


def _learnable(known: Floats, *, multi_label: bool) -> list[int | None]:
    """What training targets ask for: one softmax (None), or one logit for each of these labels or classes."""
    present = list(map(int, np.flatnonzero(known == 0)))
    if multi_label:
        return list(present)
    return [None] if len(present) > 2 else list(present[1:])
