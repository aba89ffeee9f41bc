"""The pipeline, from clips to leaderboard rows: Task x Encoder x Probes, Config -> Results.

    evar.evaluate("us8k", "m2d", weights="checkpoint.pth", results="results", limit=100)
    evar.evaluate("gtzan,spcv2", my_module, probe="logistic, mlp")

Every clip is decoded once (the store), embedded once (the cache), and read by every probe. Labels join after the
embeddings; test rows are read once, by the probes' final fits.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evar import encoders
from evar.base.errors import EvarError, UsageError, few
from evar.config import DRAWS, Config, config_of
from evar.data.groups import ALL
from evar.data.manifest import Manifest, require_data
from evar.data.named_tasks import load_tasks
from evar.data.task import Task
from evar.embeddings import inventory
from evar.embeddings.batches import Plan, make_plan
from evar.embeddings.device import Runtime, choose_runtime, probe_device
from evar.embeddings.extract import Embeddings, embed, embeddings_key
from evar.encoders.adapter import in_memory
from evar.encoders.checks import unstable
from evar.encoders.contract import Encoder
from evar.encoders.outside import unreadable
from evar.fitting import CHOSEN, WEIGHTED, Fitter, ProbeFit
from evar.leaderboard import leaderboard_csv
from evar.leaderboard.runs import MOST_LETTERS, Kept, probe_path, read_rows, record_path
from evar.nn import releases
from evar.preparation import Prepared, prepare_task, require_coverage
from evar.probes import open_probes
from evar.probes.contract import Probe
from evar.probes.saved import PackedProbe, pack
from evar.result import Result, probe_call
from evar.row import PROTOCOL_VERSION, make_result, packages_of

log = logging.getLogger(__name__)

RunKey = tuple[str, str, int | None, int | None, tuple[str, ...]]
"""Of one encoder's rows of one task: the probe's call, the output, shots, draws, packages of plug-ins."""


def evaluate(
    task: str | Path | Task,
    encoder: str | nn.Module,
    *,
    probe: str = "logistic",
    weights: str | Path | None = None,
    name: str | None = None,
    results: str | Path | None = None,
    again: bool = False,
    save_probe: bool = False,
    config: Config | None = None,
    **settings: Any,
) -> list[Result]:
    """Score a frozen encoder: one `Result` for each task, probe, output (and number of shots), in this order.

    task:     names of tasks and groups ("core, esc50", "all" that are found), the path of a YAML file, or a `Task`
    encoder:  a call such as "m2d" or "random(seed=3)"; or an `Encoder`, or any module with a `sample_rate` (Hz) whose
              forward takes (clip, sample) float32 in [-1, 1] and gives (clip, dim), or (clip, frame, dim), of which the
              mean over frames is taken. A module is copied and stays as it is: its mode, gradients and device
    probe:    a call, or a comma list of calls
    weights:  a checkpoint file or folder, or a checkpoint's name; of an encoder that is named
    name:     what the rows call a module; its class's name, or what its identity says, where not given
    results:  folder of a leaderboard that the rows are appended to; none is written where not given. What has its row
              there is not scored again, and that row given: same weights, code, probe, settings, clips, kind of device
    again:    whether it is all the same
    save_probe: whether the fitted probe is kept beside each row, for `evar.load_probe`; what has its row but no probe
              is scored again
    config:   the settings; `settings` are settings by name, which go before: `evar.Config` explains each

    `[result.row() for result in results]` makes a table. Embeddings are cached by the network's tensors, its sources,
    and what it does to a test signal; those of a class whose source cannot be read (typed at a prompt) are removed
    again. `evar.show_progress()` shows bars and notes.
    Raises EvarError for anything that the user can fix.
    """
    if isinstance(task, nn.Module):
        raise UsageError("evar.evaluate: a task comes first, then an encoder")
    if isinstance(task, str) and task.partition("(")[0].strip() in encoders.names():
        raise UsageError(f"evar.evaluate: a task comes first, then an encoder; {task!r} is an encoder")
    config = config_of(settings, config)
    tasks = load_tasks(task, config.data)
    for each in tasks:
        require_data(each, config.data)  # now, not after the tasks before it
    evaluator = Evaluator.open(
        encoder, probe, config, results, weights=weights, name=name, again=again, save_probe=save_probe
    )
    scored = of_modality(tasks, evaluator.encoder, task if isinstance(task, str) else "")
    return [evaluation.result for each in scored for evaluation in evaluator.evaluations(each)]


@dataclass(frozen=True)
class Evaluation:
    """A run's result, and what is kept beside it; None where the run was there before, and is not made again."""

    result: Result
    kept: Kept | None

    def save(self, results: Path) -> None:
        """Keep the run in a folder and add its row; what cannot be kept is noted, so that nothing is lost."""
        if self.kept is None:
            return
        try:
            leaderboard_csv.append(results, self.result, self.kept)
        except EvarError:
            if not record_path(results, self.result.run).exists():
                log.error(f"not saved: {json.dumps(asdict(self.result))}")
            raise


class Engine:
    """What does an evaluator's work: this process, on one device; `evar/cluster/` has another, on many machines."""

    at_once = 1
    """How many tasks it is worth scoring at the same time, each in a thread."""

    def of(self, encoder: str, weights: str | None, order: int) -> "Engine":
        """The engine for one encoder, as it is named. order: of several that wait, the lowest goes first."""
        return self

    def close(self) -> None:
        """End what is under way in other threads."""

    def runtime(self, config: Config) -> Runtime:
        """Where and how an encoder runs. Raises UsageError for a device that is not there."""
        return choose_runtime(config.device, config.precision, config.batch_size)

    def prepare(self, task: Task, rate: int, config: Config) -> Prepared:
        """The task's clips, decoded at `rate` Hz."""
        return prepare_task(task, rate, config)

    def unstable(self, encoder: Encoder, samples: int, device: torch.device) -> str:
        """See `evar.encoders.checks.unstable`."""
        return unstable(encoder, samples, device)

    def embed(self, encoder: Encoder, plan: Plan, runtime: Runtime, cache: Path) -> Embeddings:
        """See `evar.embeddings.extract.embed`."""
        return embed(encoder, plan, runtime, cache)

    def fits(
        self, clips: Manifest, embeddings: Embeddings, outputs: Sequence[str], probe: Probe, config: Config
    ) -> Iterable[ProbeFit]:
        """The probe's fits, for one row each."""
        return fits(clips, embeddings, outputs, probe, config)


@dataclass(frozen=True)
class Evaluator:
    """An encoder and probes, opened once for any number of tasks.

    results: where runs are kept, None for nowhere; again: whether what has its row there is scored again; save_probe:
    whether fitted probes are kept there too
    """

    encoder: Encoder
    probes: Sequence[Probe]
    config: Config
    results: Path | None = None
    again: bool = False
    save_probe: bool = False
    engine: Engine = field(default_factory=Engine)

    @cached_property
    def runtime(self) -> Runtime:
        """Where and how the encoder runs."""
        return self.engine.runtime(self.config)

    @cached_property
    def _rows(self) -> list[Result]:
        """The rows that there are, as the sweep begins."""
        if self.results is None or self.again or unreadable(self.encoder):
            return []
        rows = read_rows(self.results)
        if self.save_probe:
            return [row for row in rows if probe_path(record_path(self.results, row.run)).exists()]
        return rows

    @classmethod
    def open(
        cls,
        encoder: str | nn.Module,
        probe: str,
        config: Config,
        results: str | Path | None,
        *,
        weights: str | Path | None = None,
        name: str | None = None,
        again: bool = False,
        save_probe: bool = False,
        engine: Engine | None = None,
    ) -> "Evaluator":
        """See `evaluate`. Everything that can be wrong is found here, before any work; the encoder is opened last."""
        engine = engine or Engine()
        runtime = engine.runtime(config)
        if engine.at_once == 1 and config.device in ("auto", "cuda") and (gpus := torch.cuda.device_count()) > 1:
            log.info(f"1 of {gpus} GPUs is used: `evar sweep --cluster auto` uses all")
        probes = open_probes(probe, probe_device(runtime.device))
        if save_probe:
            _require_savable(probes, results)
        if results is not None:
            leaderboard_csv.require_writable(Path(results))
        opened = open_encoder(encoder, weights, name, config)
        if (letters := len(opened.identity.name)) > MOST_LETTERS:  # else no run of it could be kept
            raise UsageError(f"the encoder's name has {letters:,} letters: give one of at most {MOST_LETTERS:,}")
        for each in probes:
            if each.weighs_layers and len(opened.outputs) < 2:
                raise UsageError(
                    f"probe {each.name}(layers='weighted') sums an encoder's layers, and {opened.identity.name} gives "
                    "one output: ask it for more, as m2d(layers='each') does"
                )
        place = None if results is None else Path(results)
        return cls(opened, probes, config, place, again, save_probe, engine)

    def evaluations(self, task: Task) -> Iterator[Evaluation]:
        """One evaluation for each output and probe, and for each number of shots; kept in `results` as it is made.

        Raises EvarError where the data, the encoder or the cache does not allow it.
        """
        try:
            on_task = self.on(task)
            for probe in self.probes:
                yield from on_task.evaluations(probe)
        finally:
            if hidden := unreadable(self.encoder):
                name = self.encoder.identity.name
                log.warning(f"{name}: the source of {few(hidden)} cannot be read, so its embeddings are not kept")
                _forget(self.config.cache, self.encoder.identity.code)

    def on(self, task: Task) -> "OnTask":
        """The task's clips, decoded, to be scored probe by probe. Raises EvarError where the data does not allow it."""
        if self.config.shots and task.kind == "multi-label":
            raise UsageError(
                f"task {task.name} is multi-label: --shots draws clips of one class each; leave it out here"
            )
        of_modality([task], self.encoder)
        prepared = self.engine.prepare(task, self.encoder.rate, self.config)
        require_coverage(prepared, self.config)
        return OnTask(self, prepared, self._before(prepared))

    def keys(self, probe: Probe, task: Task) -> list[RunKey]:
        """What stands in the rows of a probe, one for each, in their order."""
        config, outputs = self.config, _outputs(probe, self.encoder.outputs)
        call, packages = probe_call(probe.name, probe.options), tuple(packages_of(self.encoder, probe, task))
        if config.shots:
            draws = config.draws or DRAWS
            return [(call, output, shots, draws, packages) for output in outputs for shots in config.shots]
        outputs = [*outputs, *([CHOSEN] if len(outputs) > 1 else [])]
        return [(call, output, None, None, packages) for output in outputs]

    def _before(self, prepared: Prepared) -> dict[RunKey, Result]:
        """The latest rows of these clips by this encoder, with these settings; rows of a training run do not count."""
        if not self._rows:
            return {}
        clips, config = prepared.clips, self.config
        same = {
            "task": clips.task.name,
            "task_digest": clips.task.digest,
            "table_digest": clips.digest,
            "leaks": prepared.leaks,  # near-duplicates may have been found since
            "protocol_version": PROTOCOL_VERSION,
            "embeddings_key": embeddings_key(self.encoder, plan_of(prepared), self.runtime, config.cache),
            "seed": config.seed,
            "limit": config.limit,
            "step": None,
        }
        rows = [row for row in self._rows if all(getattr(row, name) == value for name, value in same.items())]
        return {_key_of(row): row for row in rows}


@dataclass(frozen=True)
class OnTask:
    """An evaluator on the clips of one task. before: rows of these that there are."""

    evaluator: Evaluator
    prepared: Prepared
    before: Mapping[RunKey, Result]

    def evaluations(self, probe: Probe) -> Iterator[Evaluation]:
        """See `Evaluator.evaluations`; the clips are embedded for the first probe that lacks a row."""
        evaluator, before = self.evaluator, self.before
        keys = evaluator.keys(probe, self.prepared.clips.task)
        if all(key in before for key in keys):
            yield from self._earlier(probe, [before[key] for key in keys])
            return
        embeddings, why = self.embedded
        clips, encoder, config = self.prepared.clips, evaluator.encoder, evaluator.config
        for fit in evaluator.engine.fits(clips, embeddings, encoder.outputs, probe, config):
            result = make_result(self.prepared, encoder, embeddings, fit, config, unstable=why)
            row = before.get(_key_of(result))
            evaluation = Evaluation(row, None) if row else Evaluation(result, self._kept(fit, result))
            if evaluator.results is not None:
                evaluation.save(evaluator.results)
            yield evaluation

    def _kept(self, fit: ProbeFit, result: Result) -> Kept:
        clips = self.prepared.clips
        return kept(clips, fit, _packed(clips, fit, result) if self.evaluator.save_probe else None)

    @cached_property
    def embedded(self) -> tuple[Embeddings, str]:
        """The clips' embeddings, and why they are not to be trusted, or ""."""
        evaluator, task = self.evaluator, self.prepared.clips.task
        encoder, runtime = evaluator.encoder, evaluator.runtime
        self.prepared.note_findings()  # before hours of embedding
        if why := evaluator.engine.unstable(encoder, task.samples(encoder.rate), runtime.device):
            log.warning(f"{encoder.identity.name}: {why}; its rows are not ranked")
        return evaluator.engine.embed(encoder, plan_of(self.prepared), runtime, evaluator.config.cache), why

    def _earlier(self, probe: Probe, rows: Sequence[Result]) -> Iterator[Evaluation]:
        """The rows of a probe as they are, noted in a line."""
        task, runs = self.prepared.clips.task, few(row.run for row in rows)
        log.info(f"{task.name}: has its row by {probe.name}, run {runs}; --again scores it again")
        for row in rows:
            yield Evaluation(row, None)


def open_encoder(encoder: str | nn.Module, weights: str | Path | None, name: str | None, config: Config) -> Encoder:
    """The encoder of a call or of a module, frozen. Raises UsageError, CheckpointError and DataError."""
    if not isinstance(encoder, str):
        if weights is not None:
            raise UsageError("weights are for an encoder that is named; a module has its own")
        return in_memory(encoder, name)
    opened = encoders.open_encoder(encoder, releases.named_or_file(weights, config.cache))
    if opened.identity.random:
        log.warning(f"{opened.identity.name}: nothing in it was learned; the encoder m2d is trained")
    elif weights is None and opened.identity.digest in releases.bundled_digests():
        log.info(f"{opened.identity.name}: the small bundled encoder; --weights names another")
    return opened


def of_modality(tasks: Sequence[Task], encoder: Encoder, named: str = "") -> Sequence[Task]:
    """The tasks that the encoder can score. named: how they were named; of `all` the others are left out, and noted.

    Raises UsageError where one that was named otherwise is of the other modality.
    """
    others = [task for task in tasks if task.modality != encoder.modality]
    if not others:
        return tasks
    of = {"audio": "audio", "image": "images"}
    theirs, own = of[others[0].modality], of[encoder.modality]
    name = encoder.identity.name
    if ALL not in map(str.strip, named.split(",")) or len(others) == len(tasks):
        raise UsageError(f"task {few(task.name for task in others)} is of {theirs}, and {name} an encoder of {own}: "
                         f"--encoder names one of {theirs}")  # fmt: skip
    log.info(f"left out, they are of {theirs}, and {name} an encoder of {own}: {few(task.name for task in others)}")
    return [task for task in tasks if task not in others]


def plan_of(prepared: Prepared) -> Plan:
    """Which samples of a task's clips are embedded: each clip is cut or padded to the task's seconds."""
    clips = prepared.clips
    return make_plan(prepared.store, prepared.store.usable, clips.random_crops, clips.task.seconds)


def kept(clips: Manifest, fit: ProbeFit, probe: PackedProbe | None = None) -> Kept:
    """What is kept beside the row of a fit. probe: the fitted one, where it is wanted."""
    paths = clips.table["path"].to_numpy()[fit.predictions.rows].tolist()
    curves = {name: chosen.curve for name, chosen in fit.chosen.items()}
    return Kept(fit.predictions, paths, clips.classes, curves, probe)


def fits(
    clips: Manifest, embeddings: Embeddings, outputs: Sequence[str], probe: Probe, config: Config
) -> Iterator[ProbeFit]:
    """On all training clips, or on few of them where numbers of shots are given: output by output."""
    fitter, outputs = Fitter(clips, embeddings, probe, config.seed), _outputs(probe, outputs)
    if not config.shots:
        return fitter.each_output(outputs)
    draws = config.draws or DRAWS
    return (fitter.fit(output, shots=shots, draws=draws) for output in outputs for shots in config.shots)


def _outputs(probe: Probe, outputs: Sequence[str]) -> Sequence[str]:
    """What a probe is fitted on, one after the other: the encoder's outputs, or their weighted sum."""
    return (WEIGHTED,) if probe.weighs_layers else outputs


def _key_of(row: Result) -> RunKey:
    return row.probe_call, row.output, row.shots, row.draws, tuple(row.plugins)


def _require_savable(probes: Sequence[Probe], results: str | Path | None) -> None:
    """Raise UsageError where fitted probes could not be kept."""
    if results is None:
        raise UsageError("save_probe keeps the probe beside its row: give results, a folder")
    for each in probes:
        if not each.can_be_saved:
            raise UsageError(
                f"probe {each.name} cannot be saved, its fit is the training clips: leave it out, or --save-probe; "
                "`evar export --format embeddings` writes the clips' embeddings"
            )


def _packed(clips: Manifest, fit: ProbeFit, result: Result) -> PackedProbe | None:
    """The fitted probe; None where it is of a kind that cannot be saved, which is noted."""
    names = ("run", "task", "encoder", "encoder_options", "weights", "weights_digest", "output", "evar")
    about = {
        **{name: getattr(result, name) for name in names},
        "probe": result.probe_call,
        "kind": clips.task.kind,
        "classes": list(clips.classes),
        "layers": list(next(iter(fit.layer_weights.values()), {})),
    }
    outputs = {name: fit.outputs.get(name, fit.output) for name in fit.chosen}
    try:
        return pack(fit.chosen, outputs, about)
    except UsageError as error:
        log.warning(f"{result.task}: the probe {result.probe} of run {result.run} is not saved: {error}")
        return None


def _forget(cache: Path, code: str) -> None:
    """Remove the cached embeddings of an encoder with this `code`."""
    for item in inventory.inventory(cache):
        if item.code == code:
            inventory.remove(item, even_if_held=True)
