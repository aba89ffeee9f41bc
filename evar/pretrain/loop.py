"""A pre-training run from the first step, or from where it stopped, to the last; see `training/steps.py`.

    RUN/NAME.pth, RUN/NAME.safetensors      see `training/checkpoint.py`; NAME states the model
    RUN/log.csv                             see `training/journal.py`

The same recipe, audio, precision and number of processes give the same bits on one machine, however often the run was
interrupted.
"""

import dataclasses
import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from evar.base.errors import UsageError
from evar.base.progress import progress
from evar.data.store import Store
from evar.pretrain.crops import Crops, Epochs, measure_norm_stats
from evar.pretrain.journal import PretrainingRow, journal_in
from evar.pretrain.recipe import Recipe
from evar.pretrain.schedule import schedule_of
from evar.pretrain.start import StartingPoint
from evar.pretrain.trainer import Trainer
from evar.training import checkpoint
from evar.training.alarms import Watch
from evar.training.checkpoint import Training
from evar.training.interrupt import Stop
from evar.training.run_folder import require_no_other_run
from evar.training.steps import Steps
from evar.training.team import Team

log = logging.getLogger(__name__)

ADVICE = "try a lower --base-lr, more --warmup-epochs, a lower --clip or --precision float32"


@dataclass(frozen=True)
class Saved:
    """A checkpoint that was just written, after `steps` of `total`.

    file: to go on from. encoder: the encoder alone, written every so many epochs and at the end, else None.
    """

    steps: int
    total: int
    epoch: float
    file: Path
    encoder: Path | None
    journal: Path


@dataclass(frozen=True)
class TrainingRun:
    """How to train, and where things go.

    folder:        of the run's files; what lies there is continued only where `resume` says so
    minutes:       between checkpoints; what a kill can lose
    every_epochs:  epochs between encoders that are written for an evaluation; None for none but the last
    encoder_dtype: of the weights in the encoder's own file
    start:         a checkpoint that a new run starts from; None for random weights
    """

    recipe: Recipe
    folder: Path
    device: torch.device
    precision: str
    minutes: float = 10.0
    every_epochs: int | None = None
    resume: bool = False
    encoder_dtype: torch.dtype = torch.float32
    start: StartingPoint | None = None

    @property
    def file(self) -> Path:
        """The file to go on from."""
        return self.folder / f"{self.recipe.name}.pth"


def train(
    store: Store,
    run: TrainingRun,
    team: Team,
    *,
    on_checkpoint: Callable[[Saved], None],
) -> Path:
    """Train to the end; gives the file of the last checkpoint.

    Raises UsageError where the folder holds another run or one that was not asked to go on, TrainingError where the
    numbers are lost, KeyboardInterrupt after a checkpoint where the process was asked to stop.
    """
    if run.recipe.batch_size % (team.size * run.recipe.accumulate):
        raise UsageError(
            f"--batch-size {run.recipe.batch_size} cannot be shared by {team.size} processes "
            f"in {run.recipe.accumulate} parts each"
        )
    session = _Session(store, run, team, on_checkpoint)
    with progress("pretrain", total=session.total, unit="step", initial=session.done), Stop() as stop:
        session.go(stop)
    return run.file


class _Session(Steps[Crops, PretrainingRow]):
    """One process's part of a run, from where it stands to the end."""

    def __init__(self, store: Store, run: TrainingRun, team: Team, on_checkpoint: Callable[[Saved], None]) -> None:
        super().__init__(run.device, team, journal_in(run.folder), Watch(ADVICE), run.recipe.batch_size, run.minutes)
        self.run, self.on_checkpoint = run, on_checkpoint
        self.epochs = Epochs(store, run.recipe)
        self.schedule = schedule_of(run.recipe, self.epochs.steps)
        self.total = self.schedule.steps
        self.trainer = Trainer(run.recipe, self.schedule, run.device, run.precision, team)
        self.digest = store.digest
        if run.file.exists():
            self._go_on()
        else:
            self._begin()

    def _training(self) -> Training:
        recipe, start = self.run.recipe.model_dump(), self.run.start.name if self.run.start else ""
        place = self.run.precision, self.team.size
        return Training(self.done, recipe, self.digest, *place, start, self.schedule.start)

    def _begin(self) -> None:
        require_no_other_run(self.run.folder)
        if self.run.resume:
            log.info(f"no checkpoint in {self.run.folder} yet: beginning at step 0")
        if self.run.start is not None:
            self.run.start.fill(self.trainer.model)
        else:
            stats = self.run.recipe.configuration.norm_stats
            if not self.run.recipe.image_size:
                stats = measure_norm_stats(self.epochs, self.trainer.log_mel, self.run.device)
            self.trainer.model.norm_stats.copy_(torch.tensor(stats).view_as(self.trainer.model.norm_stats))
        if self.team.first:
            self.journal.begin()
        mean, deviation = self.trainer.model.norm_stats.view(2, -1).mean(dim=1).tolist()
        log.info(
            f"{self.run.recipe.name}: {len(self.epochs.rows):,} crops an epoch, {self.epochs.steps:,} steps an epoch, "
            f"{self.total:,} in all; normalised by {mean:.2f} +- {deviation:.2f}"
        )

    def _go_on(self) -> None:
        if not self.run.resume:
            raise UsageError(f"{self.run.file} is there already: --resume goes on with it, --out names another folder")
        state, before = checkpoint.load(self.run.file)
        now = self._training()
        if longer := self.run.recipe.epochs > before.recipe["epochs"]:
            planned = {name: before.recipe[name] for name in ("epochs", "warmup_epochs")}
            now = dataclasses.replace(now, recipe={**now.recipe, **planned})
        checkpoint.require_same(self.run.file, before, now)
        start = before.steps if longer else before.plan_start
        self.schedule = self.trainer.schedule = schedule_of(self.run.recipe, self.epochs.steps, start)
        self.trainer.load(state)
        self.take_up(before.steps)
        plan = ", by a plan that begins here" if longer else ""
        log.info(f"going on after step {self.done:,} of {self.total:,}{plan}")

    def batches(self) -> Generator[Crops]:
        """See `Epochs.batches`."""
        pinned = self.run.device.type == "cuda"
        return self.epochs.batches(self.done, self.total, self.team.rank, self.team.size, pinned=pinned)

    def step(self, number: int, batch: Crops, *, stop: bool) -> Tensor:
        """See `Trainer.step`."""
        return self.trainer.step(number, batch, stop=stop)

    def row(self, number: int, loss: float, norm: float, rate: float) -> PretrainingRow:
        """See `PretrainingRow`."""
        learning_rate, decay = self.schedule.learning_rate(number), self.schedule.ema_decay(number)
        return PretrainingRow(number, number / self.epochs.steps, loss, learning_rate, norm, rate, decay)

    def milestone(self) -> bool:
        """Whether an encoder is evaluated after this step."""
        every = self.run.every_epochs
        return every is not None and self.done % (every * self.epochs.steps) == 0

    def save(self) -> None:
        """Write the checkpoint, and the encoder alone where it is evaluated."""
        if not self.team.first:
            return
        recipe, folder, encoder = self.run.recipe, self.run.folder, None
        checkpoint.save(self.run.file, self.trainer.state(), self._training())
        if self.done == self.total or self.milestone():
            step = "" if self.done == self.total else f"-step{self.done:07}"
            encoder = folder / f"{recipe.name}{step}.safetensors"
            weights = self.trainer.model.state_dict()
            checkpoint.write_encoder(encoder, weights, recipe.configuration, self.run.encoder_dtype, self._training())
        epoch = self.done / self.epochs.steps
        self.on_checkpoint(Saved(self.done, self.total, epoch, self.run.file, encoder, self.journal.path))
