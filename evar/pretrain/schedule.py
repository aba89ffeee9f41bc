"""Learning rate and EMA decay at every step. Steps count from 0; `steps` is how many there are in all.

Source: Niizumi et al., arXiv:2210.14648, section 4.1; He et al., arXiv:2111.06377, table 8 (half-cycle cosine).
"""

from dataclasses import dataclass

from evar.pretrain.recipe import Recipe
from evar.training.schedule import warm_cosine

FIRST_MEMORIES, LAST_MEMORIES = 15, 3  # memories of a target, 1 / (1 - decay) steps long, that fit into a run
LEAST_DECAY = 0.9  # of a run of hardly any steps


@dataclass(frozen=True)
class Schedule:
    """What changes up to step `steps`: see the methods. warmup: steps in which the learning rate rises.

    start: the step at which this plan began; 0, or where a run that went on got more epochs
    """

    steps: int
    warmup: int
    peak_lr: float
    ema_start: float
    ema_end: float
    start: int = 0

    def learning_rate(self, step: int) -> float:
        """0 at step `start`, linear to the peak in `warmup` steps, then half a cosine down to 0 at step `steps`."""
        return warm_cosine(step - self.start, self.steps - self.start, self.warmup, self.peak_lr)

    def ema_decay(self, step: int) -> float:
        """Linear from `ema_start` at step `start` to `ema_end` at step `steps`."""
        return self.ema_start + (self.ema_end - self.ema_start) * (step - self.start) / (self.steps - self.start)


def schedule_of(recipe: Recipe, steps_an_epoch: int, start: int = 0) -> Schedule:
    """The recipe's schedule for so many steps an epoch.

    start: the step at which the plan begins: of what is left, warm-up takes the share that it has of all epochs.

    EMA decays that the recipe leaves open are 1 - 15 / steps and 1 - 3 / steps: the paper's 0.99995 and 0.99999 for its
    300,000 steps (300 epochs of 2 million clips in batches of 2,048), and the same shares of shorter runs.
    """
    steps = recipe.epochs * steps_an_epoch
    left = steps - start
    return Schedule(
        steps=steps,
        warmup=round(recipe.warmup_epochs * left / recipe.epochs),
        peak_lr=recipe.peak_lr,
        ema_start=_decay(recipe.ema_start, FIRST_MEMORIES, left),
        ema_end=_decay(recipe.ema_end, LAST_MEMORIES, left),
        start=start,
    )


def _decay(given: float | None, memories: int, steps: int) -> float:
    return max(LEAST_DECAY, 1 - memories / steps) if given is None else given
