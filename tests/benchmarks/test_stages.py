"""Seconds by stage: they add up to the clock, and each counts once."""

import threading
from types import SimpleNamespace

import pytest

from benchmarks import stages
from benchmarks.stages import Stages


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved: `clock.wait(seconds)`."""
    now = SimpleNamespace(seconds=0.0)
    now.wait = lambda seconds: setattr(now, "seconds", now.seconds + seconds)
    monkeypatch.setattr(stages, "time", SimpleNamespace(perf_counter=lambda: now.seconds))
    return now


def work(clock):
    """Functions that take 1, 2 and 4 seconds of their own; `outer` calls `inner`, `steps` gives twice."""
    here = SimpleNamespace()

    def inner():
        clock.wait(1)
        return "inner"

    def outer():
        clock.wait(2)
        return here.inner()

    def steps():
        for _ in range(2):
            clock.wait(4)
            yield

    here.inner, here.outer, here.steps = inner, outer, steps
    return here


def test_stage_within_another_counts_for_the_inner_one_alone(clock):
    here, measured = work(clock), Stages()
    with measured.watching([("a", here, "outer"), ("b", here, "inner")]):
        clock.wait(8)
        assert here.outer() == "inner"
        here.inner()
    assert measured.seconds == {"a": 2, "b": 2, "rest": 8}
    assert measured.total == sum(measured.seconds.values())


def test_generator_counts_its_own_steps_and_not_its_callers_time(clock):
    here, measured = work(clock), Stages()
    with measured.watching([("c", here, "steps")]):
        for _ in here.steps():
            clock.wait(1)
    assert measured.seconds == {"c": 8, "rest": 2}


def test_functions_are_what_they_were_afterwards(clock):
    here, measured = work(clock), Stages()
    with pytest.raises(ValueError, match="stop"), measured.watching([("b", here, "inner")]):
        raise ValueError("stop")
    here.inner()
    assert "b" not in measured.seconds


def test_other_threads_do_not_count(clock):
    here, measured = work(clock), Stages()
    with measured.watching([("b", here, "inner")]):
        thread = threading.Thread(target=here.inner)
        thread.start()
        thread.join()
    assert measured.seconds == {"rest": 1}  # the clock went on meanwhile


def test_name_that_is_not_there_is_said(clock):
    with pytest.raises(AttributeError, match="nothing"), Stages().watching([("b", work(clock), "nothing")]):
        pass
