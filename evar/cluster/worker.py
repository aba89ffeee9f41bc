"""What runs on each device of a cluster: encoders, opened once, and the fits of probes."""

import contextlib
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evar.base import provenance
from evar.base.errors import StorageError, UsageError
from evar.config import Config
from evar.data.manifest import Manifest
from evar.data.store import Part
from evar.embeddings.batches import Plan
from evar.embeddings.device import PRECISIONS, choose_runtime
from evar.embeddings.extract import Embeddings
from evar.embeddings.forward import Values, embed_blocks
from evar.encoders.checks import unstable
from evar.encoders.contract import Encoder, Identity
from evar.fitting import ProbeFit
from evar.pipeline import fits, open_encoder
from evar.probes.contract import Probe

MOST_ENCODERS = 2  # that a worker keeps open


@dataclass(frozen=True)
class Facts:
    """What a worker is. code: of evar's sources and the versions of what decides numbers."""

    machine: str
    process: int
    device: str
    device_type: str
    precision: str
    code: str

    def __str__(self) -> str:
        return self.machine


@dataclass(frozen=True)
class Wanted:
    """An encoder as it is named, and what it must be."""

    encoder: str
    weights: str | None
    identity: Identity


@dataclass(frozen=True)
class Piece:
    """Clips of a plan, whole blocks of them. rows and starts: (clip,) in the part and in each clip."""

    part: Part
    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    samples: int
    size: int

    def blocks(self) -> int:
        """How many blocks it is."""
        return -(-len(self.rows) // self.size)


class Worker:
    """One device. folder: where the head runs, so that relative paths mean the same."""

    def __init__(self, config: Config, folder: str) -> None:
        with contextlib.suppress(OSError):
            os.chdir(folder)
        self._config = config
        self._runtime = choose_runtime(config.device, config.precision, config.batch_size)
        self._opened: dict[tuple[str, str | None], Encoder] = {}

    def ready(self) -> Facts:
        """What this worker is."""
        runtime = self._runtime
        device, kind = runtime.described, runtime.device.type
        return Facts(platform.node(), os.getpid(), device, kind, runtime.precision, code())

    def embed(self, wanted: Wanted, precision: str, piece: Piece) -> list[Values] | str:
        """The piece's blocks, in order; or why its clips cannot be read here, where they were not sent.

        Raises what `embed_blocks` raises, and UsageError for an encoder that is another one here.
        """
        encoder = self._encoder(wanted, precision)
        try:
            plan = Plan(piece.part.open(), piece.rows, piece.starts, piece.samples)
            blocks = embed_blocks(encoder, plan, range(piece.blocks()), piece.size, self._runtime.device)
            return [values for _, values in blocks]
        except StorageError as error:
            if piece.part.samples is not None:
                raise
            return str(error)

    def unstable(self, wanted: Wanted, precision: str, samples: int) -> str:
        """See `evar.encoders.checks.unstable`."""
        return unstable(self._encoder(wanted, precision), samples, self._runtime.device)

    def _encoder(self, wanted: Wanted, precision: str) -> Encoder:
        key = wanted.encoder, wanted.weights
        if key not in self._opened:
            while len(self._opened) >= MOST_ENCODERS:
                del self._opened[next(iter(self._opened))]
            self._opened[key] = open_encoder(wanted.encoder, wanted.weights, None, self._config)
        encoder = self._opened[key]
        if _without_behaviour(encoder.identity) != _without_behaviour(wanted.identity):
            raise UsageError(
                f"{platform.node()} has another {wanted.encoder} than this machine: {encoder.identity} is not "
                f"{wanted.identity}; give both the same files"
            )
        encoder.set_precision(PRECISIONS[precision])
        return encoder


def _without_behaviour(identity: Identity) -> Identity:
    """What must be equal on all machines; numbers of code from outside may round differently on another kind."""
    return replace(identity, behaviour="")


def fit(
    clips: Manifest,
    embeddings: Embeddings,
    outputs: Sequence[str],
    probe: Probe,
    config: Config,
    *arrays: NDArray[np.float32],
) -> list[ProbeFit]:
    """The fits of a probe, without their networks. arrays: of each output, which `embeddings` lack."""
    whole = replace(embeddings, outputs=dict(zip(outputs, arrays, strict=True)))
    return [_light(each) for each in fits(clips, whole, outputs, probe, config)]


def _light(fit: ProbeFit) -> ProbeFit:
    chosen = {
        name: replace(each, fits=[_Judged(fitted.converged) for fitted in each.fits])
        for name, each in fit.chosen.items()
    }
    return replace(fit, chosen=chosen)


@dataclass(frozen=True)
class _Judged:
    """What stays of a fitted probe whose predictions were read."""

    converged: bool

    def logits(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        raise NotImplementedError("its predictions were read where it was fitted")


def code() -> str:
    """Digest of evar's sources and of the versions of the packages whose numbers end up in a score."""
    return provenance.hash_json([provenance.hash_sources([""]), dict(provenance.versions())])
