"""Learning rate and EMA decay at every step. Steps count from 0; `steps` is how many there are in all.

Source: Niizumi et al., arXiv:2210.14648, section 4.1; He et al., arXiv:2111.06377, table 8 (half-cycle cosine).
"""

import math
from dataclasses import dataclass

from evar.pretrain.recipe import Recipe


@dataclass(frozen=True)
class Schedule:
    """What changes over `steps`: see the methods. warmup: steps in which the learning rate rises."""

    steps: int
    warmup: int
    peak_lr: float
    ema_start: float
    ema_end: float

    def learning_rate(self, step: int) -> float:
        """0 at step 0, linear to the peak at step `warmup`, then half a cosine down to 0 at step `steps`."""
        if step < self.warmup:
            return self.peak_lr * step / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.peak_lr * 0.5 * (1 + math.cos(math.pi * done))

    def ema_decay(self, step: int) -> float:
        """Linear from `ema_start` at step 0 to `ema_end` at step `steps`."""
        return self.ema_start + (self.ema_end - self.ema_start) * step / self.steps


def schedule_of(recipe: Recipe, steps_an_epoch: int) -> Schedule:
    """The recipe's schedule for so many steps an epoch."""
    return Schedule(
        steps=recipe.epochs * steps_an_epoch,
        warmup=round(recipe.warmup_epochs * steps_an_epoch),
        peak_lr=recipe.peak_lr,
        ema_start=recipe.ema_start,
        ema_end=recipe.ema_end,
    )
