"""Many encoders on many tasks by many probes: `evar.sweep`.

    evar.sweep(["m2d", "logmel"], "core", "logistic, knn", results="results")
    evar.sweep([EncoderCall("m2d", file) for file in checkpoints], "hear", results="results", cluster="auto")

A cell that fails says why and stops no other. What has its row is not scored again, so the same sweep goes on where
it was stopped.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path
from typing import Any

from evar.base import plugins
from evar.base.errors import EvarError
from evar.base.progress import Bar, forwarded, progress
from evar.base.spec import split_calls
from evar.base.threads import Threads
from evar.cluster.cells import EncoderCall, SweepCell, encoder_calls
from evar.cluster.pool import PoolClosed
from evar.config import Config, config_of
from evar.data.manifest import read_manifest
from evar.data.named_tasks import load_tasks
from evar.data.task import Task
from evar.leaderboard import leaderboard_csv
from evar.pipeline import Engine, Evaluator, OnTask
from evar.probes import open_probes
from evar.probes.contract import Probe

log = logging.getLogger(__name__)


def sweep(
    encoders: str | EncoderCall | Sequence[str | EncoderCall],
    tasks: str | Path | Task,
    probes: str = "logistic",
    *,
    results: str | Path | None = None,
    cluster: str | None = None,
    again: bool = False,
    config: Config | None = None,
    **settings: Any,
) -> list[SweepCell]:
    """Score each encoder on each task by each probe: every cell, with its results or why it failed.

    encoders: calls such as "m2d" or "random(seed=3)", or `EncoderCall`s, which name a checkpoint too
    tasks:    as of `evar.evaluate`
    probes:   a call, or a comma list of calls
    results:  folder of a leaderboard that the rows are appended to, each as it is there; a cell that has its row there
              is not scored again
    cluster:  None: on one device of this machine. An address of a Ray cluster, or "auto" for the one that runs on this
              machine, else one that is started for the sweep: on all devices
    again:    score also what has its row

    Raises UsageError for what is wrong before any work; what is wrong with a cell is its own.
    """
    named = [encoders] if isinstance(encoders, str | EncoderCall) else list(encoders)
    config = config_of(settings, config)
    swept = Sweep.of(encoder_calls(named), tasks, probes, config, results, again=again)
    for _ in swept.run(cluster):
        pass
    return swept.cells


@dataclass(frozen=True)
class Sweep:
    """The cells of a sweep, encoder by encoder, and how they are run."""

    cells: list[SweepCell]
    probes: str
    config: Config
    results: Path | None
    again: bool

    @classmethod
    def of(
        cls,
        encoders: Sequence[EncoderCall],
        tasks: str | Path | Task,
        probes: str,
        config: Config,
        results: str | Path | None,
        *,
        again: bool = False,
    ) -> "Sweep":
        """All cells. Raises UsageError for what names no task or probe, StorageError where rows cannot be kept."""
        plugins.require_calls("probe", probes)
        open_probes(probes)
        loaded, calls = load_tasks(tasks, config.data), split_calls(probes)
        if results is not None:
            leaderboard_csv.require_writable(Path(results))
        cells = [SweepCell(encoder, task, probe) for encoder in encoders for task in loaded for probe in calls]
        return cls(cells, ", ".join(calls), config, None if results is None else Path(results), again)

    def run(self, cluster: str | None = None) -> Iterator[SweepCell]:
        """Run every cell; gives each as it ends. See `sweep`."""
        pairs = self._pairs()
        total = sum(self.clips(pair.task) for pair in pairs)
        with contextlib.ExitStack() as stack:
            engine = _engine(cluster, self.config, stack)
            counted = _Counted(stack.enter_context(progress("sweep", total=total, unit="clip")))
            stack.enter_context(forwarded("embed", counted))
            work = [partial(self._ran, pair, engine, counted) for pair in pairs]
            ended = _in_turn(work) if engine.at_once == 1 else _side_by_side(work, engine)
            for number, cell in enumerate(ended, start=1):
                counted(0, f"{number} of {len(self.cells)} cells")
                yield cell

    def clips(self, task: Task) -> int:
        """How many clips a task has; 0 where its data is not found, which its cells will say."""
        if task.name not in self._clips:
            try:
                manifest = read_manifest(task, self.config.data)
                limited = manifest if self.config.limit is None else manifest.limit(self.config.limit)
                self._clips[task.name] = len(limited.table)
            except EvarError:
                self._clips[task.name] = 0
        return self._clips[task.name]

    @cached_property
    def _clips(self) -> dict[str, int]:
        return {}

    def _pairs(self) -> "list[Pair]":
        """The cells by encoder and task; each encoder is opened once, when its first pair begins."""
        pairs = list[Pair]()
        for order, (encoder, of_encoder) in enumerate(groupby(self.cells, key=lambda cell: cell.encoder)):
            by_task = [list(cells) for _, cells in groupby(of_encoder, key=lambda cell: cell.task.name)]
            opened = Opened(encoder, self, len(by_task), order)
            pairs += [Pair(opened, cells) for cells in by_task]
        return pairs

    def _ran(self, pair: "Pair", engine: Engine, counted: "_Counted") -> Iterator[SweepCell]:
        counted.begin()
        yield from pair.run(engine)
        counted.end(self.clips(pair.task))


class Opened:
    """An encoder of a sweep with its probes: opened by the first of `pairs` that asks, let go after the last."""

    def __init__(self, call: EncoderCall, swept: Sweep, pairs: int, order: int) -> None:
        self._call, self._swept, self._left, self._order = call, swept, pairs, order
        self._lock = threading.Lock()
        self._evaluator: Evaluator | None = None
        self._error: Exception | None = None

    def evaluator(self, engine: Engine) -> Evaluator:
        """Raises what opening it raised, the same for every pair."""
        with self._lock:
            if self._evaluator is None and self._error is None:
                try:
                    self._evaluator = self._open(engine)
                except Exception as error:
                    self._error = error
            if self._evaluator is None:
                assert self._error is not None
                raise self._error
            return self._evaluator

    def leave(self) -> None:
        """A pair has ended."""
        with self._lock:
            self._left -= 1
            if not self._left:
                self._evaluator = None

    def _open(self, engine: Engine) -> Evaluator:
        call, swept = self._call, self._swept
        return Evaluator.open(
            call.encoder,
            swept.probes,
            swept.config,
            swept.results,
            weights=call.weights,
            again=swept.again,
            engine=engine.of(call.encoder, call.weights, self._order),
        )


@dataclass(frozen=True)
class Pair:
    """The cells of one encoder on one task: its clips are embedded once, for all probes."""

    opened: Opened
    cells: list[SweepCell]

    @property
    def task(self) -> Task:
        """The task of all of them."""
        return self.cells[0].task

    def run(self, engine: Engine) -> Iterator[SweepCell]:
        """Run the cells; gives each as it ends, whatever becomes of it."""
        begin = time.perf_counter()
        try:
            evaluator = self.opened.evaluator(engine)
            on_task = evaluator.on(self.task)
            for number, probe in enumerate(evaluator.probes):
                yield from self._score(number, on_task, probe, begin)
                begin = time.perf_counter()
        except PoolClosed:
            return
        except Exception as error:
            yield from _failed([cell for cell in self.cells if cell.state == "waits"], error)
        finally:
            self.opened.leave()

    def _score(self, number: int, on_task: OnTask, probe: Probe, begin: float) -> Iterator[SweepCell]:
        """One cell. Raises what embedding raised, which is every cell's; what the probe raises is its own."""
        cell = self.cells[number]
        try:
            evaluations = list(on_task.evaluations(probe))
        except Exception as error:
            if "embedded" not in vars(on_task) or isinstance(error, PoolClosed):
                raise
            yield from _failed([cell], error)
            return
        cell.results = [each.result for each in evaluations]
        cell.state = "done" if any(each.kept for each in evaluations) else "there"
        cell.seconds = time.perf_counter() - begin
        yield cell


def _failed(cells: Sequence[SweepCell], error: Exception) -> Iterator[SweepCell]:
    for cell in cells:
        cell.state, cell.error = "failed", error
        yield cell


class _Counted:
    """The bar of a sweep, of all its pairs' clips: those that are embedded, and, as a pair ends, those that were not.

    A pair runs in one thread.
    """

    def __init__(self, bar: Bar) -> None:
        self._bar, self._pair, self._lock = bar, threading.local(), threading.Lock()

    def begin(self) -> None:
        """A pair begins."""
        self._pair.clips = 0

    def __call__(self, amount: int, text: str = "", /) -> None:
        if amount:
            self._pair.clips += amount
        with self._lock:
            self._bar(amount, text)

    def end(self, clips: int) -> None:
        """A pair of so many clips has ended."""
        self(clips - self._pair.clips)


def _engine(cluster: str | None, config: Config, stack: contextlib.ExitStack) -> Engine:
    """What does the work, until the stack is closed."""
    if cluster is None:
        return Engine()
    from evar.cluster.remote import connected

    return stack.enter_context(connected(cluster, config))


def _in_turn(work: Sequence[Callable[[], Iterator[SweepCell]]]) -> Iterator[SweepCell]:
    for each in work:
        yield from each()


def _side_by_side(work: Sequence[Callable[[], Iterator[SweepCell]]], engine: Engine) -> Iterator[SweepCell]:
    """The cells of all, as they end, where each is run in a thread of its own; begun in order.

    The engine is closed where they are not all waited for, so that no thread goes on.
    """
    ended = queue.SimpleQueue[SweepCell | BaseException | None]()

    def run(each: Callable[[], Iterator[SweepCell]]) -> None:
        try:
            for cell in each():
                ended.put(cell)
        except BaseException as error:
            ended.put(error)
        else:
            ended.put(None)

    with Threads(engine.at_once, thread_name_prefix="pair") as threads:
        for each in work:
            threads.submit(run, each)
        left = len(work)
        try:
            while left:
                cell = ended.get()
                if isinstance(cell, BaseException):
                    raise cell
                if cell is None:
                    left -= 1
                else:
                    yield cell
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            engine.close()
