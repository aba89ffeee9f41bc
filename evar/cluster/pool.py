"""The only door to Ray: devices of a cluster as workers that are called, whichever of them is free.

    with connection("auto", "cpu") as devices:
        pool = Pool(Worker, arguments, devices, admit)
        call = pool.begin("embed", arguments)          # from any thread; waits for a free worker
        call.result()

Ray places the workers, starts them again when they or their machines die, moves what they are given and give, and
retries tasks. What is done here: a call whose worker was lost is given to another one.
"""

import contextlib
import logging
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from evar.base.errors import DataError, EvarError, UsageError, install_hint

log = logging.getLogger(__name__)

QUEUED = 2  # calls of a worker at a time: the next one's data travels while one is computed
MOST_LOSSES = 4  # of workers by one call, which then is at fault
PATIENCE = 60.0  # seconds without a free worker, until that is said


class PoolClosed(EvarError):
    """What is waited for comes no more, since the pool was closed."""


@dataclass(frozen=True)
class Devices:
    """What a cluster has: how many devices of which kind ("GPU" or "CPU"), and bytes of object store on all nodes."""

    kind: str
    count: int
    object_store: int

    @property
    def of_worker(self) -> dict[str, float]:
        """What a worker takes, in Ray's words: of a GPU so much that no other worker fits beside it."""
        return {"num_gpus": 0.6, "num_cpus": 0} if self.kind == "GPU" else {"num_cpus": 1}

    @property
    def of_task(self) -> dict[str, float]:
        """What a task takes: the rest of a GPU; beside workers that take all CPUs, nothing, so that it never waits."""
        return {"num_gpus": 0.4, "num_cpus": 1} if self.kind == "GPU" else {"num_cpus": 0}


@contextlib.contextmanager
def connection(address: str, device: str) -> Iterator[Devices]:
    """Connected to a cluster: its devices of the kind that `device` (auto, cpu or cuda) names.

    address: of a cluster, or "auto": the one of this machine, else one of its devices that ends with the block.
    Raises UsageError where Ray is not installed, no cluster answers, or it has no such device.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--cluster takes all devices of a kind: --device auto, cpu or cuda, not {device}")
    ray = _ray()
    given = {} if address == "auto" else {"address": _answering(address)}
    try:
        ray.init(**given, include_dashboard=False, log_to_driver=False, logging_level="error", configure_logging=False)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise UsageError(
            f"--cluster {address}: no Ray cluster answers there ({error}); `ray status` shows one"
        ) from error
    try:
        yield _devices(ray.cluster_resources(), address, device)
    finally:
        ray.shutdown()


def _devices(there: dict[str, float], address: str, device: str) -> Devices:
    kind = "CPU" if device == "cpu" or (device == "auto" and not there.get("GPU")) else "GPU"
    if not (count := int(there.get(kind, 0))):
        raise UsageError(f"--cluster {address} has no {kind}: `ray status` shows what it has")
    return Devices(kind, count, int(there.get("object_store_memory", 0)))


def _answering(address: str) -> str:
    """The address, where something answers: Ray itself would look for it for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise UsageError(f"--cluster {address}: give auto, or HOST:PORT as `ray start --head` says it")
    try:
        socket.create_connection((host, int(port)), PATIENCE / 6).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"--cluster {address}: nothing answers there ({error}); run `ray start --head` first"
        ) from error
    return address


def put(value: Any) -> Any:
    """A reference to a value that workers are given in its place: it travels to each machine once."""
    return _ray().put(value)


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray warns of its own change to come
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # its messages go to stdout, between the results
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise UsageError(f"--cluster needs Ray: {install_hint('cluster')}") from error
    return ray


@dataclass(eq=False)
class Slot:
    """A place for one call at one worker. facts: what the worker said of itself."""

    actor: Any
    number: int
    facts: Any = None
    keys: set[str] = field(default_factory=set)


class Pool:
    """A worker on each device.

    kind:  a class whose `ready()` says what its worker is
    admit: gives why a worker of such facts must not be used, or ""
    """

    def __init__(
        self, kind: type, arguments: tuple[Any, ...], devices: Devices, admit: Callable[[Any], str] = lambda facts: ""
    ) -> None:
        self._ray, self._admit, self._count, self._devices = _ray(), admit, devices.count, devices
        self._free: list[Slot] = []
        self._changed = threading.Condition()
        self._refused: dict[int, str] = {}
        self._waiting, self._tasks = Counter[int](), set[Any]()
        self._closed = self._slots_seen = False
        self.lost, self.errors = list[Any](), self._ray.exceptions
        actor = self._ray.remote(**devices.of_worker, max_restarts=-1)(kind)
        self._actors = [actor.remote(*arguments) for _ in range(devices.count)]
        for number, handle in enumerate(self._actors):
            keys = set[str]()
            for _ in range(QUEUED):
                self._await(Slot(handle, number, keys=keys))

    def close(self) -> None:
        """End all workers and every wait for one."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        for actor in self._actors:
            self._ray.kill(actor)
        for reference in list(self._tasks):
            self._ray.cancel(reference, force=True)

    def facts(self) -> Any:
        """What the first worker that is there says of itself."""
        slot = self.take("", 0)
        self.give_back(slot)
        return slot.facts

    def begin(self, method: str, arguments: Callable[[Any], tuple[Any, ...]], key: str = "", order: int = 0) -> "Call":
        """Call a worker as soon as one is free; waits for it.

        arguments: made for the worker's facts
        key:       a worker that was called with it before is taken where there is a choice
        order:     of several that wait, the lowest goes first
        """
        return Call(self, method, arguments, key, order)

    def task(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(*arguments)` on any machine, again where that is lost. Raises what it raises, and DataError."""
        self.require_open()
        reference = self._ray.remote(**self._devices.of_task)(function).remote(*arguments)
        self._tasks.add(reference)
        try:
            return self._ray.get(reference)
        except self.errors.RayTaskError as error:
            raise error.cause from None
        except self.errors.RayError as error:
            self.require_open()
            raise DataError(f"Ray lost it each time: {_first_line(error)}") from error
        finally:
            self._tasks.discard(reference)

    def start(self, slot: Slot, method: str, arguments: tuple[Any, ...]) -> Future[Any]:
        """The call itself. The slot is free again when it has ended."""
        future: Future[Any] = getattr(slot.actor, method).remote(*arguments).future()
        future.add_done_callback(lambda done: self._after(slot, done.exception()))
        return future

    def _after(self, slot: Slot, error: BaseException | None) -> None:
        if error is None or isinstance(error, self.errors.RayTaskError):
            self.give_back(slot)
        elif not self._closed:
            if slot.facts not in self.lost:
                self.lost.append(slot.facts)
                log.warning(f"a worker on {slot.facts} was lost; what it had is given to another")
            self._await(slot)

    def _await(self, slot: Slot) -> None:
        """Have the slot called once its worker is ready, which Ray starts again as often as needed."""
        reference = slot.actor.ready.options(max_task_retries=-1).remote()
        reference.future().add_done_callback(lambda ready: self._welcome(slot, ready))

    def _welcome(self, slot: Slot, ready: Future[Any]) -> None:
        if self._closed:
            return
        try:
            slot.facts = ready.result()
            why = self._admit(slot.facts)
        except Exception as error:  # its class cannot be made there
            why = f"a worker cannot be started: {_first_line(error)}"
        if not why:
            self.give_back(slot)
            return
        with self._changed:
            if why not in self._refused.values():
                log.warning(why)
            self._refused[slot.number] = why
            self._changed.notify_all()

    def give_back(self, slot: Slot) -> None:
        """The slot is free."""
        with self._changed:
            self._free.append(slot)
            self._slots_seen = True
            self._changed.notify_all()

    def take(self, key: str, order: int) -> Slot:
        """The free slot of the worker with the fewest calls; among equals one that has the key."""
        begin, said = time.monotonic(), False
        with self._changed:
            self._waiting[order] += 1
            try:
                while not self._free or order > min(self._waiting.elements()):
                    self._require_workers()
                    if not said and time.monotonic() - begin > PATIENCE and not self._slots_seen:
                        said = True
                        log.warning("no worker has come for a minute: `ray status` shows what the cluster waits for")
                    self._changed.wait(1.0)
            finally:
                self._waiting[order] -= 1
            self._require_workers()
            free = Counter(id(slot.actor) for slot in self._free)
            slot = max(self._free, key=lambda each: (free[id(each.actor)], key in each.keys))
            self._free.remove(slot)
            slot.keys.add(key)
            self._changed.notify_all()
            return slot

    def require_open(self) -> None:
        """Raise PoolClosed where the pool was closed."""
        if self._closed:
            raise PoolClosed("the sweep has ended")

    def _require_workers(self) -> None:
        self.require_open()
        if len(self._refused) == self._count:
            raise UsageError(next(iter(self._refused.values())))


class Call:
    """A call of a worker that is under way, and begun again where the worker is lost. See `Pool.begin`."""

    def __init__(
        self, pool: Pool, method: str, arguments: Callable[[Any], tuple[Any, ...]], key: str, order: int
    ) -> None:
        self._pool, self._method, self._arguments, self._key, self._order = pool, method, arguments, key, order
        self.facts, self._future = self._begin()

    def result(self) -> Any:
        """What it gives; raises what it raises, and DataError where it ends several workers."""
        errors = self._pool.errors
        for left in reversed(range(MOST_LOSSES)):
            try:
                return self._future.result()
            except errors.RayTaskError as error:
                raise error.cause from None
            except errors.RayError as error:
                self._pool.require_open()
                if not left:
                    what = f"it ended {MOST_LOSSES} workers, one after another: {_first_line(error)}"
                    raise DataError(what) from error
                self.facts, self._future = self._begin()
        raise AssertionError

    def _begin(self) -> tuple[Any, Future[Any]]:
        slot = self._pool.take(self._key, self._order)
        try:
            arguments = self._arguments(slot.facts)
        except BaseException:
            self._pool.give_back(slot)
            raise
        return slot.facts, self._pool.start(slot, self._method, arguments)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
