"""What a run learns from: all clips below folders, or named ones, decoded into one prepared store. No labels."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evar.base.errors import DataError, counted, few
from evar.data import ffmpeg
from evar.data.readers.clip_files import clip_files
from evar.data.store import Store, prepare

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Clips by their paths, relative to `root`."""

    root: Path
    paths: list[str]


def source_of_folder(folder: Path, modality: str = "audio") -> Source:
    """All audio files, or images, below a folder. Raises DataError where there are none, or no such folder."""
    what = "audio files" if modality == "audio" else "images"
    if not folder.is_dir():
        raise DataError(f"no folder {folder}: name one that holds {what}")
    listing = clip_files(folder, modality)
    for remark in listing.remarks:
        log.warning(f"{folder}: {remark}")
    if not listing.paths:
        kinds = "WAV, FLAC, MP3, OGG" if modality == "audio" else "JPEG, PNG, WebP"
        hint = ""
        if modality == "audio" and (pictures := len(clip_files(folder, "image").paths)):
            hint = f", but {pictures:,} images: --image-size PIXELS trains on them"
        raise DataError(f"{folder} holds no {what} ({kinds} and others, at any depth){hint}")
    return Source(folder, listing.paths)


def prepare_sources(
    sources: Sequence[Source],
    rate: int,
    cache: Path,
    modality: str = "audio",
    *,
    workers: int,
) -> Store:
    """One store of all sources at `rate`: Hz, or pixels of images. What cannot be decoded is quarantined, and noted.

    Raises DataError where nothing is left.
    """
    only = sources[0] if len(sources) == 1 else None
    root = only.root if only else Path(sources[0].root.resolve().anchor)
    paths = only.paths if only else [str(source.root.resolve() / path) for source in sources for path in source.paths]
    store = prepare(root, list(dict.fromkeys(paths)), rate, cache, modality, workers=workers)
    if len(lost := store.quarantined):
        reasons = [f"{path} ({reason})" for path, reason in zip(lost["path"], lost["reason"], strict=True)]
        log.warning(f"{len(lost):,} of {len(store.index):,} files quarantined: {few(reasons)}")
    if len(store.waiting):
        log.warning(ffmpeg.advice(len(store.waiting)))
    seconds = float(store.index["length"].sum()) / rate
    if not seconds:
        what = "audio" if modality == "audio" else "images"
        raise DataError(f"no usable {what}: {counted(len(store.index), 'file')}, all quarantined or empty")
    much = f"{seconds / 3600:.2f} hours at {rate} Hz" if modality == "audio" else f"images of {rate} x {rate} pixels"
    log.info(f"{len(store.usable):,} files, {much}")
    return store
