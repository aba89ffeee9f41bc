"""The pipeline, from audio to leaderboard rows: Task x Encoder x Probes -> Results.

Every clip is decoded once (the store), embedded once (the cache), and read by every probe. Labels join after the
embeddings; test rows are read once, by the probes' final fits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evar.base.errors import UsageError
from evar.data.manifest import Manifest
from evar.data.task import Task
from evar.embeddings.batches import make_plan
from evar.embeddings.extract import Embeddings, embed
from evar.encoders.contract import Encoder
from evar.fitting import Fit, fit_outputs, fit_shots
from evar.preparation import Settings, look_for_leaks, prepare_task, require_coverage
from evar.probes.contract import Probe
from evar.probes.predictions import Predictions
from evar.result import Result
from evar.row import make_result
from evar.scoring.intervals import Score


@dataclass(frozen=True)
class Evaluation:
    """A leaderboard row, and what it was computed from. curves: round -> setting -> mean validation score."""

    result: Result
    score: Score
    predictions: Predictions
    clips: list[str]
    classes: tuple[str, ...]
    curves: dict[str, dict[str, float]]


def evaluate(
    task: Task,
    encoder: Encoder,
    probes: Sequence[Probe],
    settings: Settings,
) -> Iterator[Evaluation]:
    """Score a frozen encoder on a task: one evaluation for each output and probe, and for each number of shots.

    Raises EvarError where the data, the encoder or the cache does not allow it.
    """
    if settings.shots and task.kind == "multi-label":
        raise UsageError(f"task {task.name} is multi-label: --shots draws clips of one class each; leave it out here")
    prepared = prepare_task(task, encoder.sample_rate, settings)
    require_coverage(prepared, settings)
    leaks = look_for_leaks(prepared)
    clips = prepared.clips
    plan = make_plan(prepared.store, prepared.store.usable, clips.random_crops, task.seconds)
    embeddings = embed(encoder, plan, settings.runtime, settings.cache)
    for probe in probes:
        probe.device = str(settings.runtime.device)
        for fit in _fits(clips, embeddings, encoder.outputs, probe, settings):
            result = make_result(prepared, encoder, embeddings, fit, settings, leaks)
            curves = {name: chosen.curve for name, chosen in fit.chosen.items()}
            names = clips.table["path"].tolist()
            yield Evaluation(result, fit.score, fit.predictions, names, clips.classes, curves)


def _fits(
    clips: Manifest,
    embeddings: Embeddings,
    outputs: Sequence[str],
    probe: Probe,
    settings: Settings,
) -> Iterator[Fit]:
    """On all training clips, or on few of them where numbers of shots are given: output by output."""
    if not settings.shots:
        yield from fit_outputs(clips, embeddings, outputs, probe, settings.seed)
        return
    for output in outputs:
        for shots in settings.shots:
            yield fit_shots(clips, embeddings, output, probe, shots, settings.draws, settings.seed)
