"""The pipeline, from audio to leaderboard rows: Task x Encoder x Probes -> Results.

Every clip is decoded once (the store), embedded once (the cache), and read by every probe. Labels join after the
embeddings; test rows are read once, by the probes' final fits.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from evar.data.task import Task
from evar.embeddings.batches import make_plan
from evar.embeddings.extract import embed
from evar.encoders.contract import Encoder
from evar.fitting import fit_outputs
from evar.leaderboard.table import Result
from evar.preparation import Settings, prepare_task, require_coverage
from evar.probes.contract import Probe
from evar.probes.predictions import Predictions
from evar.progress import Progress
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
    *,
    progress: Progress,
    note: Callable[[str], None],
) -> Iterator[Evaluation]:
    """Score a frozen encoder on a task: one evaluation for each output and probe.

    Raises EvarError where the data, the encoder or the cache does not allow it; `note` is told what users should know.
    """
    prepared = prepare_task(task, encoder.sample_rate, settings, progress=progress, note=note)
    require_coverage(prepared, settings)
    clips = prepared.clips
    plan = make_plan(prepared.store, prepared.store.usable, clips.random_crops, task.seconds)
    embeddings = embed(
        encoder,
        plan,
        settings.runtime,
        settings.cache,
        progress=progress,
        note=note,
        on_wait=lambda: note(f"{task.name}: another process is embedding these clips; waiting for it"),
    )
    for probe in probes:
        probe.device = str(settings.runtime.device)
        for fit in fit_outputs(clips, embeddings, encoder.outputs, probe, settings.seed, progress, note):
            result = make_result(prepared, encoder, embeddings, fit, settings)
            curves = {each.name: chosen.curve for each, chosen in zip(clips.rounds(), fit.chosen, strict=True)}
            names = clips.table["path"].tolist()
            yield Evaluation(result, fit.score, fit.predictions, names, clips.classes, curves)
