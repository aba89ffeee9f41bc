"""Alarms: numbers that are not finite, a loss that explodes, and one that loses all that was learned."""

import math

from evar.base.errors import TrainingError

FIRST = 10  # steps whose mean loss is that of an untrained model
WINDOW = 100  # steps that a mean is taken over
EXPLODED = 10.0  # times the untrained model's loss
LEARNED = 0.7  # of the untrained model's loss: below that, something was learned
LOST = 0.9  # share of what was learned


class Watch:
    """Looks at every step in order; raises TrainingError with the step, the learning rate and what to try: `advice`."""

    def __init__(self, advice: str) -> None:
        self._advice = advice
        self._sum, self._count = 0.0, 0
        self._start = math.nan
        self._lowest = math.inf

    def look(self, step: int, loss: float, gradient_norm: float, learning_rate: float) -> None:
        """Raise TrainingError where the numbers of that step say that the run is lost."""
        where = f"at step {step:,} (learning rate {learning_rate:.3g})"
        if not math.isfinite(loss) or not math.isfinite(gradient_norm):
            raise TrainingError(f"the loss is {loss:g}, the gradient's norm {gradient_norm:g} {where}: {self._advice}")
        if loss > EXPLODED * self._start:
            raise TrainingError(
                f"the loss explodes: {loss:.3g} after {self._start:.3g} at the start, {where}: {self._advice}"
            )
        self._sum += loss
        self._count += 1
        if math.isnan(self._start) and self._count == FIRST:
            self._start = self._mean()
        elif self._count == WINDOW:
            self._compare(self._mean(), where)

    def _mean(self) -> float:
        mean = self._sum / self._count
        self._sum, self._count = 0.0, 0
        return mean

    def _compare(self, mean: float, where: str) -> None:
        lost = self._start - mean < (1 - LOST) * (self._start - self._lowest)
        if self._lowest < LEARNED * self._start and lost:
            raise TrainingError(
                f"the loss is back at {mean:.3g} {where}, after {self._lowest:.3g} at best and {self._start:.3g} "
                f"at the start: all that was learned is lost; {self._advice}"
            )
        self._lowest = min(self._lowest, mean)
