"""Near-duplicates across the sides of a split: copies of other gain, polarity, start or coding.

Found by the cosine of their embeddings (`fingerprints.py`), nearest first and a bounded number a clip
(`neighbours.py`), and confirmed by the waveforms themselves (`correlation.py`). The evaluated encoder has no part in
it. This is the one place after `embeddings/` that hears waveforms; it knows rows and sides of a split, no labels.

Memory: 1.3 kB a clip, twice, and one clip or one block of products a thread. Bits do not depend on the number of
threads: every product has its own fixed shape and one thread.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from evar.base.progress import Progress
from evar.base.threads import one_thread
from evar.data.audio import FULL_SCALE
from evar.data.check import SILENT_PEAK
from evar.data.store import Store
from evar.scoring import neighbours
from evar.scoring.correlation import match
from evar.scoring.fingerprints import FEATURES, analysis, embed, fingerprint

EXCERPT_SECONDS = 60.0  # of longer clips the beginning is heard
FADE_SECONDS = 0.05  # at most a quarter of a clip
ALIKE = 0.3  # cosine from which pairs are compared; copies of all kinds at once measured 0.28 and more, most 0.4
ALWAYS_COMPARED_SECONDS = 4_000  # of audio, the nearest pairs however unlike: a small task is searched throughout
MOST_COMPARED_SECONDS = 150_000  # of audio, nearest pairs first: about a minute of a core
_CLIPS, _PAIRS = 64, 16  # a piece of work for a thread

Rows = NDArray[np.int64]
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Pair:
    """Two clips, by their places in what was asked for, whose waveforms match. lag: seconds; the first is late."""

    first: int
    second: int
    correlation: float
    lag: float


@dataclass(frozen=True)
class Heard:
    """What listening to all clips tells.

    silent: (clip,) bool: never further than SILENT_PEAK from their mean; pairs: of clips of different sides;
    uncompared: pairs that were alike but beyond MOST_COMPARED_SECONDS.
    """

    silent: NDArray[np.bool_]
    pairs: list[Pair]
    uncompared: int


def listen(
    store: Store, rows: Rows, sides: Rows, asking: Sequence[int], contents: Rows, *, workers: int, progress: Progress
) -> Heard:
    """Listen to the clips in `rows` (clip,) of a store, and find their near-duplicates on other sides than their own.

    sides: (clip,) int; asking: the sides whose clips look for copies; contents: (clip,) int, equal where the samples
    are, which makes no near-duplicate.
    """
    prints, silent = _fingerprints(store, rows, workers, progress)
    sounding = np.flatnonzero(~silent)
    order = sounding[np.argsort(sides[sounding], kind="stable")]
    if len(np.unique(sides[order])) < 2:
        return Heard(silent, [], 0)
    found, cosines = _candidates(embed(prints[order]), sides[order], asking, workers, progress)
    found = order[found]
    other = contents[found[:, 0]] != contents[found[:, 1]]
    lengths = np.minimum(store.index["length"].to_numpy()[rows], EXCERPT_SECONDS * store.rate)
    chosen, uncompared = _worth_comparing(found[other], cosines[other], lengths / store.rate)
    return Heard(silent, _confirmed(store, rows, chosen, workers, progress), uncompared)


def waveform(store: Store, row: int) -> NDArray[np.float32]:
    """(sample,) of a clip, or of its beginning, in [-1, 1], without its mean and faded at both ends.

    A clip cut out of a sound begins and ends with a click, which another cut has elsewhere: fading takes both away.
    """
    excerpt = store.samples(row)[: round(EXCERPT_SECONDS * store.rate)]
    samples: NDArray[np.float32] = excerpt.astype(np.float32) / np.float32(FULL_SCALE)
    samples -= samples.mean()
    fade = _fade(min(round(FADE_SECONDS * store.rate), len(samples) // 4))
    samples[: len(fade)] *= fade
    samples[len(samples) - len(fade) :] *= fade[::-1]
    return samples


@lru_cache(maxsize=64)
def _fade(length: int) -> NDArray[np.float32]:
    """(sample,) from 0 to 1, half a period of a raised cosine."""
    return (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / max(1, length))).astype(np.float32)


def _fingerprints(
    store: Store, rows: Rows, workers: int, progress: Progress
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(clip, FEATURES) fingerprints, zero for the silent, and (clip,) whether they are silent."""
    tables = analysis(store.rate)
    prints, silent = np.zeros((len(rows), FEATURES), np.float32), np.zeros(len(rows), np.bool_)

    def work(start: int) -> int:
        for place, row in enumerate(rows[start : start + _CLIPS].tolist(), start):
            heard = waveform(store, row)
            silent[place] = np.abs(heard).max() < SILENT_PEAK
            if not silent[place]:
                prints[place] = fingerprint(heard, tables)
        return min(_CLIPS, len(rows) - start)

    with progress("leaks", total=len(rows), unit="clip") as advance:
        _each(work, range(0, len(rows), _CLIPS), workers, advance)
    return prints, silent


def _candidates(
    embeddings: NDArray[np.float32], sides: Rows, asking: Sequence[int], workers: int, progress: Progress
) -> tuple[Rows, NDArray[np.float32]]:
    """(pair, 2) places of every asking clip's nearest on other sides, once each, and (pair,) their cosines."""
    pairs, cosines = [np.empty((0, 2), np.int64)], [np.empty(0, np.float32)]
    blocks = neighbours.blocks(sides, asking)

    def work(block: neighbours.Block) -> tuple[Rows, NDArray[np.float32], int]:
        values, places = neighbours.nearest(embeddings, block)
        queries = np.broadcast_to(np.arange(block.queries.start, block.queries.stop)[:, None], places.shape)
        there = places >= 0
        return np.sort(np.stack([queries[there], places[there]], axis=1), axis=1), values[there], len(values)

    total = sum(block.queries.stop - block.queries.start for block in blocks)
    with progress("leaks, neighbours", total=total, unit="clip") as advance:

        def keep(found: tuple[Rows, NDArray[np.float32], int]) -> None:
            pairs.append(found[0])
            cosines.append(found[1])
            advance(found[2])

        _each(work, blocks, workers, keep)
    once, first = np.unique(np.concatenate(pairs), axis=0, return_index=True)
    return once, np.concatenate(cosines)[first]


def _worth_comparing(pairs: Rows, cosines: NDArray[np.float32], seconds: NDArray[np.float64]) -> tuple[Rows, int]:
    """The pairs (pair, 2) to be compared, nearest first, and how many more are alike. seconds: (clip,)."""
    order = np.argsort(-cosines, kind="stable")
    taken, alike = np.cumsum(seconds[pairs[order]].sum(axis=1)), cosines[order] >= ALIKE
    compared = (taken <= ALWAYS_COMPARED_SECONDS) | (alike & (taken <= MOST_COMPARED_SECONDS))
    return pairs[order[compared]], int(np.count_nonzero(alike & ~compared))


def _confirmed(store: Store, rows: Rows, pairs: Rows, workers: int, progress: Progress) -> list[Pair]:
    """Those of the pairs (pair, 2) whose waveforms match, in the order of their places."""

    def work(start: int) -> tuple[list[Pair], int]:
        found, compared = [], pairs[start : start + _PAIRS].tolist()
        for first, second in compared:
            heard = match(waveform(store, int(rows[first])), waveform(store, int(rows[second])), store.rate)
            if heard.copy:
                found.append(Pair(first, second, heard.correlation, heard.lag))
        return found, len(compared)

    confirmed: list[Pair] = []
    with progress("leaks, pairs", total=len(pairs), unit="pair") as advance:

        def keep(outcome: tuple[list[Pair], int]) -> None:
            confirmed.extend(outcome[0])
            advance(outcome[1])

        _each(work, range(0, len(pairs), _PAIRS), workers, keep)
    return sorted(confirmed, key=lambda pair: (pair.first, pair.second))


def _each(
    work: Callable[[Item], Outcome], items: Sequence[Item], workers: int, done: Callable[[Outcome], None]
) -> None:
    """`done(work(item))` for each item, in order; the work by `workers` threads of one thread of linear algebra each.

    The first exception ends it: what is not begun is dropped.
    """
    with one_thread(), ThreadPoolExecutor(max(1, workers), thread_name_prefix="leaks") as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in futures:
                done(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
