"""The second half of the pipeline: a probe on embeddings, its setting chosen on validation rows, scored on test."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

import numpy as np

from evar.base.errors import counted, few
from evar.base.progress import progress
from evar.data.manifest import Manifest, Round
from evar.embeddings.extract import Embeddings
from evar.probes import selection
from evar.probes import shots as few_shots
from evar.probes.contract import Chosen, Examples, Floats, Probe
from evar.probes.layer_sum import LayerStack, LayerSumFit
from evar.probes.predictions import Predictions, predict, together
from evar.scoring import intervals, metrics
from evar.scoring.intervals import Score

log = logging.getLogger(__name__)

CHOSEN = "chosen"  # the output of a row whose layer was chosen on validation rows
WEIGHTED = "weighted"  # the output of a row whose probe learned a weighted sum over layers


@dataclass(frozen=True)
class Shots:
    """`number` training clips a class. scores: one a draw, the mean over seeds; short: classes with fewer clips."""

    number: int
    scores: tuple[float, ...]
    short: int


class Method(Protocol):
    """What a row names as its probe, with its options; package: which other package's it is, or ""."""

    @property
    def name(self) -> str: ...
    @property
    def options(self) -> dict[str, Any]: ...
    @property
    def package(self) -> str: ...


@dataclass(frozen=True)
class ProbeFit:
    """One probe on one output of the embeddings.

    chosen:   round -> its final fits; for few shots a round is one draw of a round of the task
    outputs:  round -> output, where it was chosen for each round
    layer_weights: round -> output -> its weight in the sum, the mean over the final fits, where weights were learned
    shots:    where it was fitted on few shots
    """

    probe: Method
    output: str
    chosen: Mapping[str, Chosen]
    predictions: Predictions
    score: Score
    seconds: float
    outputs: Mapping[str, str] = field(default_factory=dict)
    shots: Shots | None = None
    layer_weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Fitter:
    """A probe, to be fitted on what an encoder makes of a task's clips. seed: the first of its seeds, and of draws."""

    clips: Manifest
    embeddings: Embeddings
    probe: Probe
    seed: int

    def each_output(self, outputs: Sequence[str]) -> Iterator[ProbeFit]:
        """One fit an output; of several also the one whose output was chosen, round by round, on validation rows."""
        fits = []
        for output in outputs:
            fits.append(self.fit(output, judge=len(outputs) > 1))
            yield fits[-1]
        if len(fits) > 1:
            yield choose_output(self.clips, fits, self.seed)

    def fit(self, output: str, *, shots: int | None = None, draws: int = 1, judge: bool = False) -> ProbeFit:
        """Choose the probe's setting on validation rows, fit it for every round, read the test rows, score them.

        shots:  training clips a class, drawn `draws` times, where not all are taken; draws are averaged as seeds are
        judge:  see `selection.run`
        """
        begin = time.perf_counter()
        clips, probe, metric, seed = self.clips, self.probe, self.clips.task.metric, self.seed
        examples, rounds = self._examples(output), clips.rounds()
        fitted: Sequence[Round] = rounds
        if shots is not None:
            fitted = [each for draw in range(draws) for each in few_shots.draw(examples, rounds, shots, draw, seed)]
        stage = f"probe {probe.name}" + (f", {shots} shots" if shots is not None else "")
        with progress(stage, total=selection.count(probe, fitted, judge=judge), unit="fit"):
            chosen = selection.run(probe, examples, fitted, metrics.metric(metric), seed, judge=judge)
        by_draw = [chosen[start : start + len(rounds)] for start in range(0, len(chosen), len(rounds))]
        predictions = together([predict(examples, rounds, finals) for finals in by_draw])
        predictions = replace(predictions, pitches=clips.pitches)
        score = intervals.score_predictions(predictions, metric, seed)
        few_of = None
        if shots is not None:
            table = np.reshape(score.seeds, (draws, probe.seeds))
            score = replace(score, seeds=tuple(table.mean(axis=0).tolist()))
            few_of = Shots(shots, tuple(table.mean(axis=1).tolist()), self._short(examples, rounds, shots))
        by_round = {each.name: outcome for each, outcome in zip(fitted, chosen, strict=True)}
        seconds, weights = time.perf_counter() - begin, self._layer_weights(by_round)
        return ProbeFit(probe, output, by_round, predictions, score, seconds, shots=few_of, layer_weights=weights)

    def _short(self, examples: Examples, rounds: Sequence[Round], shots: int) -> int:
        """How many classes have fewer training clips than `shots`, which is noted."""
        if short := few_shots.short_classes(examples, rounds, shots):
            names = few(self.clips.classes[number] for number in short)
            what = f"{counted(len(short), 'class', 'classes')} with fewer than {shots} training clips"
            log.warning(f"{self.clips.task.name}: {what}: {names}")
        return len(short)

    def _examples(self, output: str) -> Examples:
        """What the probe sees: one output, or, for WEIGHTED, all of them side by side."""
        clips, outputs = self.clips, self.embeddings.outputs
        if output != WEIGHTED:
            return Examples(outputs[output], clips.targets, clips.groups, len(clips.classes))
        stack = cast(Floats, LayerStack(list(outputs.values())))
        return Examples(stack, clips.targets, clips.groups, len(clips.classes), len(outputs))

    def _layer_weights(self, chosen: Mapping[str, Chosen]) -> dict[str, dict[str, float]]:
        """See `ProbeFit`."""
        found = {}
        for name, outcome in chosen.items():
            weights = [fit.layer_sum.weights for fit in outcome.fits if isinstance(fit, LayerSumFit)]
            if weights:
                found[name] = dict(zip(self.embeddings.outputs, np.mean(weights, axis=0).tolist(), strict=True))
        return found


def choose_output(clips: Manifest, fits: Sequence[ProbeFit], seed: int) -> ProbeFit:
    """The fit of each round's best output by validation score, as one."""
    begin = time.perf_counter()
    by_output = {fit.output: fit for fit in fits}
    outputs = {each.name: best_output(fits, each.name) for each in clips.rounds()}
    chosen = {name: by_output[output].chosen[name] for name, output in outputs.items()}
    predictions = assemble({fit.output: fit.predictions for fit in fits}, outputs)
    score = intervals.score_predictions(predictions, clips.task.metric, seed)
    seconds = time.perf_counter() - begin + sum(fit.seconds for fit in fits)
    return ProbeFit(fits[0].probe, CHOSEN, chosen, predictions, score, seconds, outputs)


def best_output(fits: Sequence[ProbeFit], name: str) -> str:
    """The output whose chosen setting has the best mean validation score in a round, the first of equals."""
    scores = {fit.output: valid for fit in fits if (valid := fit.chosen[name].valid) is not None}
    if len(scores) < len(fits):
        raise ValueError("an output can be chosen only where its validation score was asked for (`judge`)")
    return max(scores, key=scores.__getitem__)


def assemble(by_output: Mapping[str, Predictions], outputs: Mapping[str, str]) -> Predictions:
    """Each round's predictions by the output chosen for it.

    by_output: output -> predictions of the same rows; outputs: round -> output
    """
    first = next(iter(by_output.values()))
    logits = first.logits.copy()
    for name, output in outputs.items():
        clips = np.flatnonzero(first.folds == name)
        logits[:, clips] = by_output[output].logits[:, clips]
    return replace(first, logits=logits)
