"""The making of a leaderboard row: a fit's score with everything that is needed to judge and to repeat it."""

import torch

from evar.base import machine, provenance
from evar.config import Config
from evar.embeddings.device import describe, peak_memory_bytes
from evar.embeddings.extract import Embeddings
from evar.encoders.contract import Encoder
from evar.fitting import CHOSEN, ProbeFit
from evar.preparation import Prepared
from evar.result import Result
from evar.scoring import summary

PROTOCOL_VERSION = 3  # grows when the same run would mean another thing: splits, cropping, selection, metrics


def make_result(
    prepared: Prepared,
    encoder: Encoder,
    embeddings: Embeddings,
    fit: ProbeFit,
    config: Config,
    device: torch.device,
    leaks: dict[str, int | None],
) -> Result:
    """The leaderboard row, with its whole provenance."""
    task, identity, score, shots = prepared.manifest.task, encoder.identity, fit.score, fit.shots
    versions, (commit, dirty) = provenance.versions(), provenance.commit()
    rounds = prepared.clips.rounds()
    empty_folds = [fold for fold in task.folds or [] if fold not in score.parts]
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
        setting={name: chosen.setting for name, chosen in fit.chosen.items()},
        at_edge=any(chosen.at_edge for chosen in fit.chosen.values()),
        converged=all(fitted.converged for chosen in fit.chosen.values() for fitted in chosen.fits),
        coverage=prepared.coverage,
        leaks=leaks,
        limit=config.limit,
        chosen_output=dict(fit.outputs),
        sweep=in_sweep,
        step=None,
        shots=shots.number if shots else None,
        draws=len(shots.scores) if shots else None,
        draw_scores=list(shots.scores) if shots else [],
        short_classes=shots.short if shots else 0,
        ranked=config.limit is None
        and prepared.coverage >= task.min_coverage
        and not (in_sweep or shots or empty_folds)
        and score.groups > 1,
        random_weights=identity.random,
        empty_folds=empty_folds,
        protocol=task.protocol,
        protocol_version=PROTOCOL_VERSION,
        task_digest=task.digest,
        encoder_options=dict(identity.options),
        probe_options=dict(fit.probe.options),
        precision=embeddings.precision,
        device=describe(device),
        batch_size=embeddings.batch_size,
        prepare_seconds=prepared.seconds,
        prepare_clips_per_second=prepared.decoded / prepared.seconds if prepared.decoded else None,
        embed_seconds=embeddings.seconds,
        embed_clips_per_second=embeddings.clips_per_second,
        embed_cached=embeddings.cached,
        probe_seconds=fit.seconds,
        probe_clips_per_second=len(prepared.store.usable) / fit.seconds,
        peak_memory_bytes=machine.peak_memory_bytes(),
        peak_device_memory_bytes=peak_memory_bytes(device),
        weights_digest=identity.digest,
        store_digest=prepared.store.digest,
        table_digest=prepared.clips.digest,
        embeddings_key=embeddings.key,
        seed=config.seed,
        evar=versions["evar"],
        torch=versions["torch"],
        scikit_learn=versions["scikit-learn"],
        nnaudio=versions["nnAudio"],
        commit=commit,
        dirty=dirty,
    )
