"""Runs a probe over a task's rounds: settings chosen on validation rows, then the final fits.

Of the settings in the probe's grid the one with the best mean validation score wins, the first of equals. The mean
goes over seeds and held-out folds. How validation rows are found stands in `holdout.py`; where there are none (few
shots) the grid's middle setting is taken. Test rows are not read here;
`predictions.predict` reads them, once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evar.base.errors import DataError
from evar.base.threads import pieces
from evar.data.manifest import Round
from evar.probes import by_label, holdout
from evar.probes.contract import (
    NO_ROWS,
    Chosen,
    Examples,
    Fitted,
    Floats,
    Probe,
    Problem,
    ScoreFunction,
    Setting,
    union,
)
from evar.probes.holdout import Trial
from evar.probes.predictions import logits

BLOCK_ROWS = 4096
TIE_DIGITS = 12  # means that agree so far are equal: the order of a sum may change what comes after
Curve = dict[Setting, float]
"""Mean validation score of each setting."""


def count(probe: Probe, rounds: Sequence[Round], *, judge: bool = False) -> int:
    """How many fits `run` will make: the total of its progress."""
    return sum(_count(probe, [rounds[i] for i in members], judge) for members in holdout.by_scheme(rounds))


def _count(probe: Probe, rounds: Sequence[Round], judge: bool) -> int:
    settings, number = len(probe.grid), len(rounds)
    scheme = holdout.scheme(probe, rounds)
    if scheme in holdout.WITHOUT_REFIT:
        return number * settings * probe.seeds
    trials = {"folds": number * (number - 1) // 2, "parts": holdout.parts(rounds), "none": 0}.get(scheme, number)
    return ((trials * settings if settings > 1 or judge else 0) + number) * probe.seeds


def run(
    probe: Probe, examples: Examples, rounds: Sequence[Round], score: ScoreFunction, seed: int, *, judge: bool = False
) -> list[Chosen]:
    """Fit a probe for every round; the open bar advances by `count(probe, rounds, judge=judge)`.

    seed:   the first of the probe's seeds; each next one is higher by 1
    judge:  whether a validation score is wanted also where there is but one setting

    Raises DataError where embeddings are not finite, or where there are too few clips or groups to choose with.
    """
    _check(examples.x, rounds)
    seeds = range(seed, seed + probe.seeds)
    chosen: dict[int, Chosen] = {}
    for members in holdout.by_scheme(rounds):
        some = [rounds[i] for i in members]
        choices = _Run(probe, examples, some, score, seeds, judge).chosen()
        chosen.update(zip(members, choices, strict=True))
    return [chosen[i] for i in range(len(rounds))]


@dataclass(frozen=True)
class _Run:
    probe: Probe
    examples: Examples
    rounds: Sequence[Round]
    score: ScoreFunction
    seeds: range
    judge: bool

    def chosen(self) -> list[Chosen]:
        """One choice a round."""
        grid = self.probe.grid
        refit = self._scheme not in holdout.WITHOUT_REFIT
        if refit and not self._judges:
            return self._refit([{grid[(len(grid) - 1) // 2]: 0.0} for _ in self.rounds])
        trials = holdout.trials(self.probe, self.examples, self.rounds, self.seeds)
        tried = self._fit([Problem(t.train, t.stop_on, setting, t.seed) for setting in grid for t in trials])
        fits = {setting: tried[k * len(trials) : (k + 1) * len(trials)] for k, setting in enumerate(grid)}
        curves = self._curves(fits, trials)
        if refit:
            return self._refit(curves)
        finals = [
            [fit for fit, trial in zip(fits[best(curve)], trials, strict=True) if trial.judged[0][0] == number]
            for number, curve in enumerate(curves)
        ]
        return self._choices(finals, curves)

    @property
    def _scheme(self) -> str:
        return holdout.scheme(self.probe, self.rounds)

    @property
    def _judges(self) -> bool:
        """Whether there are validation scores: to choose a setting, or for the caller."""
        return self._scheme != "none" and (len(self.probe.grid) > 1 or self.judge)

    def _fit(self, problems: Sequence[Problem]) -> Sequence[Fitted]:
        return by_label.fit(self.probe, self.examples, problems, self.score)

    def _refit(self, curves: Sequence[Curve]) -> list[Chosen]:
        """Fit each round's winner again on all of its training rows."""
        problems = [
            Problem(each.train, NO_ROWS, best(curve), seed)
            for each, curve in zip(self.rounds, curves, strict=True)
            for seed in self.seeds
        ]
        fits, seeds = self._fit(problems), len(self.seeds)
        return self._choices([fits[i : i + seeds] for i in range(0, len(fits), seeds)], curves)

    def _curves(self, fits: dict[Setting, Sequence[Fitted]], trials: Sequence[Trial]) -> list[Curve]:
        """For each round: setting -> mean score over all trials that serve it (0.0 where none is wanted)."""
        if not self._judges:
            return [dict.fromkeys(fits, 0.0) for _ in self.rounds]
        curves: list[Curve] = [{} for _ in self.rounds]
        x, y = self.examples.x, self.examples.y
        for setting, own in fits.items():
            scores: list[list[float]] = [[] for _ in self.rounds]
            for fit, trial in zip(own, trials, strict=True):
                for number, valid in trial.judged:
                    scores[number].append(self.score(logits(fit, x, valid), y[valid]))
            for number, each in enumerate(scores):
                curves[number][setting] = round(float(np.mean(each)), TIE_DIGITS)
        return curves

    def _choices(self, finals: Sequence[Sequence[Fitted]], curves: Sequence[Curve]) -> list[Chosen]:
        choices = []
        for fits, curve in zip(finals, curves, strict=True):
            winner = best(curve)
            several = len(self.probe.grid) > 1 and self._judges
            readable = {name(setting): value for setting, value in curve.items()} if several else {}
            at_edge = several and self.probe.at_edge(winner)
            choices.append(Chosen(fits, winner, at_edge, readable, curve[winner] if self._judges else None))
        return choices


def best(curve: Curve) -> Setting:
    """The setting of the highest score, the first of equals."""
    return max(curve, key=curve.__getitem__)


def name(setting: Setting) -> str:
    """A setting for people: "0.001", "lr=0.001 wd=0.1"."""
    return f"{setting:g}" if isinstance(setting, float) else str(setting)


def _check(x: Floats, rounds: Sequence[Round]) -> None:
    """Raise DataError for a round without training or test rows, or for a used embedding that is not finite."""
    for each in rounds:
        if not len(each.train) or not len(each.test):
            raise DataError(f"round {each.name}: {len(each.train)} training and {len(each.test)} test clips")
    used = union(part for each in rounds for part in (each.train, each.valid, each.test) if part is not None)
    for block in pieces(len(used), BLOCK_ROWS):
        if len(bad := used[block][~np.isfinite(x[used[block]]).all(axis=1)]):
            raise DataError(f"the embedding of row {bad[0]} is not finite: check the encoder's precision and weights")
