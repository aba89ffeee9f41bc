"""What a run learns from: all audio below folders, or named clips, decoded into one prepared store. No labels."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evar.base.errors import DataError, few
from evar.data import ffmpeg
from evar.data.readers.clip_files import clip_files
from evar.data.store import Store, prepare

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AudioSource:
    """Clips by their paths, relative to `root`."""

    root: Path
    paths: list[str]


def source_of_folder(folder: Path) -> AudioSource:
    """All audio files below a folder. Raises DataError where there are none, or no such folder."""
    if not folder.is_dir():
        raise DataError(f"no folder {folder}: name one that holds audio files")
    listing = clip_files(folder)
    for remark in listing.remarks:
        log.warning(f"{folder}: {remark}")
    if not listing.paths:
        raise DataError(f"{folder} holds no audio files (WAV, FLAC, MP3, OGG and others, at any depth)")
    return AudioSource(folder, listing.paths)


def prepare_audio(
    sources: Sequence[AudioSource],
    rate: int,
    cache: Path,
    *,
    workers: int,
) -> Store:
    """One store of all sources at `rate` Hz. Files that cannot be decoded are quarantined, and noted.

    Raises DataError where nothing is left.
    """
    only = sources[0] if len(sources) == 1 else None
    root = only.root if only else Path(sources[0].root.resolve().anchor)
    paths = only.paths if only else [str(source.root.resolve() / path) for source in sources for path in source.paths]
    store = prepare(root, list(dict.fromkeys(paths)), rate, cache, workers=workers)
    if len(lost := store.quarantined):
        reasons = [f"{path} ({reason})" for path, reason in zip(lost["path"], lost["reason"], strict=True)]
        log.warning(f"{len(lost):,} of {len(store.index):,} files are quarantined: {few(reasons)}")
    if len(store.waiting):
        log.warning(ffmpeg.advice(len(store.waiting)))
    seconds = float(store.index["length"].sum()) / rate
    if not seconds:
        raise DataError(f"no usable audio: all {len(store.index):,} files are quarantined or empty")
    log.info(f"{len(store.usable):,} files, {seconds / 3600:.2f} hours at {rate} Hz")
    return store
