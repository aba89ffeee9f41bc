"""An evaluator's work on the devices of a cluster. The head, this process, prepares, keeps the cache and the rows.

A piece of a plan, whole blocks in the shape that one device would use, is what a worker is given: the bits are the
same for any number of workers, and a lost one costs its pieces. Clips are read on the worker's machine where the
store lies under the same path, each checked against its checksum; else they are sent, to each machine once.
"""

import contextlib
import hashlib
import logging
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evar.cluster import pool
from evar.cluster.pool import QUEUED, Devices, Pool
from evar.cluster.worker import Facts, Piece, Wanted, Worker, code, fit
from evar.config import Config
from evar.data.manifest import Manifest
from evar.data.task import Task
from evar.embeddings.batches import Plan
from evar.embeddings.device import Runtime
from evar.embeddings.extract import Embeddings, embed
from evar.embeddings.forward import Values
from evar.encoders.contract import Encoder
from evar.fitting import ProbeFit
from evar.pipeline import Engine
from evar.preparation import Prepared, prepare_task
from evar.probes.contract import Probe

log = logging.getLogger(__name__)

PIECE_BLOCKS = 8  # at most: a lost worker costs so much
PIECE_BYTES = 512 << 20  # of samples, at most, but for a single block
KEPT_SHARE = 0.2  # of the object stores, for clips that other encoders will want


@contextlib.contextmanager
def connected(address: str, config: Config) -> Iterator["Cluster"]:
    """A cluster with a worker on each of its devices. Raises UsageError, see `pool.connection`."""
    with pool.connection(address, config.device) as devices:
        cluster = Cluster(devices, config)
        try:
            cluster.begin()
            yield cluster
        finally:
            cluster.close()


class Cluster(Engine):
    """All workers, and what all encoders share: prepared tasks, and clips that were sent."""

    def __init__(self, devices: Devices, config: Config) -> None:
        self.devices = devices
        self.at_once = QUEUED * devices.count + 2  # a few more than are embedded: probes fit, rows are written
        self._ours, self._first = code(), threading.Lock()
        self._kind, self.lacks = "", set[tuple[str, Path]]()
        there = replace(config, device="cuda" if devices.kind == "GPU" else "cpu")
        self.pool = Pool(Worker, (there, os.getcwd()), devices, self._admit)  # noqa: PTH109
        self._prepared: dict[tuple[Path, int], Prepared] = {}
        self._preparing = threading.Lock()
        self.sent = Sent(int(KEPT_SHARE * devices.object_store))
        self.received_bytes = 0

    def begin(self) -> None:
        """Wait for the first worker."""
        log.info(f"waiting for workers on {self.devices.count} x {self.devices.kind}")
        self.facts: Facts = self.pool.facts()

    def close(self) -> None:
        """End it."""
        self.pool.close()

    def of(self, encoder: str, weights: str | None, order: int) -> Engine:
        """The engine for one encoder; the first ones go first, so that few are open at a time."""
        return Remote(self, encoder, weights, order)

    def clips_of(self, plan: Plan, size: int) -> "Clips":
        """The clips of a plan, for workers."""
        return Clips(plan, size, self.sent, self.lacks)

    def runtime(self, config: Config) -> Runtime:
        """That of the workers; this machine may lack such a device."""
        facts = self.facts
        device = torch.device(f"{facts.device_type}:0" if facts.device_type == "cuda" else facts.device_type)
        return Runtime(device, facts.precision, config.batch_size, facts.device)

    def prepare(self, task: Task, rate: int, config: Config) -> Prepared:
        """The task's clips, decoded here, once for all encoders of a rate."""
        with self._preparing:
            if (task.file, rate) not in self._prepared:
                self._prepared[task.file, rate] = prepare_task(task, rate, config)
            return self._prepared[task.file, rate]

    def _admit(self, facts: Facts) -> str:
        if facts.code != self._ours:
            return f"{facts.machine} has other code than this machine: install the same evar and packages there"
        with self._first:
            self._kind = self._kind or facts.device
            if facts.device != self._kind:
                log.warning(f"{facts.machine} has {facts.device}, others {self._kind}: their numbers round differently")
        return ""


@dataclass
class Remote(Engine):
    """The work of one encoder, given to a cluster."""

    cluster: Cluster
    encoder: str
    weights: str | None
    order: int

    @property
    def at_once(self) -> int:  # type: ignore[override]
        """That of the cluster."""
        return self.cluster.at_once

    def runtime(self, config: Config) -> Runtime:
        """That of the workers."""
        return self.cluster.runtime(config)

    def prepare(self, task: Task, rate: int, config: Config) -> Prepared:
        """The task's clips, decoded here, once for all encoders of a rate."""
        return self.cluster.prepare(task, rate, config)

    def unstable(self, encoder: Encoder, samples: int, device: torch.device) -> str:
        """See `Engine`."""
        if not encoder.identity.behaviour:  # of this package: nothing is looked at
            return ""
        precision = self.cluster.facts.precision
        why: str = self._begin("unstable", lambda facts: (self._wanted(encoder), precision, samples)).result()
        return why

    def embed(self, encoder: Encoder, plan: Plan, runtime: Runtime, cache: Path) -> Embeddings:
        """See `Engine`; into the cache of this machine, whatever worker computes."""

        def compute(
            encoder: Encoder, plan: Plan, blocks: Iterable[int], size: int, device: torch.device
        ) -> Iterator[tuple[int, Values]]:
            return self._blocks(encoder, plan, list(blocks), size, runtime.precision)

        return embed(encoder, plan, runtime, cache, compute)

    def fits(
        self, clips: Manifest, embeddings: Embeddings, outputs: Sequence[str], probe: Probe, config: Config
    ) -> Iterable[ProbeFit]:
        """See `Engine`; as a task of Ray on a share of a device."""
        arrays = [pool.put(np.asarray(embeddings.outputs[output])) for output in outputs]
        light = replace(embeddings, outputs={})
        fitted: list[ProbeFit] = self.cluster.pool.task(fit, clips, light, list(outputs), probe, config, *arrays)
        return fitted

    def _wanted(self, encoder: Encoder) -> Wanted:
        return Wanted(self.encoder, self.weights, encoder.identity)

    def _begin(self, method: str, arguments: Callable[[Facts], tuple[Any, ...]]) -> pool.Call:
        return self.cluster.pool.begin(method, arguments, f"{self.encoder} {self.weights}", self.order)

    def _blocks(
        self, encoder: Encoder, plan: Plan, blocks: list[int], size: int, precision: str
    ) -> Iterator[tuple[int, Values]]:
        """Whole blocks from any workers, in order."""
        wanted, ahead = self._wanted(encoder), self.cluster.devices.count * QUEUED
        # pieces small enough that every worker has some
        step = max(1, min(PIECE_BLOCKS, PIECE_BYTES // (2 * plan.samples * size), len(blocks) // ahead))
        clips, under_way = self.cluster.clips_of(plan, size), deque[tuple[list[int], pool.Call]]()

        def begin(piece: list[int]) -> pool.Call:
            return self._begin("embed", lambda facts: (wanted, precision, clips.of(piece, facts)))

        for piece in _runs(blocks, step):
            under_way.append((piece, begin(piece)))
            if len(under_way) > ahead:
                yield from self._ended(*under_way.popleft(), clips, begin)
        while under_way:
            yield from self._ended(*under_way.popleft(), clips, begin)

    def _ended(
        self, piece: list[int], call: pool.Call, clips: "Clips", begin: Callable[[list[int]], pool.Call]
    ) -> Iterator[tuple[int, Values]]:
        """The blocks of a piece; called again with its clips where the worker's machine cannot read them."""
        while isinstance(answer := call.result(), str):
            clips.lacking(call.facts, answer)
            call = begin(piece)
        self.cluster.received_bytes += sum(array.nbytes for values in answer for array in values.values())
        yield from zip(piece, answer, strict=True)


class Sent:
    """Clips in the object store, kept for other encoders as long as they are few enough bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most, self._kept, self._lock = (
            most_bytes,
            OrderedDict[tuple[Any, ...], tuple[Any, int]](),
            threading.Lock(),
        )
        self.bytes = 0

    def reference(self, key: tuple[Any, ...], make: Callable[[], Piece]) -> Any:
        """The reference to a piece with its clips, put there by `make` where it is not."""
        with self._lock:
            if key not in self._kept:
                piece = make()
                assert piece.part.samples is not None
                self._kept[key] = pool.put(piece), piece.part.samples.nbytes
                self.bytes += piece.part.samples.nbytes
            self._kept.move_to_end(key)
            reference = self._kept[key][0]
            while sum(size for _, size in self._kept.values()) > self._most and len(self._kept) > 1:
                self._kept.popitem(last=False)
            return reference


@dataclass
class Clips:
    """The clips of a plan in blocks of one size, for workers: to be read where they lie, or with their samples.

    lacks: machines that cannot read them, by store
    """

    plan: Plan
    size: int
    sent: Sent
    lacks: set[tuple[str, Path]]

    def of(self, blocks: list[int], facts: Facts) -> Any:
        """A piece, or a reference to one with its samples."""
        if (facts.machine, self.plan.store.folder) not in self.lacks:
            return self._piece(blocks, whole=False)
        key = (self.plan.store.digest, self._crops, self.plan.samples, self.size, blocks[0], blocks[-1])
        return self.sent.reference(key, lambda: self._piece(blocks, whole=True))

    def lacking(self, facts: Facts, why: str) -> None:
        """A machine cannot read them: from now on they are sent there."""
        if (facts.machine, self.plan.store.folder) not in self.lacks:
            self.lacks.add((facts.machine, self.plan.store.folder))
            log.info(f"{facts.machine}: clips are sent there, since {why}")

    @cached_property
    def _crops(self) -> str:
        return hashlib.sha256(np.stack([self.plan.store_rows, self.plan.starts]).tobytes()).hexdigest()

    def _piece(self, blocks: list[int], *, whole: bool) -> Piece:
        part = slice(blocks[0] * self.size, (blocks[-1] + 1) * self.size)
        rows = self.plan.store_rows[part]
        clips = self.plan.store.part(rows, whole=whole)
        return Piece(clips, np.arange(len(rows)), self.plan.starts[part], self.plan.samples, self.size)


def _runs(blocks: Sequence[int], most: int) -> Iterator[list[int]]:
    """Blocks that follow one another, at most so many together."""
    run: list[int] = []
    for block in blocks:
        if run and (block != run[-1] + 1 or len(run) == most):
            yield run
            run = []
        run.append(block)
    if run:
        yield run
