import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from evar.base import threads
from evar.base.errors import StorageError


def test_results_come_in_the_order_of_items() -> None:
    assert threads.fit_each(lambda item: item * item, range(20)) == [n * n for n in range(20)]


def test_open_bar_advances_by_the_steps_of_each_item_or_stands_still(advances: list[int]) -> None:
    threads.fit_each(str, range(5), steps=lambda item: item)
    assert sorted(advances) == list(range(5))
    advances.clear()
    threads.fit_each(str, range(5))
    assert sum(advances) == 0


def test_no_items_give_no_results() -> None:
    assert threads.fit_each(lambda item: item, []) == []


def test_first_failure_is_raised_and_ends_the_rest() -> None:
    begun = []

    def fit(item: int) -> None:
        begun.append(item)
        if item == 0:
            raise ZeroDivisionError
        time.sleep(0.002)

    with pytest.raises(ZeroDivisionError):
        threads.fit_each(fit, range(1000))
    assert len(begun) < 1000


def test_linear_algebra_has_one_thread_within_and_its_own_number_after() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))

    def blas() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = blas()
    with threads.one_thread():
        assert set(blas()) == {1}
    assert blas() == before


def test_a_system_that_starts_no_more_threads_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(StorageError, match=r"no more threads can be started: .*ulimit -u"):
        threads.fit_each(str, range(3))
