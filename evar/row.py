"""The making of a run's result, part by part: each from the stage that knows it."""

from evar.base import machine, plugins, provenance
from evar.config import Config
from evar.data.task import Task, official_digest
from evar.embeddings.device import peak_memory_bytes
from evar.embeddings.extract import Embeddings
from evar.encoders.contract import Encoder
from evar.fitting import CHOSEN, WEIGHTED, Method, ProbeFit
from evar.preparation import Prepared
from evar.result import FINE_TUNING, Cost, DataUsed, Fitting, Provenance, Remarks, Result, Scored, Standing, What
from evar.scoring import summary

PROTOCOL_VERSION = 3  # grows when the same run would mean another thing: splits, cropping, selection, metrics


def make_result(
    prepared: Prepared, encoder: Encoder, embeddings: Embeddings, fit: ProbeFit, config: Config, *, unstable: str = ""
) -> Result:
    """The run's result, with its whole provenance. unstable: why the encoder's embeddings are not to be trusted."""
    return Result.of(
        _what(prepared, encoder, fit),
        _scored(prepared, fit),
        _fitting(fit),
        _data(prepared, fit, config),
        _standing(prepared, encoder, fit, config, unstable),
        _cost(prepared, embeddings, fit),
        _provenance(prepared, encoder, embeddings, fit, config),
        Remarks(),
    )


def _what(prepared: Prepared, encoder: Encoder, fit: ProbeFit) -> What:
    return What(
        run=provenance.new_run_id(),
        time=provenance.now(),
        task=prepared.manifest.task.name,
        encoder=encoder.identity.name,
        weights=encoder.identity.weights,
        output=fit.output,
        probe=fit.probe.name,
    )


def _scored(prepared: Prepared, fit: ProbeFit) -> Scored:
    metric, score = prepared.manifest.task.metric, fit.score
    return Scored(
        metric=metric,
        score=score.value,
        low=score.low,
        high=score.high,
        n=score.n,
        groups=score.groups,
        few_groups=score.few_groups,
        classes_left_out=score.left_out,
        parts={each.name: score.parts[each.name] for each in prepared.clips.rounds()},
        seeds=list(score.seeds),
        draw_scores=list(fit.shots.scores) if fit.shots else [],
        metrics=summary.other_metrics(fit.predictions, metric),
    )


def _fitting(fit: ProbeFit) -> Fitting:
    return Fitting(
        setting={name: chosen.setting for name, chosen in fit.chosen.items()},
        at_edge=any(chosen.at_edge for chosen in fit.chosen.values()),
        converged=all(fitted.converged for chosen in fit.chosen.values() for fitted in chosen.fits),
        chosen_output=dict(fit.outputs),
        layer_weights={name: dict(weights) for name, weights in fit.layer_weights.items()},
    )


def _data(prepared: Prepared, fit: ProbeFit, config: Config) -> DataUsed:
    shots = fit.shots
    return DataUsed(
        coverage=prepared.coverage,
        leaks=prepared.leaks,
        limit=config.limit,
        shots=shots.number if shots else None,
        draws=len(shots.scores) if shots else None,
        short_classes=shots.short if shots else 0,
        store_digest=prepared.store.digest,
        table_digest=prepared.clips.digest,
        modality=prepared.clips.task.modality,
    )


def _standing(prepared: Prepared, encoder: Encoder, fit: ProbeFit, config: Config, unstable: str) -> Standing:
    task = prepared.manifest.task
    empty_folds = [fold for fold in task.folds or [] if fold not in fit.score.parts]
    whole = config.limit is None and fit.shots is None and not empty_folds and prepared.coverage >= task.min_coverage
    official = official_digest(task.name) in (None, task.digest)
    one_of_several = len(encoder.outputs) > 1 and fit.output not in (CHOSEN, WEIGHTED)
    in_sweep = one_of_several and fit.probe.name != FINE_TUNING  # whose output is a setting, known before
    return Standing(
        ranked=whole and official and not in_sweep and not unstable and fit.score.groups > 1,
        sweep=in_sweep,
        step=None,
        random_weights=encoder.identity.random,
        empty_folds=empty_folds,
        unstable=unstable,
        protocol=task.protocol,
        protocol_version=PROTOCOL_VERSION,
        task_digest=task.digest,
    )


def _cost(prepared: Prepared, embeddings: Embeddings, fit: ProbeFit) -> Cost:
    return Cost(
        precision=embeddings.precision,
        device=embeddings.device_name,
        batch_size=embeddings.batch_size,
        prepare_seconds=prepared.seconds,
        prepare_clips_per_second=prepared.decoded / prepared.seconds if prepared.decoded else None,
        embed_seconds=embeddings.seconds,
        embed_clips_per_second=embeddings.clips_per_second,
        embed_cached=embeddings.cached,
        probe_seconds=fit.seconds,
        probe_clips_per_second=len(prepared.store.usable) / fit.seconds,
        peak_memory_bytes=machine.peak_memory_bytes(),
        peak_device_memory_bytes=peak_memory_bytes(embeddings.device),
    )


def packages_of(encoder: Encoder, probe: Method, task: Task) -> list[str]:
    """Other packages whose plug-ins a run uses, see `Provenance`."""
    return sorted({encoder.identity.package, probe.package, plugins.source_of("reader", task.reader)} - {""})


def _provenance(
    prepared: Prepared, encoder: Encoder, embeddings: Embeddings, fit: ProbeFit, config: Config
) -> Provenance:
    versions, (commit, dirty) = provenance.versions(), provenance.commit()
    return Provenance(
        encoder_options=dict(encoder.identity.options),
        probe_options=dict(fit.probe.options),
        weights_digest=encoder.identity.digest,
        embeddings_key=embeddings.key,
        dataset_revision=prepared.manifest.task.revision,
        seed=config.seed,
        evar=versions["evar"],
        torch=versions["torch"],
        scikit_learn=versions["scikit-learn"],
        nnaudio=versions["nnAudio"],
        commit=commit,
        dirty=dirty,
        plugins=packages_of(encoder, fit.probe, prepared.manifest.task),
    )
