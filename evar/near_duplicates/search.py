"""The search for near-duplicates across the sides of a split: it reads a store's clips and no labels.

Each tested clip's nearest on other sides by fingerprint are candidates (`neighbours.py`: found by hashing, once for all
folds), and those whose waveforms match are copies (`likeness.py`). The evaluated encoder has no part in it.

Time and memory grow as the clips do (`python -m benchmarks.near_duplicates`). Memory: a few kB a clip, and one clip
or a few leaves of a tree a thread. Bits do not depend on the number of threads.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evar.base.progress import progress
from evar.base.threads import fit_each, one_thread, pieces
from evar.data.audio import FULL_SCALE
from evar.data.leaks import SILENT_PEAK
from evar.data.store import Store
from evar.near_duplicates.likeness import FEATURES, Match, analysis, embed, fingerprint, match
from evar.near_duplicates.neighbours import nearest

EXCERPT_SECONDS = 60.0  # of longer clips the beginning is compared
FADE_SECONDS = 0.05  # at most a quarter of a clip
ALIKE = 0.3  # cosine from which pairs are compared; copies of all kinds at once measured 0.28 and more, most 0.4
ALWAYS_COMPARED_SECONDS = 4_000  # of audio, the nearest pairs however unlike: a small task is searched throughout
MOST_COMPARED_SECONDS = 150_000  # of audio, nearest pairs first: about a minute of a core
_CLIPS, _PAIRS = 64, 16  # a piece of work for a thread

Rows = NDArray[np.int64]
Found = list[tuple[int, int, Match]]
Outcome = TypeVar("Outcome")


def search(store: Store, sides: Rows, asking: Sequence[int], *, workers: int) -> tuple[Found, int]:
    """The near-duplicates among a store's usable clips, and how many pairs were alike but too many to compare.

    sides: (usable clip,) int; asking: the sides whose clips look for copies on all others. Found are pairs of places
    among the usable clips, in order, with their match; clips of equal samples make none, nor do clips of one side.
    """
    rows = store.usable
    prints = _fingerprints(store, rows, workers)
    sounding = np.flatnonzero(prints.any(axis=1))
    if len(np.unique(sides[sounding])) < 2:
        return [], 0
    with one_thread():
        embeddings = embed(prints[sounding])
    pairs, cosines = nearest(embeddings, sides[sounding], asking, workers)
    pairs = sounding[pairs]
    contents = pd.factorize(store.index["content"].iloc[rows])[0]
    unequal = contents[pairs[:, 0]] != contents[pairs[:, 1]]
    seconds = np.minimum(store.index["length"].to_numpy()[rows] / store.rate, EXCERPT_SECONDS)
    chosen, uncompared = _worth_comparing(pairs[unequal], cosines[unequal], seconds)
    return _confirmed(store, rows, chosen, workers), uncompared


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


def _fingerprints(store: Store, rows: Rows, workers: int) -> NDArray[np.float32]:
    """(clip, FEATURES) fingerprints; zero for clips that, faded, never leave their mean by SILENT_PEAK."""
    tables = analysis(store.rate)
    prints = np.zeros((len(rows), FEATURES), np.float32)

    def work(piece: slice) -> None:
        for place in range(piece.start, piece.stop):
            samples = waveform(store, int(rows[place]))
            if np.abs(samples).max() >= SILENT_PEAK:
                prints[place] = fingerprint(samples, tables)

    with progress("near-duplicates", total=len(rows), unit="clip"):
        _by_pieces(work, len(rows), _CLIPS, workers)
    return prints


def _worth_comparing(pairs: Rows, cosines: NDArray[np.float64], seconds: NDArray[np.float64]) -> tuple[Rows, int]:
    """The pairs (pair, 2) to be compared, nearest first, and how many more are alike. seconds: (clip,)."""
    order = np.argsort(-cosines, kind="stable")
    taken, alike = np.cumsum(seconds[pairs[order]].sum(axis=1)), cosines[order] >= ALIKE
    compared = (taken <= ALWAYS_COMPARED_SECONDS) | (alike & (taken <= MOST_COMPARED_SECONDS))
    return pairs[order[compared]], int(np.count_nonzero(alike & ~compared))


def _confirmed(store: Store, rows: Rows, pairs: Rows, workers: int) -> Found:
    """Those of the pairs (pair, 2) whose waveforms match, in the order of their places."""

    def work(piece: slice) -> Found:
        compared = (
            (first, second, match(waveform(store, int(rows[first])), waveform(store, int(rows[second])), store.rate))
            for first, second in pairs[piece].tolist()
        )
        return [each for each in compared if each[2].copy]

    with progress("near-duplicates, pairs", total=len(pairs), unit="pair"):
        found = _by_pieces(work, len(pairs), _PAIRS, workers)
    return sorted((each for piece in found for each in piece), key=lambda each: each[:2])


def _by_pieces(work: Callable[[slice], Outcome], count: int, size: int, workers: int) -> list[Outcome]:
    """`work` on each piece of at most `size` of range(count), by `workers` threads without threads of their own."""
    return fit_each(work, pieces(count, size), at_once=workers, steps=lambda piece: piece.stop - piece.start)
