"""The core of all callbacks: the weights as they are now, scored on small tasks every so many steps.

    scorer = TrainingScorer("esc50", every=1000, data="datasets", limit=200)
    for step, batch in enumerate(loader, start=1):
        ...                    # a step of the training
        scorer(encoder, step)  # scores where the step is a multiple of 1,000
    scorer.scores              # {1000: {"esc50": ...}, 2000: ...}

The training finds everything as it left it, to the bit: see `undisturbed.py`.
"""

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evar.base.errors import UsageError, printable
from evar.base.files import open_regular, storage_errors, write_atomic
from evar.base.progress import hidden, hidden_progress
from evar.callbacks.undisturbed import undisturbed
from evar.config import Config, config_of
from evar.data.manifest import require_data
from evar.data.named_tasks import load_tasks
from evar.data.task import Task
from evar.embeddings import inventory
from evar.embeddings.batches import Plan
from evar.embeddings.device import Runtime
from evar.embeddings.extract import Embeddings, embeddings_key
from evar.encoders.contract import Encoder
from evar.leaderboard import leaderboard_csv
from evar.leaderboard.csv_text import line
from evar.pipeline import Engine, Evaluation, Evaluator
from evar.preparation import Prepared
from evar.probes import open_probes
from evar.result import Result

log = logging.getLogger(__name__)

HEADER = ("step", "task", "output", "probe", "metric", "score", "low", "high", "n", "seconds")

Find = str | Callable[[nn.Module], nn.Module]
"""Where the encoder is in what is trained: an attribute ("model.encoder"), "" for all of it, or a function of it."""


class TrainingScorer:
    """Scores weights on small tasks while they are trained, and leaves the training as it was, to the bit.

    scores:   step -> task -> score, a share; behind a task stand what it has several scores of: "esc50/layer3/8-shot"
    results:  every `Result`, with its step
    """

    def __init__(
        self,
        task: str | Path | Task,
        every: int,
        *,
        encoder: Find = "",
        probe: str = "logistic",
        name: str | None = None,
        log_to: Any = None,
        csv: str | Path | None = None,
        results: str | Path | None = None,
        strict: bool = False,
        config: Config | None = None,
        **settings: Any,
    ) -> None:
        """Everything that can be wrong but the encoder is found now.

        task:     as of `evar.evaluate`: names separated by commas, a YAML file, or a `Task`; small ones, or a `limit`
        every:    steps between scores
        encoder:  where in the module that is trained the encoder is: an attribute ("model.encoder"), or a function of
                  it; "" for all of it. The encoder is any module that `evar.evaluate` takes
        probe:    one call
        name:     what rows call the encoder; its class's name where not given
        log_to:   a TensorBoard `SummaryWriter`, a run of Weights & Biases, or a function of {"evar/TASK": score}, step
        csv:      file that a line a score is appended to
        results:  folder of a leaderboard that rows are appended to, with their step and never ranked; none otherwise
        strict:   whether an evaluation that fails ends the training; a warning otherwise, and the next one is tried
        config:   the settings; `settings` are settings by name, which go before: `evar.Config` explains each

        Raises EvarError for anything that the user can fix.
        """
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise UsageError(f"every must be a whole number of steps of at least 1, not {every!r}")
        if not isinstance(encoder, str) and not callable(encoder):
            raise UsageError(f"encoder must be an attribute's name or a function, not {encoder!r}")
        self.config = config_of(settings, config)
        self.every, self.encoder, self.probe, self.name, self.strict = every, encoder, probe, name, strict
        if len(probes := open_probes(probe)) > 1:
            raise UsageError(f"a training is scored by one probe, not by {len(probes)}: {probe}")
        self.tasks = load_tasks(task, self.config.data)
        for each in self.tasks:
            require_data(each, self.config.data)
        self._log, self._csv = _logging_to(log_to), None if csv is None else Path(csv)
        self._results = None if results is None else Path(results)
        if self._results is not None:
            leaderboard_csv.require_writable(self._results)
        if self._csv is not None:
            _begin(self._csv)
        self.scores: dict[int, dict[str, float]] = {}
        self.results: list[Result] = []
        self._engine = _Passing()
        self._seen = -1

    def __call__(self, trained: nn.Module, step: int) -> dict[str, float] | None:
        """Score where a multiple of `every` was reached since the last call, step 0 included: task -> score, else None.

        trained: what is trained; a copy of its encoder is scored. In a training of several processes the first scores.
        """
        seen, self._seen = self._seen if 0 <= self._seen <= step else step - 1, step  # -1: none; later: it began again
        due = step // self.every > seen // self.every
        return self.score(trained, step) if due and _first_process() else None

    def score(self, trained: nn.Module, step: int) -> dict[str, float] | None:
        """Score now, whatever the step: task -> score. None where that failed, which is noted.

        An error at step 0 is raised: nothing is lost yet, and it would come at every other step.
        """
        found: dict[str, float] = {}
        try:
            with undisturbed(), hidden() if self.scores else hidden_progress():
                for result, seconds in self._evaluated(trained, step):
                    found[_named(result)] = result.score
                    self.results.append(result)
                    if self._csv is not None:
                        _append(self._csv, result, seconds)
            self.scores[step] = found
            self._log({f"evar/{name}": score for name, score in found.items()}, step)
        except Exception as error:  # whatever it is, hours of training are worth more
            if self.strict or step == 0:
                raise
            why = printable(f"{type(error).__name__}: {error}")
            log.warning(f"not scored at step {step:,}, the training goes on: {why}")
            return None
        log.info(f"step {step:,}: {', '.join(f'{name} {score:.4f}' for name, score in found.items())}")
        return found

    def _evaluated(self, trained: nn.Module, step: int) -> Iterator[tuple[Result, float]]:
        """Each result with the seconds that it took."""
        begin = time.perf_counter()
        encoder = _found(_unwrapped(trained), self.encoder)
        config = self.config
        if config.device == "auto" and (tensor := next(encoder.parameters(), None)) is not None:
            place = tensor.device
            config = dataclasses.replace(config, device=str(place) if place.type == "cuda" else place.type)
        evaluator = Evaluator.open(encoder, self.probe, config, None, name=self.name, engine=self._engine)
        for task in self.tasks:
            with self._engine.forgetting(config.cache):
                for evaluation in evaluator.on(task).evaluations(evaluator.probes[0]):
                    evaluation = at_step(evaluation, step)
                    if self._results is not None:
                        evaluation.save(self._results)
                    yield evaluation.result, time.perf_counter() - begin
                    begin = time.perf_counter()


def at_step(evaluation: Evaluation, step: int, *, last: bool = False) -> Evaluation:
    """An evaluation of weights that are still trained: its row has the step, and is ranked at the last one alone."""
    result = evaluation.result
    return dataclasses.replace(evaluation, result=dataclasses.replace(result, step=step, ranked=result.ranked and last))


def _named(row: Result) -> str:
    """The task; its output where that is not the usual one, its shots where there are any."""
    output = [] if row.output == "last" else [row.output]
    return "/".join([row.task, *output, *([] if row.shots is None else [f"{row.shots}-shot"])])


class _Passing(Engine):
    """Clips are prepared once; embeddings of weights that pass are removed from the cache."""

    def __init__(self) -> None:
        self._prepared: dict[tuple[str, str, int], Prepared] = {}
        self._written: list[str] = []

    def prepare(self, task: Task, rate: int, config: Config) -> Prepared:
        """The task's clips, decoded at `rate` (Hz, or pixels of images), the same ones each time."""
        key = task.name, task.digest, rate
        if key not in self._prepared:
            self._prepared[key] = super().prepare(task, rate, config)
        return self._prepared[key]

    def embed(self, encoder: Encoder, plan: Plan, runtime: Runtime, cache: Path) -> Embeddings:
        """See `evar.embeddings.extract.embed`."""
        self._written.append(embeddings_key(encoder, plan, runtime, cache))
        embeddings = super().embed(encoder, plan, runtime, cache)
        if embeddings.cached:  # somebody else's, who may want them again
            self._written.pop()
        return embeddings

    @contextlib.contextmanager
    def forgetting(self, cache: Path) -> Iterator[None]:
        """What is embedded within the block is removed at its end."""
        try:
            yield
        finally:
            while self._written:
                inventory.forget(cache, self._written.pop())


def _first_process() -> bool:
    distributed = torch.distributed
    return not (distributed.is_available() and distributed.is_initialized()) or distributed.get_rank() == 0


def _unwrapped(module: nn.Module) -> nn.Module:
    """What torch's own wrappers hold: of several devices, and of `torch.compile`."""
    while True:
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            module = module.module
        elif isinstance(inside := getattr(module, "_orig_mod", None), nn.Module):
            module = inside
        else:
            return module


def _found(trained: nn.Module, encoder: Find) -> nn.Module:
    """The encoder in what is trained. Raises UsageError where there is none."""
    if not isinstance(encoder, str):
        if not isinstance(made := encoder(trained), nn.Module):
            raise UsageError(f"the function of encoder gives no module, but {made!r}")
        return _unwrapped(made)
    found: Any = trained
    for attribute in encoder.split(".") if encoder else ():
        if not isinstance(found := getattr(found, attribute, None), nn.Module):
            raise UsageError(f"encoder {encoder!r}: {type(trained).__name__} has no module of this name")
    return _unwrapped(found)


def _logging_to(target: Any) -> Callable[[Mapping[str, float], int], object]:
    """A function that logs named scores at a step. Raises UsageError for what is no logger."""
    if target is None:
        return lambda scores, step: None
    if callable(getattr(target, "add_scalar", None)):
        return lambda scores, step: [target.add_scalar(name, score, step) for name, score in scores.items()]
    if callable(getattr(target, "log", None)) and not isinstance(target, logging.Logger):
        # without a step of their own, scores join the row that the training logs next, and move no other
        return lambda scores, step: target.log({**scores, "evar/step": step}, commit=False)
    if callable(target):
        return target  # type: ignore[no-any-return]
    raise UsageError(
        "log_to must be a SummaryWriter of TensorBoard, a run of Weights & Biases or a function of scores and step, "
        f"not {target!r}"
    )


def _begin(csv: Path) -> None:
    """Write the header where there is no file yet. Raises UsageError where one of another making is there."""
    header = line(HEADER)
    with storage_errors(csv):
        if not csv.exists():
            write_atomic(csv, header)
        elif not csv.is_file() or not csv.read_text(encoding="utf-8", errors="replace").startswith(header):
            raise UsageError(f"{csv} is there, and no table of scores while training: give another csv")


def _append(csv: Path, row: Result, seconds: float) -> None:
    cells = (
        row.step, row.task, row.output, row.probe_call, row.metric, f"{row.score:.6g}", f"{row.low:.6g}",
        f"{row.high:.6g}", row.n, f"{seconds:.3g}",
    )  # fmt: skip
    with storage_errors(csv), open_regular(csv, "ab") as file:
        file.write(line(list(map(str, cells))).encode())
