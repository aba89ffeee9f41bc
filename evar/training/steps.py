"""All steps of a run, from where it stands to the last: logging, watching, saving, stopping.

The losses of steps lie on the device until they are looked at, so that a CUDA device is not waited for at every step.
What is saved has been looked at first: a checkpoint never holds numbers that are lost.
"""

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import Generic, TypeVar

import torch
from torch import Tensor

from evar.base.progress import advance
from evar.training.alarms import Watch
from evar.training.interrupt import Stop
from evar.training.journal import Journal, Row
from evar.training.team import Team

STEPS_A_LOOK = {"cpu": 1, "mps": 10, "cuda": 10}  # steps between looks at the losses
SMOOTHING = 0.98  # of the loss that the progress bar shows

Batch = TypeVar("Batch")


class Steps(ABC, Generic[Batch, Row]):
    """One process's part of a run. A subclass says what a step, its row and a checkpoint are.

    total, done: steps; clips_a_step: over all processes; minutes: between checkpoints by the clock
    """

    def __init__(
        self, device: torch.device, team: Team, journal: Journal[Row], watch: Watch, clips_a_step: int, minutes: float
    ) -> None:
        self.device, self.team, self.journal, self.watch = device, team, journal, watch
        self.clips_a_step, self.minutes = clips_a_step, minutes
        self.total, self.done = 0, 0
        self.waiting: list[tuple[int, Tensor]] = []  # steps since the last look, whose numbers lie on the device
        self.smoothed: float | None = None  # loss
        self.saved_at = self.looked_at = time.monotonic()

    @abstractmethod
    def batches(self) -> Generator[Batch]:
        """What each step that is left reads."""

    @abstractmethod
    def step(self, number: int, batch: Batch, *, stop: bool) -> Tensor:
        """Do a step: (3,) loss, gradient's norm, and more than 0 where some process asked to stop."""

    @abstractmethod
    def row(self, number: int, loss: float, norm: float, rate: float) -> Row:
        """A step's row of the journal; rate: clips a second."""

    @abstractmethod
    def milestone(self) -> bool:
        """Whether a checkpoint belongs after this step whatever the clock says, in every process."""

    @abstractmethod
    def save(self) -> None:
        """Write a checkpoint, in the first process; the others come by here at milestones and at the end."""

    def take_up(self, steps: int) -> None:
        """Go on after `steps` that an earlier process did: the journal is cut to them and looked at again."""
        self.done = steps
        rows = self.journal.read(steps)
        for row in rows:
            self.watch.look(row.step, row.loss, row.gradient_norm, row.learning_rate)
        if self.team.first:
            self.journal.begin(rows)

    def go(self, stop: Stop) -> None:
        """All steps that are left. Raises KeyboardInterrupt after a checkpoint where a process was asked to stop."""
        often, asked = STEPS_A_LOOK[self.device.type], False
        with contextlib.closing(self.batches()) as batches:
            for number, batch in zip(range(self.done, self.total), batches, strict=True):
                self.waiting.append((number, self.step(number, batch, stop=stop.asked)))
                self.done = number + 1
                look, save = self.done % often == 0 or self.done == self.total, self._due()
                if look or save:
                    asked = self._look() or asked
                if save:
                    self._save()
                if look and asked and self.done < self.total:  # a step at which every process comes by here
                    self._stop(saved=save)

    def _due(self) -> bool:
        if self.done == self.total or self.milestone():
            return True
        return self.team.first and time.monotonic() - self.saved_at >= 60 * self.minutes

    def _save(self) -> None:
        self.save()
        self.saved_at = self.looked_at = time.monotonic()

    def _stop(self, *, saved: bool) -> None:
        if not saved:
            self._save()
        raise KeyboardInterrupt(
            f"stopped after step {self.done:,}, which is saved: the same command with --resume goes on"
        )

    def _look(self) -> bool:
        """Log the steps since the last look; True where a process asked to stop in one of them."""
        found = [(number, measured.tolist()) for number, measured in self.waiting]
        rate = len(found) * self.clips_a_step / max(1e-9, time.monotonic() - self.looked_at)
        self.waiting, self.looked_at = [], time.monotonic()
        rows = [self.row(number, loss, norm, rate) for number, (loss, norm, _) in found]
        if self.team.first:
            self.journal.append(rows)
        for row in rows:
            self.watch.look(row.step, row.loss, row.gradient_norm, row.learning_rate)
            before = row.loss if self.smoothed is None else self.smoothed
            self.smoothed = SMOOTHING * before + (1 - SMOOTHING) * row.loss
        if rows:
            advance(len(rows), f"loss {self.smoothed:.4f}, {rate:,.0f} clips/s")
        return any(asked > 0 for _, (_, _, asked) in found)
