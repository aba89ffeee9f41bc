"""Seconds by stage, measured in the pipeline as it is: functions are wrapped for a while, by name.

Only the thread that measures counts, so that the stages never add up to more than the clock. A stage within another
counts for the inner one alone; what no stage claims is "rest".
"""

import contextlib
import functools
import inspect
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from unittest import mock

Place = tuple[str, Any, str]
"""(stage, module or class, name of the function there)."""


class Stages:
    """`seconds` by stage, "rest" included; `total`: seconds of the clock between begin and end."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.total = 0.0
        self._thread = threading.get_ident()
        self._inner: list[float] = []  # for each open stage the seconds of the stages within it

    @contextlib.contextmanager
    def watching(self, places: Iterable[Place]) -> Iterator[None]:
        """Within it every call at `places` counts, for a generator every step. AttributeError where there is none."""
        with contextlib.ExitStack() as patches:
            for stage, owner, name in places:
                patches.enter_context(mock.patch.object(owner, name, self._timed(stage, getattr(owner, name))))
            begin = time.perf_counter()
            with self._within("rest"):
                yield
            self.total += time.perf_counter() - begin

    @contextlib.contextmanager
    def _within(self, stage: str) -> Iterator[None]:
        if threading.get_ident() != self._thread:
            yield
            return
        self._inner.append(0.0)
        begin = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - begin
            self.seconds[stage] += took - self._inner.pop()
            if self._inner:
                self._inner[-1] += took

    def _timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def steps(*args: Any, **kwargs: Any) -> Iterator[Any]:
            generator = function(*args, **kwargs)
            while True:
                with self._within(stage):
                    item = next(generator, generator)
                if item is generator:
                    return
                yield item

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._within(stage):
                return function(*args, **kwargs)

        return steps if inspect.isgeneratorfunction(function) else call
