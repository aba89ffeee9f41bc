"""Leaks: what the test clips share with clips on the other side of the split. Found before anything is scored.

    duplicates       clips whose samples equal those of a clip on another side
    near_duplicates  clips whose waveform matches that of a clip on another side (`near_duplicates.py`)
    groups           clips of a group (recording, speaker) that has clips on another side
    silent           clips without sound, which count as nobody's duplicate

Sides: train and valid together against test; each fold against all others, so every clip is a test clip there. What
is found is kept beside the store's samples (`leak_list.py`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evar.base import provenance
from evar.base.files import locked
from evar.base.progress import Progress
from evar.data.manifest import Manifest
from evar.data.store import Store
from evar.scoring import leak_list
from evar.scoring.leak_list import Finding, Leaks
from evar.scoring.near_duplicates import Pair, listen

Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]


def find_leaks(
    clips: Manifest,
    store: Store,
    *,
    workers: int,
    progress: Progress,
    on_wait: Callable[[], None] | None = None,
) -> Leaks:
    """The leaks among `clips`, the usable ones of a store in its order: read where they are kept, else found and kept.

    on_wait is called where another process is finding them. Raises StorageError where the cache cannot be written.
    """
    record = store.folder / f"leaks-{_key(clips, store)[:16]}.json"
    if (kept := leak_list.read(record)) is not None:
        return kept
    with locked(record, on_wait):
        if (kept := leak_list.read(record)) is None:
            kept = leak_list.keep(record, *_find(clips, store, workers, progress))
    return kept


def _key(clips: Manifest, store: Store) -> str:
    """The digest of all that decides what is found: samples, table, sides, sources of the detector."""
    versions = provenance.versions()
    sources = provenance.imported_sources(["scoring/leaks.py"], ("scoring/", "nn/"))
    return provenance.hash_json(
        {
            "store": store.digest,
            "table": clips.digest,
            "folds": clips.task.folds,
            "sources": provenance.hash_sources(sources),
            "versions": {name: versions[name] for name in ("numpy", "torch")},
        }
    )


def _find(clips: Manifest, store: Store, workers: int, progress: Progress) -> tuple[list[Finding], int]:
    """All findings by kind and path, and how many pairs were too many to compare."""
    sides, asking = _sides(clips)
    tested = np.isin(sides, asking)
    contents = _numbered(store.index["content"].to_numpy(dtype=np.str_)[store.usable])
    heard = listen(store, store.usable, sides, asking, contents, workers=workers, progress=progress)
    paths, parts = clips.table["path"].tolist(), clips.table["part"].tolist()

    def finding(kind: str, clip: int, other: int, others: int) -> Finding:
        return Finding(kind, paths[clip], parts[clip], paths[other], parts[other], others)

    found = [finding("duplicates", *each) for each in _shared(contents, sides, tested & ~heard.silent)]
    for clip, matches in _matches(heard.pairs, tested):
        other, correlation, lag = max(matches, key=lambda each: abs(each[1]))
        found.append(replace(finding("near_duplicates", clip, other, len(matches)), correlation=correlation, lag=lag))
    found += [finding("groups", *each) for each in _shared(_numbered(clips.groups), sides, tested)]
    found += [Finding("silent", paths[clip], parts[clip]) for clip in np.flatnonzero(heard.silent & tested).tolist()]
    return found, heard.uncompared


def _sides(clips: Manifest) -> tuple[Rows, list[int]]:
    """(clip,) number of each clip's side, and the sides whose clips are tested."""
    folds = clips.task.folds
    number = {name: place for place, name in enumerate(folds)} if folds else {"train": 0, "valid": 0, "test": 1}
    sides = np.array([number[part] for part in clips.table["part"]], dtype=np.int64)
    return sides, list(number.values()) if folds else [number["test"]]


def _numbered(names: NDArray[np.str_]) -> Rows:
    """(clip,) the same number for the same name."""
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _shared(keys: Rows, sides: Rows, tested: Flags) -> Iterator[tuple[int, int, int]]:
    """(clip, the first clip of its key on another side, how many there are) of the tested clips that have any."""
    members: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for clip, (key, side) in enumerate(zip(keys.tolist(), sides.tolist(), strict=True)):
        members[key][side].append(clip)
    for clip in np.flatnonzero(tested).tolist():
        others = [clips for side, clips in members[int(keys[clip])].items() if side != sides[clip]]
        if others:
            yield clip, min(clips[0] for clips in others), sum(map(len, others))


def _matches(pairs: Sequence[Pair], tested: Flags) -> Iterator[tuple[int, list[tuple[int, float, float]]]]:
    """(clip, [(other, correlation, how many seconds the clip is later)]) of the tested clips that have any."""
    found: dict[int, list[tuple[int, float, float]]] = defaultdict(list)
    for pair in pairs:
        found[pair.first].append((pair.second, pair.correlation, pair.lag))
        found[pair.second].append((pair.first, pair.correlation, 0.0 - pair.lag))
    return ((clip, found[clip]) for clip in sorted(found) if tested[clip])
