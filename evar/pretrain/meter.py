"""What the steps since the last look were: their numbers, which still lie on the device, and the time they took."""

import time
from dataclasses import dataclass, field

from torch import Tensor

SMOOTHING = 0.98  # of the loss that the progress bar shows


@dataclass
class Meter:
    """Steps whose numbers still lie on the device, the clock since the last look, and the smoothed loss."""

    waiting: list[tuple[int, Tensor]] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)
    level: float | None = None

    def keep(self, number: int, measured: Tensor) -> None:
        """Hold a step's numbers until the next look."""
        self.waiting.append((number, measured))

    def take(self, batch_size: int) -> tuple[float, list[tuple[int, list[float]]]]:
        """(clips a second, [(step, its numbers)]) of all steps since the last look."""
        found = [(number, measured.tolist()) for number, measured in self.waiting]
        rate = len(found) * batch_size / max(1e-9, time.monotonic() - self.since)
        self.waiting = []
        self.restart()
        return rate, found

    def restart(self) -> None:
        """Begin to count time anew."""
        self.since = time.monotonic()

    def smooth(self, losses: list[float]) -> float:
        """The smoothed loss after these."""
        for loss in losses:
            self.level = loss if self.level is None else SMOOTHING * self.level + (1 - SMOOTHING) * loss
        assert self.level is not None
        return self.level
