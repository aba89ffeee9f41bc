"""The second half of the pipeline: a probe on embeddings, its setting chosen on validation rows, scored on test."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

import numpy as np

from evar.base.errors import counted, few
from evar.base.progress import progress
from evar.data.manifest import Manifest
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


def fit_outputs(
    clips: Manifest,
    embeddings: Embeddings,
    outputs: Sequence[str],
    probe: Probe,
    seed: int,
) -> Iterator[ProbeFit]:
    """One fit an output; of several also the one whose output was chosen, round by round, on validation rows."""
    several = len(outputs) > 1
    fits = {}
    for output in outputs:
        fits[output] = fit_probe(clips, embeddings, output, probe, seed, judge=several)
        yield fits[output]
    if several:
        yield choose_output(clips, list(fits.values()), seed)


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


def fit_probe(
    clips: Manifest,
    embeddings: Embeddings,
    output: str,
    probe: Probe,
    seed: int,
    *,
    judge: bool = False,
) -> ProbeFit:
    """Choose the probe's setting on validation rows, fit it for every round, read the test rows, score them."""
    begin = time.perf_counter()
    examples, rounds = _examples(clips, embeddings, output), clips.rounds()
    metric = metrics.metric(clips.task.metric)
    total = selection.count(probe, rounds, judge=judge)
    with progress(f"probe {probe.name}", total=total, unit="fit"):
        chosen = selection.run(probe, examples, rounds, metric, seed, judge=judge)
    predictions = replace(predict(examples, rounds, chosen), pitches=clips.pitches)
    score = intervals.score_predictions(predictions, clips.task.metric, seed)
    by_round = {each.name: outcome for each, outcome in zip(rounds, chosen, strict=True)}
    seconds = time.perf_counter() - begin
    weights = _layer_weights(embeddings, by_round)
    return ProbeFit(probe, output, by_round, predictions, score, seconds, layer_weights=weights)


def fit_shots(
    clips: Manifest,
    embeddings: Embeddings,
    output: str,
    probe: Probe,
    shots: int,
    draws: int,
    seed: int,
) -> ProbeFit:
    """Fit the probe on `shots` training clips a class, drawn `draws` times; draws are averaged as seeds are."""
    begin = time.perf_counter()
    examples, rounds = _examples(clips, embeddings, output), clips.rounds()
    drawn = [each for number in range(draws) for each in few_shots.draw(examples, rounds, shots, number, seed)]
    score = metrics.metric(clips.task.metric)
    with progress(f"probe {probe.name}, {shots} shots", total=selection.count(probe, drawn), unit="fit"):
        chosen = selection.run(probe, examples, drawn, score, seed)
    by_draw = [chosen[start : start + len(rounds)] for start in range(0, len(chosen), len(rounds))]
    each_draw = [predict(examples, rounds, finals) for finals in by_draw]
    predictions = replace(together(each_draw), pitches=clips.pitches)
    scored = intervals.score_predictions(predictions, clips.task.metric, seed)
    table = np.reshape(scored.seeds, (draws, probe.seeds))
    if short := few_shots.short_classes(examples, rounds, shots):
        names = few(clips.classes[number] for number in short)
        what = f"{counted(len(short), 'class', 'classes')} with fewer than {shots} training clips"
        log.warning(f"{clips.task.name}: {what}: {names}")
    by_round = {each.name: outcome for each, outcome in zip(drawn, chosen, strict=True)}
    return ProbeFit(
        probe,
        output,
        by_round,
        predictions,
        replace(scored, seeds=tuple(table.mean(axis=0).tolist())),
        time.perf_counter() - begin,
        shots=Shots(shots, tuple(table.mean(axis=1).tolist()), len(short)),
        layer_weights=_layer_weights(embeddings, by_round),
    )


def _examples(clips: Manifest, embeddings: Embeddings, output: str) -> Examples:
    """What the probe sees: one output, or, for WEIGHTED, all of them side by side."""
    if output != WEIGHTED:
        return Examples(embeddings.outputs[output], clips.targets, clips.groups, len(clips.classes))
    stack = cast(Floats, LayerStack(list(embeddings.outputs.values())))
    return Examples(stack, clips.targets, clips.groups, len(clips.classes), len(embeddings.outputs))


def _layer_weights(embeddings: Embeddings, chosen: Mapping[str, Chosen]) -> dict[str, dict[str, float]]:
    """See `ProbeFit`."""
    found = {}
    for name, outcome in chosen.items():
        weights = [fit.layer_sum.weights for fit in outcome.fits if isinstance(fit, LayerSumFit)]
        if weights:
            found[name] = dict(zip(embeddings.outputs, np.mean(weights, axis=0).tolist(), strict=True))
    return found
