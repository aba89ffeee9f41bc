"""The steps of a run, from the first or from where it stopped to the last: reading, logging, saving, watching.

    RUN/NAME.pth, RUN/NAME.safetensors      see `checkpoint.py`; NAME states the model
    RUN/log.csv                             see `journal.py`

The same recipe, audio, precision and number of processes give the same bits on one machine, however often the run was
interrupted.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from evar.base.errors import UsageError, few
from evar.base.progress import advance, progress
from evar.data.store import Store
from evar.pretrain import checkpoint, journal
from evar.pretrain.alarms import Watch
from evar.pretrain.checkpoint import Training
from evar.pretrain.crops import Epochs, measure_norm_stats
from evar.pretrain.interrupt import Stop
from evar.pretrain.journal import StepRow
from evar.pretrain.recipe import Recipe
from evar.pretrain.schedule import schedule_of
from evar.pretrain.team import Team
from evar.pretrain.trainer import Trainer

log = logging.getLogger(__name__)

STEPS_A_LOOK = {"cpu": 1, "cuda": 10}  # steps between looks at the losses, for which a CUDA device must be waited for
SMOOTHING = 0.98  # of the loss that the progress bar shows


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
    """

    recipe: Recipe
    folder: Path
    device: torch.device
    precision: str
    minutes: float = 10.0
    every_epochs: int | None = None
    resume: bool = False
    encoder_dtype: torch.dtype = torch.float32

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


class _Session:
    """One process's part of a run, from where it stands to the end."""

    def __init__(self, store: Store, run: TrainingRun, team: Team, on_checkpoint: Callable[[Saved], None]) -> None:
        self.run, self.team, self.on_checkpoint = run, team, on_checkpoint
        self.epochs = Epochs(store, run.recipe)
        self.schedule = schedule_of(run.recipe, self.epochs.steps)
        self.total, self.done = self.schedule.steps, 0
        self.trainer = Trainer(run.recipe, self.schedule, run.device, run.precision, team)
        self.watch = Watch()
        self.waiting: list[tuple[int, Tensor]] = []  # steps since the last look, whose numbers lie on the device
        self.smoothed: float | None = None  # loss
        self.journal = run.folder / journal.NAME
        self.digest = store.digest
        if run.file.exists():
            self._go_on()
        else:
            self._begin()
        self.saved_at = self.looked_at = time.monotonic()

    def _training(self) -> Training:
        return Training(self.done, self.run.recipe.model_dump(), self.digest, self.run.precision, self.team.size)

    def _begin(self) -> None:
        kept = [path.name for ending in ("*.pth", "*.safetensors") for path in self.run.folder.glob(ending)]
        if others := sorted(kept):
            raise UsageError(f"{self.run.folder} holds another run, {few(others)}: give another --out")
        if self.run.resume:
            log.info(f"no checkpoint in {self.run.folder} yet: beginning at step 0")
        mean, deviation = measure_norm_stats(self.epochs, self.trainer.log_mel, self.run.device)
        self.trainer.model.norm_stats.copy_(torch.tensor([mean, deviation]))
        if self.team.first:
            journal.begin(self.journal)
        log.info(
            f"{self.run.recipe.name}: {len(self.epochs.rows):,} crops an epoch, {self.epochs.steps:,} steps an epoch, "
            f"{self.total:,} in all; log-mel {mean:.2f} +- {deviation:.2f}"
        )

    def _go_on(self) -> None:
        if not self.run.resume:
            raise UsageError(f"{self.run.file} is there already: --resume goes on with it, --out names another folder")
        state, before = checkpoint.load(self.run.file)
        checkpoint.require_same(self.run.file, before, self._training())
        self.trainer.load(state)
        self.done = before.steps
        rows = journal.read(self.journal, self.done)
        for row in rows:
            self.watch.look(row.step, row.loss, row.gradient_norm, row.learning_rate)
        if self.team.first:
            journal.begin(self.journal, rows)
        log.info(f"going on after step {self.done:,} of {self.total:,}")

    def go(self, stop: Stop) -> None:
        """All steps that are left."""
        often, asked = STEPS_A_LOOK[self.run.device.type], False
        pinned = self.run.device.type == "cuda"
        batches = self.epochs.batches(self.done, self.total, self.team.rank, self.team.size, pinned=pinned)
        with contextlib.closing(batches):
            for number, crops in zip(range(self.done, self.total), batches, strict=True):
                self.waiting.append((number, self.trainer.step(number, crops, stop=stop.asked)))
                self.done = number + 1
                look, save = self.done % often == 0 or self.done == self.total, self._due()
                if look or save:
                    asked = self._look() or asked
                if save or self.done == self.total:
                    self._save()
                if look and asked and self.done < self.total:  # a step at which every process comes by here
                    self._stop(saved=save)

    def _stop(self, *, saved: bool) -> None:
        if not saved:
            self._save()
        raise KeyboardInterrupt(
            f"stopped after step {self.done:,}, which is saved: the same command with --resume goes on"
        )

    def _look(self) -> bool:
        """Log the steps since the last look; True where a process asked to stop in one of them."""
        found = [(number, measured.tolist()) for number, measured in self.waiting]
        rate = len(found) * self.run.recipe.batch_size / max(1e-9, time.monotonic() - self.looked_at)
        self.waiting, self.looked_at = [], time.monotonic()
        rows = []
        for number, (loss, norm, _) in found:
            learning_rate = self.schedule.learning_rate(number)
            epoch, decay = number / self.epochs.steps, self.schedule.ema_decay(number)
            rows.append(StepRow(number, epoch, loss, learning_rate, decay, norm, rate))
        if self.team.first:
            journal.append(self.journal, rows)
        for row in rows:
            self.watch.look(row.step, row.loss, row.gradient_norm, row.learning_rate)
            before = row.loss if self.smoothed is None else self.smoothed
            self.smoothed = SMOOTHING * before + (1 - SMOOTHING) * row.loss
        if rows:
            advance(len(rows), f"loss {self.smoothed:.4f}, {rate:,.0f} clips/s")
        return any(asked > 0 for _, (_, _, asked) in found)

    def _due(self) -> bool:
        """Whether this process has to write a checkpoint after this step: by the clock, or for an evaluation."""
        if not self.team.first or self.done == self.total:
            return False
        return self._at_evaluation() or time.monotonic() - self.saved_at >= 60 * self.run.minutes

    def _at_evaluation(self) -> bool:
        every = self.run.every_epochs
        return every is not None and self.done % (every * self.epochs.steps) == 0

    def _save(self) -> None:
        if not self.team.first:
            return
        recipe, folder, encoder = self.run.recipe, self.run.folder, None
        checkpoint.save(self.run.file, self.trainer.state(), self._training())
        if self.done == self.total or self._at_evaluation():
            step = "" if self.done == self.total else f"-step{self.done:07}"
            encoder = folder / f"{recipe.name}{step}.safetensors"
            weights = self.trainer.model.state_dict()
            checkpoint.write_encoder(encoder, weights, recipe.configuration, self.run.encoder_dtype, self._training())
        epoch = self.done / self.epochs.steps
        self.on_checkpoint(Saved(self.done, self.total, epoch, self.run.file, encoder, self.journal))
        self.saved_at = self.looked_at = time.monotonic()
