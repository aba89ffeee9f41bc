"""The pipeline, from audio to leaderboard rows: Task x Encoder x Probes -> Results.

Every clip is decoded once (the store), embedded once (the cache), and read by every probe. Labels join after the
embeddings; test rows are read once, by the probes' final fits.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from evar import machine, provenance
from evar.data.audio import MISSING
from evar.data.check import problem
from evar.data.manifest import Manifest, read_manifest
from evar.data.store import Store, prepare, short_clips
from evar.data.task import Task
from evar.embeddings.batches import make_plan
from evar.embeddings.device import describe, peak_memory_bytes
from evar.embeddings.extract import Embeddings, Runtime, embed
from evar.encoders.contract import Encoder
from evar.errors import DataError, few
from evar.leaderboard.table import Result
from evar.probes import selection, sweep
from evar.probes.contract import Chosen, Probe
from evar.probes.predictions import Predictions, predict
from evar.progress import Advance, Progress
from evar.scoring import intervals, metrics, summary
from evar.scoring.intervals import Score

CHOSEN = "chosen"  # the output of a row whose layer was chosen on validation rows
PROTOCOL_VERSION = 1  # grows when the same run would mean another thing: splits, cropping, selection, metrics


@dataclass(frozen=True)
class Settings:
    """How to run, and where things lie.

    limit: clips a part for a smoke run, None for all; min_coverage: None for the task's own.
    """

    data: Path
    cache: Path
    runtime: Runtime
    workers: int
    seed: int
    limit: int | None = None
    min_coverage: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """A leaderboard row, and what it was computed from. curves: round -> setting -> mean validation score."""

    result: Result
    score: Score
    predictions: Predictions
    clips: list[str]
    classes: tuple[str, ...]
    curves: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Prepared:
    """A task's clips that can be scored, decoded: `decoded` of them just now, which took `seconds`."""

    manifest: Manifest
    store: Store
    coverage: float
    decoded: int
    seconds: float

    @cached_property
    def clips(self) -> Manifest:
        """The manifest of the usable clips alone, in the store's order."""
        return self.manifest.keep(self.store.usable)


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
        on_wait=lambda: note(f"{task.name}: another process is embedding these clips; waiting for it"),
    )
    for probe in probes:
        probe.device = settings.runtime.device
        for fit in fit_outputs(clips, embeddings, encoder.outputs, probe, settings.seed, progress, note):
            result = make_result(prepared, encoder, embeddings, fit, settings)
            curves = {each.name: chosen.curve for each, chosen in zip(clips.rounds(), fit.chosen, strict=True)}
            names = clips.table["path"].tolist()
            yield Evaluation(result, fit.score, fit.predictions, names, clips.classes, curves)


def prepare_task(
    task: Task, rate: int, settings: Settings, *, progress: Progress, note: Callable[[str], None]
) -> Prepared:
    """Read the task's table and decode its clips at `rate` Hz, or find them decoded."""
    begin = time.perf_counter()
    manifest = read_manifest(task, settings.data)
    for remark in (*manifest.remarks, *manifest.leaks):
        note(f"{task.name}: {remark}")
    if settings.limit is not None:
        manifest = manifest.limit(settings.limit)
    manifest.rounds()  # a split without clips is told before hours of decoding
    decoded = 0

    @contextlib.contextmanager
    def counted(stage: str, *, total: int, unit: str, initial: int = 0) -> Iterator[Advance]:
        nonlocal decoded
        decoded = total - initial
        with progress(stage, total=total, unit=unit, initial=initial) as advance:
            yield advance

    store = prepare(
        manifest.root,
        manifest.clips["path"].tolist(),
        rate,
        settings.cache,
        workers=settings.workers,
        progress=counted,
        on_wait=lambda what: note(f"{task.name}: {what}"),
    )
    if len(broken := store.quarantined[store.quarantined["reason"] != MISSING]):
        reasons = [f"{path} ({reason})" for path, reason in zip(broken["path"], broken["reason"], strict=True)]
        note(f"{task.name}: {len(broken):,} files are quarantined: {few(reasons)}")
    if len(short := short_clips(store.index, manifest.clips["seconds"])):
        note(f"{task.name}: {len(short):,} files are over 0.5 s shorter than the table says: {few(short['path'])}")
    there = len(store.usable)
    return Prepared(manifest, store, there / manifest.expected, min(decoded, there), time.perf_counter() - begin)


def require_coverage(prepared: Prepared, settings: Settings) -> None:
    """Raise DataError where too little of the task is there to score it, with what is lost and what to do about it."""
    task, root = prepared.manifest.task, prepared.manifest.root
    wanted = task.min_coverage if settings.min_coverage is None else settings.min_coverage
    if why := problem(prepared.manifest, prepared.store, wanted):
        lost = prepared.store.quarantined
        names = [f"{path} ({reason})" for path, reason in zip(lost["path"], lost["reason"], strict=True)]
        raise DataError(f"task {task.name}: {why}{f'; lost below {root}: {few(names)}' if names else ''}")


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


def make_result(prepared: Prepared, encoder: Encoder, embeddings: Embeddings, fit: Fit, settings: Settings) -> Result:
    """The leaderboard row, with its whole provenance."""
    task, identity, score = prepared.manifest.task, encoder.identity, fit.score
    versions, (commit, dirty) = provenance.versions(), provenance.commit()
    rounds = prepared.clips.rounds()
    in_sweep = len(encoder.outputs) > 1 and fit.output != CHOSEN
    return Result(
        run=provenance.new_run_id(),
        time=provenance.now(),
        task=task.name,
        encoder=identity.name,
        weights=identity.weights,
        output=fit.output,
        probe=fit.probe.name,
        metric=task.metric,
        score=score.value,
        low=score.low,
        high=score.high,
        n=score.n,
        groups=score.groups,
        few_groups=score.few_groups,
        classes_left_out=score.left_out,
        parts={each.name: score.parts[each.name] for each in rounds},
        seeds=list(score.seeds),
        metrics=summary.other_metrics(fit.predictions, task.metric),
        setting={each.name: chosen.setting for each, chosen in zip(rounds, fit.chosen, strict=True)},
        at_edge=any(chosen.at_edge for chosen in fit.chosen),
        converged=all(fitted.converged for chosen in fit.chosen for fitted in chosen.fits),
        coverage=prepared.coverage,
        limit=settings.limit,
        chosen_output=dict(fit.outputs),
        sweep=in_sweep,
        ranked=settings.limit is None and prepared.coverage >= task.min_coverage and not in_sweep,
        random_weights=identity.random,
        protocol=task.protocol,
        protocol_version=PROTOCOL_VERSION,
        task_digest=task.digest,
        encoder_options=dict(identity.options),
        probe_options=dict(fit.probe.options),
        precision=embeddings.precision,
        device=describe(settings.runtime.device),
        batch_size=embeddings.batch_size,
        prepare_seconds=prepared.seconds,
        prepare_clips_per_second=prepared.decoded / prepared.seconds if prepared.decoded else None,
        embed_seconds=embeddings.seconds,
        embed_clips_per_second=embeddings.clips_per_second,
        embed_cached=embeddings.cached,
        probe_seconds=fit.seconds,
        probe_clips_per_second=len(prepared.store.usable) / fit.seconds,
        peak_memory_bytes=machine.peak_memory_bytes(),
        peak_device_memory_bytes=peak_memory_bytes(settings.runtime.device),
        weights_digest=identity.digest,
        store_digest=prepared.store.digest,
        table_digest=prepared.clips.digest,
        embeddings_key=embeddings.key,
        seed=settings.seed,
        evar=versions["evar"],
        torch=versions["torch"],
        scikit_learn=versions["scikit-learn"],
        nnaudio=versions["nnAudio"],
        commit=commit,
        dirty=dirty,
    )
