"""The prepared store: every clip of a dataset decoded once, in one memory-mapped file.

Recordings are 16-bit mono at one rate. Images are RGB of one size, 8 bits a channel: their rate is their size in
pixels, and two of their bytes are a sample, so that all that follows is the same.

    store = prepare(root, paths, 16000, cache, workers=2)
    store.samples(0)                  # (sample,) int16, straight from the disk
    store.index, store.usable, store.quarantined, store.digest

Layout: CACHE/stores/FOLDER-RATE-HASH/ holds key.json and the samples with their journal (see sample_file.py); the hash
is of the folder's place, the rate and the list of paths. A clip that cannot be decoded whole is quarantined with its
reason; it never stops the others. Groups of clips that are finished survive whatever ends the run, and a clip is
decoded anew only when its source changed.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evar import __version__
from evar.base import provenance
from evar.base.errors import StorageError, UsageError, install_hint
from evar.base.files import KEY, locked, mark_used, remove_unfinished
from evar.base.json_file import write_json
from evar.data import sample_file, store_writer
from evar.data.promised import Promised
from evar.data.sample_file import FACTS, SAMPLE, SampleFile

FORMATS: dict[str, int | str] = {"audio": 4, "image": "image 1"}
"""Of the layout and of what decoding means, by modality; another value is another store."""
NAME_CHARACTERS = 40  # of the dataset's folder in the store's


@dataclass(frozen=True, eq=False)
class Store:
    """The clips of one request, in its order.

    index: a row a clip with path, length (samples), content (hash of the samples), what `opening.Decoded` says of it
    (original_rate, duration, channels, peak, clipped, lacking, decoder; of a quarantined clip, what it waits for) and
    reason: "" or why it is quarantined, the rest then being zero or empty. digest: of rate, paths and contents; the
    same wherever the folder lies. decoded: how many clips were decoded, or found to be unchanged, when it was opened.
    """

    folder: Path
    rate: int
    index: pd.DataFrame
    digest: str
    decoded: int
    _samples: SampleFile = field(repr=False)
    modality: str = "audio"

    def samples(self, row: int) -> NDArray[np.int16]:
        """(sample,) int16 of the clip in that row, a read-only view of the disk; empty where it is quarantined."""
        return self._samples.clip(row)

    def copy(self, rows: NDArray[np.int64], starts: NDArray[np.int64], out: NDArray[np.int16]) -> None:
        """Copy clips, from samples `starts` on, into out (place, sample), cut or zero-padded to its length.

        Places beyond them are zeros. Each clip is checked: raises StorageError where the disk changed it.
        """
        self._samples.copy(rows, starts, out)

    def part(self, rows: NDArray[np.int64], *, whole: bool) -> "Part":
        """These clips, for another machine. whole: with their samples; without, it must have the store's file."""
        names = ("length", "checksum") if whole else ("offset", "length", "checksum")
        columns = {name: self._samples.columns[name][rows] for name in names}
        samples = None
        if whole:
            ends = np.cumsum(columns["length"]) * SAMPLE.itemsize
            columns["offset"] = np.concatenate([[0], ends[:-1]])
            samples = np.concatenate([self.samples(row).view(np.uint8) for row in rows.tolist()])
        paths = self.index["path"].iloc[rows].tolist()
        return Part(self._samples.data, self.rate, self.modality, paths, columns, samples)

    @property
    def usable(self) -> NDArray[np.int64]:
        """Rows of the clips that can be evaluated."""
        return np.flatnonzero(self.index["reason"] == "").astype(np.int64)

    @property
    def quarantined(self) -> pd.DataFrame:
        """Path and reason of the clips that cannot, labelled by row."""
        return self.index.loc[self.index["reason"] != "", ["path", "reason"]]

    @property
    def waiting(self) -> pd.DataFrame:
        """Those of `quarantined` that ffmpeg could read, were it installed; then they are tried again."""
        return self.index.loc[(self.index["reason"] != "") & (self.index["decoder"] != ""), ["path", "reason"]]


@dataclass(frozen=True, eq=False)
class Part:
    """Some clips of a store, as they travel: where they lie in its file, their checksums, and maybe their samples.

    samples: (byte,), clip after clip; None where `data`, the store's file, is read
    """

    data: Path
    rate: int
    modality: str
    paths: list[str]
    columns: dict[str, NDArray[Any]]
    samples: NDArray[np.uint8] | None

    def open(self) -> Store:
        """A store of these clips alone, for copying. Raises StorageError where its file is not there or is shorter."""
        if self.samples is None and not self.data.is_file():
            raise StorageError(f"{self.data} is not there")
        last = self.columns["offset"] + self.columns["length"] * SAMPLE.itemsize
        kept = [] if self.samples is None else [self.samples]
        file = SampleFile(self.data, self.columns, int(last.max(initial=0)), kept)
        file.hold()
        index = pd.DataFrame({"path": pd.Series(self.paths, dtype=object), "length": self.columns["length"]})
        return Store(self.data.parent, self.rate, index, "", 0, file, self.modality)


def prepare(
    root: Path,
    paths: Sequence[str],
    rate: int,
    cache: Path,
    modality: str = "audio",
    *,
    workers: int,
    promised: Promised | None = None,
) -> Store:
    """The store of `paths` (relative to `root`, or absolute) at `rate` Hz, decoded where it is not there already.

    rate: of images the size in pixels. workers: decoding threads; promised: how long the clips are, in the order of
    `paths`, to look for room before any is decoded. Where another process prepares the same store, its work is waited
    for and used.
    Raises StorageError where the cache cannot be written or surely has too little room; what is finished is kept, as
    after any interruption. UsageError for a size that images cannot have, and for images without Pillow.
    """
    if modality == "image":
        _require_images(rate)
    root, paths = root.resolve(), list(paths)
    folder, base = store_folder(root, paths, rate, cache, modality), str(root)
    sources = [os.path.join(base, path) for path in paths]  # noqa: PTH118  as many as clips, and any text
    samples, decoded = _fresh(folder, sources), 0
    if samples is None:
        with locked(folder, f"waiting for another process that prepares {folder.name}"):
            remove_unfinished(folder)
            key = {"root": str(root), "modality": modality, "rate": rate, "clips": len(paths)}
            write_json(folder / KEY, key | {"format": FORMATS[modality], "evar": __version__})
            decoded = store_writer.finish(folder, sources, rate, modality, promised, workers=workers)
            if (samples := sample_file.read(folder, len(sources))) is not None:
                samples.hold()
    mark_used(folder)
    return _opened(folder, rate, paths, samples, decoded, modality)


def _require_images(size: int) -> None:
    try:
        from evar.data import image
    except ImportError as error:
        raise UsageError(f"images need Pillow: {install_hint('images')}") from error
    image.require_size(size)


def store_folder(root: Path, paths: Sequence[str], rate: int, cache: Path, modality: str = "audio") -> Path:
    """Where the store of that request lies, whether or not it is there."""
    request = provenance.hash_rows(paths, FORMATS[modality], str(root.resolve()), rate)
    name = re.sub(r"[^\w.-]", "_", root.resolve().name)[:NAME_CHARACTERS]
    return cache / "stores" / f"{name}-{rate}-{request[:12]}"


def _fresh(folder: Path, sources: Sequence[str]) -> SampleFile | None:
    """What is there, held; None where anything of it is missing or older than its source."""
    samples = sample_file.read(folder, len(sources))
    if samples is None or store_writer.stale(samples, sources):
        return None
    try:
        samples.hold()
    except StorageError:  # it is being deleted
        return None
    return samples


def _opened(
    folder: Path, rate: int, paths: list[str], samples: SampleFile | None, decoded: int, modality: str
) -> Store:
    if samples is None or not samples.whole:
        raise StorageError(f"{folder}: what was written is not what is read; the disk is faulty")
    columns = samples.columns
    facts = {name: pd.Series(columns[name], dtype=columns[name].dtype) for name in ("length", *FACTS)}
    index = pd.DataFrame({"path": pd.Series(paths, dtype=object), **facts})
    digest = provenance.hash_rows(zip(paths, columns["content"], strict=True), rate)
    return Store(folder, rate, index, digest, decoded, samples, modality)
