import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from evar.base import threads


def test_results_come_in_the_order_of_items() -> None:
    amounts: list[int] = []
    assert threads.fit_each(lambda item: item * item, range(20), amounts.append) == [n * n for n in range(20)]
    assert amounts == [1] * 20


def test_no_items_give_no_results() -> None:
    assert threads.fit_each(lambda item: item, [], lambda amount: None) == []


def test_first_failure_is_raised_and_ends_the_rest() -> None:
    begun = []

    def fit(item: int) -> None:
        begun.append(item)
        if item == 0:
            raise ZeroDivisionError
        time.sleep(0.002)

    with pytest.raises(ZeroDivisionError):
        threads.fit_each(fit, range(1000), lambda amount: None)
    assert len(begun) < 1000


def test_linear_algebra_has_one_thread_within_and_its_own_number_after() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))

    def blas() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = blas()
    with threads.one_thread():
        assert set(blas()) == {1}
    assert blas() == before
