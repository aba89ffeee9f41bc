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
    """What changes over `steps`: see the methods. warmup: steps in which the learning rate rises."""

    steps: int
    warmup: int
    peak_lr: float
    ema_start: float
    ema_end: float

    def learning_rate(self, step: int) -> float:
        """0 at step 0, linear to the peak at step `warmup`, then half a cosine down to 0 at step `steps`."""
        return warm_cosine(step, self.steps, self.warmup, self.peak_lr)

    def ema_decay(self, step: int) -> float:
        """Linear from `ema_start` at step 0 to `ema_end` at step `steps`."""
        return self.ema_start + (self.ema_end - self.ema_start) * step / self.steps


def schedule_of(recipe: Recipe, steps_an_epoch: int) -> Schedule:
    """The recipe's schedule for so many steps an epoch.

    EMA decays that the recipe leaves open are 1 - 15 / steps and 1 - 3 / steps: the paper's 0.99995 and 0.99999 for its
    300,000 steps (300 epochs of 2 million clips in batches of 2,048), and the same shares of shorter runs.
    """
    steps = recipe.epochs * steps_an_epoch
    return Schedule(
        steps=steps,
        warmup=round(recipe.warmup_epochs * steps_an_epoch),
        peak_lr=recipe.peak_lr,
        ema_start=_decay(recipe.ema_start, FIRST_MEMORIES, steps),
        ema_end=_decay(recipe.ema_end, LAST_MEMORIES, steps),
    )


def _decay(given: float | None, memories: int, steps: int) -> float:
    return max(LEAST_DECAY, 1 - memories / steps) if given is None else given
