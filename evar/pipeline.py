"""The pipeline, from audio to leaderboard rows: Task x Encoder x Probes, Config -> Results.

    evar.evaluate("us8k", "m2d", weights="checkpoint.pth", results="results", limit=100)
    evar.evaluate("gtzan,spcv2", my_module, probe="logistic, mlp")

Every clip is decoded once (the store), embedded once (the cache), and read by every probe. Labels join after the
embeddings; test rows are read once, by the probes' final fits.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from evar import encoders
from evar.base.errors import EvarError, UsageError, few
from evar.config import DRAWS, Config, config_of
from evar.data.manifest import Manifest
from evar.data.task import Task, load_tasks
from evar.embeddings import inventory
from evar.embeddings.batches import make_plan
from evar.embeddings.device import choose_runtime
from evar.embeddings.extract import Embeddings, embed
from evar.encoders.contract import Encoder
from evar.encoders.in_memory import in_memory
from evar.encoders.outside import unreadable
from evar.fitting import ProbeFit, fit_outputs, fit_shots
from evar.leaderboard import table as leaderboard
from evar.leaderboard.runs import record_path
from evar.nn import releases
from evar.preparation import look_for_leaks, prepare_task, require_coverage
from evar.probes import open_probes
from evar.probes.contract import Probe
from evar.probes.predictions import Predictions
from evar.result import Result
from evar.row import make_result
from evar.scoring.intervals import Score

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """A leaderboard row, and what it was computed from. curves: round -> setting -> mean validation score."""

    result: Result
    score: Score
    predictions: Predictions
    clips: list[str]
    classes: tuple[str, ...]
    curves: dict[str, dict[str, float]]

    def save(self, results: Path) -> Path:
        """Keep the run in a folder and add its row; what cannot be kept is noted, so that nothing is lost."""
        try:
            return leaderboard.append(results, self.result, self.predictions, self.clips, self.classes, self.curves)
        except EvarError:
            if not record_path(results, self.result.run).exists():
                log.error(f"not saved: {json.dumps(asdict(self.result))}")
            raise


def evaluate(
    task: str | Path | Task,
    encoder: str | nn.Module,
    *,
    probe: str = "logistic",
    weights: str | Path | None = None,
    name: str | None = None,
    results: str | Path | None = None,
    config: Config | None = None,
    **settings: Any,
) -> list[Result]:
    """Score a frozen encoder: one `Result` for each task, probe, output (and number of shots), in this order.

    task:     a name, a comma list of names, the path of a YAML file, or a `Task`
    encoder:  a call such as "m2d" or "random(seed=3)"; or an `Encoder`, or any module with a `sample_rate` (Hz) whose
              forward takes (clip, sample) float32 in [-1, 1] and gives (clip, dim), or (clip, frame, dim), of which the
              mean over frames is taken. A module is copied and stays as it is: its mode, gradients and device
    probe:    a call, or a comma list of calls
    weights:  a checkpoint file or folder, or a checkpoint's name; of an encoder that is named
    name:     what the rows call a module; its class's name, or what its identity says, where not given
    results:  folder of a leaderboard that the rows are appended to; none is written where not given
    config:   the settings; `settings` are settings by name, which go before: `evar.Config` explains each

    `[result.row() for result in results]` makes a table. Embeddings are cached by the network's tensors, its sources,
    and what it does to a test signal; those of a class whose source cannot be read (typed at a prompt) are removed
    again. `evar.show_progress()` shows bars and notes.
    Raises EvarError for anything that the user can mend.
    """
    if isinstance(task, nn.Module):
        raise UsageError("evar.evaluate: a task comes first, then an encoder")
    config = config_of(settings, config)
    tasks = [task] if isinstance(task, Task) else load_tasks(str(task))
    probes = open_probes(probe)
    choose_runtime(config.device, config.precision)
    if results is not None:
        leaderboard.check(Path(results))
    opened = open_encoder(encoder, weights, name, config)
    return [each.result for one in tasks for each in evaluations(one, opened, probes, config, results)]


def open_encoder(encoder: str | nn.Module, weights: str | Path | None, name: str | None, config: Config) -> Encoder:
    """The encoder of a call or of a module, frozen. Raises UsageError, CheckpointError and DataError."""
    if not isinstance(encoder, str):
        if weights is not None:
            raise UsageError("weights are for an encoder that is named; a module has its own")
        return in_memory(encoder, name)
    opened = encoders.open_encoder(encoder, releases.named_or_file(weights, config.cache))
    if opened.identity.random:
        log.warning(f"{opened.identity.name}: nothing in it was learned; the encoder m2d is a trained one")
    elif weights is None and opened.identity.digest in releases.bundled_digests():
        log.info(f"{opened.identity.name}: the bundled encoder, a small one; other weights give another")
    return opened


def evaluations(
    task: Task, encoder: Encoder, probes: Sequence[Probe], config: Config, results: str | Path | None = None
) -> Iterator[Evaluation]:
    """One evaluation for each output and probe, and for each number of shots; saved in `results` as it is there.

    Raises EvarError where the data, the encoder or the cache does not allow it.
    """
    try:
        for evaluation in _scored(task, encoder, probes, config):
            if results is not None:
                evaluation.save(Path(results))
            yield evaluation
    finally:
        if hidden := unreadable(encoder):
            name = encoder.identity.name
            log.warning(f"{name}: the source of {few(hidden)} cannot be read, so its embeddings are not kept")
            _forget(config.cache, encoder.identity.code)


def _scored(task: Task, encoder: Encoder, probes: Sequence[Probe], config: Config) -> Iterator[Evaluation]:
    if config.shots and task.kind == "multi-label":
        raise UsageError(f"task {task.name} is multi-label: --shots draws clips of one class each; leave it out here")
    runtime = choose_runtime(config.device, config.precision, config.batch_size)
    prepared = prepare_task(task, encoder.sample_rate, config)
    require_coverage(prepared, config)
    leaks = look_for_leaks(prepared)
    clips = prepared.clips
    plan = make_plan(prepared.store, prepared.store.usable, clips.random_crops, task.seconds)
    embeddings = embed(encoder, plan, runtime, config.cache)
    for probe in probes:
        probe.device = str(runtime.device)
        for fit in _fits(clips, embeddings, encoder.outputs, probe, config):
            result = make_result(prepared, encoder, embeddings, fit, config, runtime.device, leaks)
            curves = {name: chosen.curve for name, chosen in fit.chosen.items()}
            names = clips.table["path"].tolist()
            yield Evaluation(result, fit.score, fit.predictions, names, clips.classes, curves)


def _fits(
    clips: Manifest, embeddings: Embeddings, outputs: Sequence[str], probe: Probe, config: Config
) -> Iterator[ProbeFit]:
    """On all training clips, or on few of them where numbers of shots are given: output by output."""
    if not config.shots:
        yield from fit_outputs(clips, embeddings, outputs, probe, config.seed)
        return
    for output in outputs:
        for shots in config.shots:
            yield fit_shots(clips, embeddings, output, probe, shots, config.draws or DRAWS, config.seed)


def _forget(cache: Path, code: str) -> None:
    """Remove the cached embeddings of an encoder with this `code`."""
    for item in inventory.inventory(cache):
        if item.code == code:
            inventory.remove(item)
