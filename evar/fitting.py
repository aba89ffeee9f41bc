"""The second half of the pipeline: a probe on embeddings, its setting chosen on validation rows, scored on test."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from evar.data.manifest import Manifest
from evar.embeddings.extract import Embeddings
from evar.errors import few
from evar.probes import selection, sweep
from evar.probes.contract import Chosen, Probe
from evar.probes.predictions import Predictions, predict
from evar.progress import Progress
from evar.scoring import intervals, metrics
from evar.scoring.intervals import Score

CHOSEN = "chosen"  # the output of a row whose layer was chosen on validation rows


@dataclass(frozen=True)
class Fit:
    """One probe on one output of the embeddings; `outputs`: round -> output, where it was chosen for each round."""

    probe: Probe
    output: str
    chosen: list[Chosen]
    predictions: Predictions
    score: Score
    seconds: float
    outputs: Mapping[str, str] = field(default_factory=dict)


def fit_outputs(
    clips: Manifest,
    embeddings: Embeddings,
    outputs: Sequence[str],
    probe: Probe,
    seed: int,
    progress: Progress,
    note: Callable[[str], None],
) -> Iterator[Fit]:
    """One fit an output; of several also the one whose output was chosen, round by round, on validation rows."""
    several = len(outputs) > 1
    fits = {}
    for output in outputs:
        fits[output] = fit_probe(clips, embeddings, output, probe, seed, progress, note, judge=several)
        yield fits[output]
    if several:
        yield choose_output(clips, list(fits.values()), seed)


def choose_output(clips: Manifest, fits: Sequence[Fit], seed: int) -> Fit:
    """The fit of each round's best output by validation score, as one."""
    begin = time.perf_counter()
    by_output = {fit.output: fit for fit in fits}
    best = sweep.best_outputs({fit.output: fit.chosen for fit in fits})
    chosen = [by_output[output].chosen[number] for number, output in enumerate(best)]
    outputs = {each.name: output for each, output in zip(clips.rounds(), best, strict=True)}
    predictions = sweep.assemble({fit.output: fit.predictions for fit in fits}, outputs)
    score = intervals.score_predictions(predictions, clips.task.metric, seed)
    seconds = time.perf_counter() - begin + sum(fit.seconds for fit in fits)
    return Fit(fits[0].probe, CHOSEN, chosen, predictions, score, seconds, outputs)


def fit_probe(
    clips: Manifest,
    embeddings: Embeddings,
    output: str,
    probe: Probe,
    seed: int,
    progress: Progress,
    note: Callable[[str], None],
    *,
    judge: bool = False,
) -> Fit:
    """Choose the probe's setting on validation rows, fit it for every round, read the test rows, score them."""
    begin = time.perf_counter()
    x, y, groups, rounds = embeddings.outputs[output], clips.targets, clips.groups, clips.rounds()
    metric = metrics.metric(clips.task.metric)
    total = selection.count(probe, rounds, judge=judge)
    with progress(f"probe {probe.name}", total=total, unit="fit") as advance:
        chosen = selection.run(probe, x, y, groups, rounds, len(clips.classes), metric, seed, advance, judge=judge)
    predictions = predict(x, y, groups, rounds, chosen)
    score = intervals.score_predictions(predictions, clips.task.metric, seed)
    for each, outcome in zip(rounds, chosen, strict=True):
        if outcome.unseen:
            names = few(clips.classes[number] for number in outcome.unseen)
            note(f"{clips.task.name}: no training clips (round {each.name}) of {len(outcome.unseen)} classes: {names}")
    return Fit(probe, output, chosen, predictions, score, time.perf_counter() - begin)
