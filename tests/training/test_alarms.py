"""Alarms of a run."""

import math

import pytest

from evar.base.errors import TrainingError
from evar.training.alarms import Watch


def look(losses, norm=1.0):
    watch = Watch("try a lower --base-lr")
    for step, loss in enumerate(losses):
        watch.look(step, loss, norm, 1e-3)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_loss_that_is_no_number_stops_with_step_rate_and_advice(loss):
    with pytest.raises(TrainingError, match=r"at step 3 \(learning rate 0.001\): try a lower --base-lr"):
        look([2, 2, 2, loss])


def test_gradient_that_is_no_number_stops():
    with pytest.raises(TrainingError, match="the gradient's norm nan at step 0"):
        look([2], norm=math.nan)


def test_loss_that_explodes_stops():
    with pytest.raises(TrainingError, match=r"the loss explodes: 25 after 2 at the start, at step 10 "):
        look([2] * 10 + [25])


def test_loss_that_returns_to_the_start_stops():
    with pytest.raises(TrainingError, match="all that was learned is lost"):
        look([2] * 110 + [0.5] * 100 + [1.95] * 100)


def test_loss_that_rises_from_its_lowest_is_no_alarm():
    """M2D's loss falls while the target is random, and rises again as the target becomes richer."""
    look([2] * 110 + [0.3] * 100 + [1.2] * 300)


def test_noisy_loss_that_has_not_yet_learned_is_no_alarm():
    look([2 + 0.2 * (-1) ** step for step in range(500)])
