"""The near-duplicates of a task's clips, found once and kept beside the store's samples.

    find(clips, store, ...)     # `evar check --near-duplicates`: minutes for a large task, nothing the second time
    known(clips, store)         # what was found of these very clips, for `evar check` and for a row; else None

They are in STORE/near-duplicates-KEY.json. KEY is the digest of all that decides them: samples, table, sides, and the
search's own sources.
"""

from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evar.base import provenance
from evar.base.errors import few
from evar.base.files import locked, remove_unfinished
from evar.base.json_file import read_json, write_json
from evar.data.leaks import OTHER_SIDE, number_sides
from evar.data.manifest import Manifest
from evar.data.store import Store

if TYPE_CHECKING:
    from evar.near_duplicates.search import Found


@dataclass(frozen=True)
class NearDuplicate:
    """A test clip. other: the clip on another side that matches best, one of `others` there.

    correlation: negative where the polarity is reversed; lag: seconds by which `path` is late.
    """

    path: str
    part: str
    other: str
    other_part: str
    others: int
    correlation: float
    lag: float

    def __str__(self) -> str:
        clips = f"{self.path} ({self.part}) and {self.other} ({self.other_part})"
        return f"{clips}, correlation {self.correlation:.2f} at {self.lag:.3f} s"


@dataclass(frozen=True)
class NearDuplicates:
    """All of them, the strongest matches first; uncompared: pairs that sound alike and were too many to compare."""

    clips: tuple[NearDuplicate, ...]
    uncompared: int
    file: Path

    @property
    def text(self) -> str:
        """The finding, in one line."""
        text = "none"
        if self.clips:
            pairs = {frozenset((each.path, each.other)): str(each) for each in self.clips}
            text = (
                f"{len(self.clips):,} test clips nearly equal a clip {OTHER_SIDE}: {few(pairs.values())}; "
                f"all in {self.file!s}"
            )
        more = f"; {self.uncompared:,} more pairs sound alike and were too many to compare"
        return text + more if self.uncompared else text


def find(clips: Manifest, store: Store, *, workers: int) -> NearDuplicates:
    """The near-duplicates among `clips`, the usable ones of a store in its order: known, or found and kept.

    Raises StorageError where the cache cannot be written.
    """
    if (found := known(clips, store)) is None:
        with locked(file := _file(clips, store), "waiting for another process that looks for near-duplicates here"):
            remove_unfinished(store.folder)
            if (found := _read(file)) is None:
                sides, asking = number_sides(clips)
                from evar.near_duplicates.search import search  # which imports torch

                pairs, uncompared = search(store, sides, asking, workers=workers)
                found = NearDuplicates(_named(clips, pairs, np.isin(sides, asking).tolist()), uncompared, file)
                write_json(file, {"uncompared": uncompared, "clips": [asdict(each) for each in found.clips]})
    return found


def known(clips: Manifest, store: Store) -> NearDuplicates | None:
    """What `find` has kept; None where it has not, or where that is not whole any more."""
    return _read(_file(clips, store))


def _file(clips: Manifest, store: Store) -> Path:
    versions = provenance.versions()
    own = ("near_duplicates/", "nn/", "data/leaks.py")
    key = {
        "store": store.digest,
        "table": clips.digest,
        "folds": clips.task.folds,
        "sources": provenance.hash_sources(provenance.imported_sources(["near_duplicates/record.py"], own)),
        "versions": {name: versions[name] for name in ("numpy", "torch")},
    }
    return store.folder / f"near-duplicates-{provenance.hash_json(key)[:16]}.json"


def _read(file: Path) -> NearDuplicates | None:
    content = read_json(file)
    if not content:
        return None
    return NearDuplicates(tuple(NearDuplicate(**each) for each in content["clips"]), content["uncompared"], file)


def _named(clips: Manifest, pairs: "Found", tested: list[bool]) -> tuple[NearDuplicate, ...]:
    """Each tested clip of the pairs, once, with its best match."""
    paths, parts = clips.table["path"].tolist(), clips.table["part"].tolist()
    matches: dict[int, list[tuple[float, float, int]]] = defaultdict(list)
    for first, second, match in pairs:
        matches[first].append((match.correlation, match.lag, second))
        matches[second].append((match.correlation, 0.0 - match.lag, first))
    found = []
    for clip in sorted(clip for clip in matches if tested[clip]):
        correlation, lag, other = max(matches[clip], key=lambda each: abs(each[0]))
        found.append(
            NearDuplicate(paths[clip], parts[clip], paths[other], parts[other], len(matches[clip]), correlation, lag)
        )
    return tuple(sorted(found, key=lambda each: -abs(each.correlation)))
