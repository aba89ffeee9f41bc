"""A run of fine-tuning, from the first step or from where it stopped: its epoch is chosen, then its test clips read.

NAME states the model and the run.

    RUN/NAME.pth           the last checkpoint, to go on from
    RUN/NAME.safetensors   encoder and head of the best epoch so far, in the end the chosen one
    RUN/log.csv            a row a step

After each epoch the clips that judge are scored by the task's metric; the best epoch is taken, the latest of equals.
"""

import copy
import logging
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evar.base.errors import TrainingError, UsageError
from evar.base.progress import progress
from evar.base.threads import Threads, in_order, pieces
from evar.encoders.m2d import M2D
from evar.nn.memory import enough_memory
from evar.nn.safe_load import load_file_safely
from evar.probes.contract import Floats, Rows, ScoreFunction
from evar.training import checkpoint
from evar.training.alarms import Watch
from evar.training.checkpoint import Training
from evar.training.interrupt import Stop
from evar.training.journal import Journal, StepRow
from evar.training.run_folder import require_no_other_run
from evar.training.schedule import warm_cosine
from evar.training.steps import Steps
from evar.training.team import Team
from evar.tuning.clips import LabelledClips, TrainingBatch, TrainingClips
from evar.tuning.network import HEAD, FineTuned, Tunable, configuration_of
from evar.tuning.recipe import FineTuningRecipe
from evar.tuning.trainer import FineTuner

log = logging.getLogger(__name__)

ADVICE = "try a lower --lr, more --warmup-epochs, a --clip or --precision float32"


@dataclass(frozen=True)
class FineTuningJob:
    """One run: rows of the task's clips to learn from, to choose the epoch on, and to test, and a seed.

    folder:  of the run's files, whose name tells the run among others of a task
    data:    digest of audio and labels
    what:    what decides the numbers beside recipe and audio: weights, protocol, ...
    """

    train: Rows
    valid: Rows
    test: Rows
    seed: int
    folder: Path
    data: str
    what: dict[str, str]


@dataclass(frozen=True)
class TrainingPlace:
    """Where and how a run is done; minutes: between checkpoints by the clock; resume: go on with what is there."""

    device: torch.device
    precision: str
    team: Team
    minutes: float = 10.0
    resume: bool = False


@dataclass(frozen=True)
class TunedRun:
    """What came of a run: logits (clip, class) of its test clips by the chosen epoch (from 1); each epoch's score."""

    logits: Floats
    epoch: int
    curve: tuple[float, ...]


def fit(
    encoder: Tunable,
    clips: LabelledClips,
    job: FineTuningJob,
    recipe: FineTuningRecipe,
    score: ScoreFunction,
    place: TrainingPlace,
) -> TunedRun:
    """Train a copy of the encoder with a new head, choose its epoch, and read the test clips, once.

    Raises UsageError where the folder holds another run or one that was not asked to go on, TrainingError where the
    numbers are lost, DataError where memory is short, KeyboardInterrupt after a checkpoint where the process was asked
    to stop.
    """
    with enough_memory(f"{job.folder.name} (try a lower --at-once)", f"the memory of {place.device}"):
        return _fit(FineTuning(encoder, clips, job, recipe, score, place), job)


def _fit(run: "FineTuning", job: FineTuningJob) -> TunedRun:
    name = f"fine-tune {job.folder.name}"
    try:
        with progress(name, total=run.total, unit="step", initial=run.done), Stop() as stop:
            run.go(stop)
    except TrainingError as error:
        if run.file.exists():
            raise TrainingError(f"{error}; {run.file} is the last good checkpoint") from error
        raise
    return run.tested()


class FineTuning(Steps[TrainingBatch, StepRow]):
    """One process's part of a run."""

    def __init__(
        self,
        encoder: Tunable,
        clips: LabelledClips,
        job: FineTuningJob,
        recipe: FineTuningRecipe,
        score: ScoreFunction,
        place: TrainingPlace,
    ) -> None:
        self.clips, self.job, self.recipe, self.score, self.place = clips, job, recipe, score, place
        encoder = copy.deepcopy(encoder)
        frames = 0
        if isinstance(encoder, M2D):
            frames = max(clips.samples, encoder.log_mel.shortest) // encoder.log_mel.hop + 1
        model = FineTuned(encoder, clips.classes, frames, recipe, job.seed)
        self.configuration = configuration_of(model, encoder)
        stem = f"{file_name(self.configuration.name)}-{job.folder.name}"
        self.file, self.best = job.folder / f"{stem}.pth", job.folder / f"{stem}.safetensors"
        self.data = TrainingClips(clips, job.train, recipe, job.seed, model.size, (model.grid.rows, model.columns))
        super().__init__(
            place.device,
            place.team,
            Journal(job.folder, StepRow),
            Watch(ADVICE),
            self.data.batch_size,
            place.minutes,
        )
        if self.data.batch_size % place.team.size:
            raise UsageError(f"a step of {self.data.batch_size} clips cannot be shared by {place.team.size} processes")
        self.total = recipe.epochs * self.data.steps
        self.curve: list[float] = []
        self.tuner = FineTuner(
            model, recipe, self.rate, place.device, place.precision, place.team, several=clips.targets.ndim == 2
        )
        if self.file.exists():
            self._go_on()
        else:
            require_no_other_run(job.folder, self.best.name)  # which may be older than the first checkpoint
            self.team.wait()  # until every process has looked
            if self.team.first:
                self.journal.begin()
            held = "no checkpoint yet: " if place.resume else ""
            log.info(f"{held}{job.folder.name}: {len(job.train):,} clips, {self.data.steps:,} steps an epoch, "
                     f"{self.total:,} in all; {len(job.valid):,} clips choose the epoch")  # fmt: skip

    def _go_on(self) -> None:
        if not self.place.resume:
            raise UsageError(f"{self.file} is there already: --resume goes on with it, --out names another folder")
        state, before = checkpoint.load(self.file)
        checkpoint.require_same(self.file, before, self._training())
        self.tuner.load(state)
        self.curve = state["curve"].tolist()
        self.take_up(before.steps)
        log.info(f"{self.job.folder.name}: going on after step {self.done:,} of {self.total:,}")

    def _training(self) -> Training:
        recipe = {**self.recipe.model_dump(), **self.job.what, "seed": self.job.seed}
        return Training(self.done, recipe, self.job.data, self.place.precision, self.team.size)

    def rate(self, number: int) -> float:
        """The learning rate of a step."""
        warmup = round(self.recipe.warmup_epochs * self.data.steps)
        return warm_cosine(number, self.total, warmup, self.recipe.lr, self.recipe.lr_min)

    def batches(self) -> Generator[TrainingBatch]:
        """See `TrainingClips.batches`."""
        pinned = self.device.type == "cuda"
        return self.data.batches(self.done, self.total, self.team.share(self.data.batch_size), pinned=pinned)

    def step(self, number: int, batch: TrainingBatch, *, stop: bool) -> Tensor:
        """See `FineTuner.step`."""
        return self.tuner.step(number, batch, stop=stop)

    def row(self, number: int, loss: float, norm: float, rate: float) -> StepRow:
        """See `StepRow`."""
        return StepRow(number, number / self.data.steps, loss, self.rate(number), norm, rate)

    def milestone(self) -> bool:
        """Whether an epoch ends here."""
        return self.done % self.data.steps == 0

    def save(self) -> None:
        """At an epoch's end judge it, and keep it where it is the best; then write the checkpoint."""
        if self.milestone():
            found = self.score(self.logits(self.job.valid), self.clips.targets[self.job.valid])
            self.curve.append(round(found, 12))
            if self.team.first and self.epoch == len(self.curve):
                weights = self.tuner.model.weights()
                head = {key: tensor for key, tensor in weights.items() if key.startswith(HEAD)}
                checkpoint.write_encoder(self.best, weights, self.configuration, torch.float32, self._training(), head)
        if self.team.first:
            curve = torch.tensor(self.curve, dtype=torch.float64)
            checkpoint.save(self.file, {**self.tuner.state(), "curve": curve}, self._training())

    @property
    def epoch(self) -> int:
        """The best epoch so far, from 1, the latest of equals."""
        return len(self.curve) - int(np.argmax(self.curve[::-1]))

    def tested(self) -> TunedRun:
        """The test clips by the best epoch."""
        self.team.wait()  # until the first process has written it
        self.tuner.model.load(load_file_safely(self.best))
        with progress(f"test {self.job.folder.name}", total=len(self.job.test), unit="clip") as advance:
            logits = self.logits(self.job.test)
            advance(len(self.job.test))
        return TunedRun(logits, self.epoch, tuple(self.curve))

    def logits(self, rows: Rows) -> Floats:
        """(clip, class) of these rows; each process computes its share, the last one's filled up."""
        share = -(-len(rows) // self.team.size)
        own = np.resize(rows, share * self.team.size)[self.team.share(share * self.team.size)]

        def read(part: slice) -> Tensor:
            return self.clips.read(own[part], np.zeros(len(own[part]), dtype=np.int64))

        with Threads(1, thread_name_prefix="clips") as reader:
            blocks = in_order(reader, 1, read, pieces(len(own), self.tuner.at_once))
            found = [self.tuner.logits(waveforms) for waveforms in blocks]
        whole: Floats = self.team.gather(torch.cat(found))[: len(rows)].float().cpu().numpy()
        return whole


def file_name(name: str) -> str:
    """A name that files and folders can have: "m2d (random weights)" is m2d-random-weights."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-")
