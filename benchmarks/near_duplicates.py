"""`python -m benchmarks.near_duplicates [CLIPS]`: how near-duplicates are found, stage by stage, old way against new.

CPU seconds of one thread. Clips are mixtures of two recordings of the demo dataset at random gains, a second each, in
ten folds; the last of each size are copies of the first, in another fold, altered in each of KINDS. The old way to
candidates is all pairs across folds, by scikit-learn; it stays here for comparison. A copy is found where its pair is a
candidate of cosine `search.ALIKE` or more and the waveforms match; copies whose waveforms do not match are nobody's
miss. CLIPS (default 100,000) is the largest size. The last line: fingerprints and comparisons, in seconds of sound.
"""

import io
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import soundfile
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from benchmarks import one_option
from evar.base import provenance
from evar.base.threads import one_thread
from evar.data import demo
from evar.near_duplicates import search
from evar.near_duplicates.likeness import FEATURES, analysis, embed, fingerprint, match
from evar.near_duplicates.neighbours import NEAREST, nearest

RATE = 16_000
SIZES = 1_000, 10_000, 30_000, 100_000
BOTH = 10_000  # clips, up to which the old way is measured too
COPIED = 20  # clips, per kind and thousand clips up to BOTH
FOLDS = 10
RECORDINGS = 200  # of demo clips, which the mixtures are made of

Waveform = NDArray[np.float32]
Result = TypeVar("Result")


def shifted(waveform: Waveform) -> Waveform:
    """10 ms later."""
    return np.concatenate([np.zeros(RATE // 100, np.float32), waveform])[: len(waveform)]


def noisy(waveform: Waveform, decibels: float) -> Waveform:
    """With white noise, so far below it."""
    noise = np.random.default_rng(len(waveform)).standard_normal(len(waveform))
    return (waveform + noise * waveform.std() * 10 ** (-decibels / 20)).astype(np.float32)


def coded(waveform: Waveform) -> Waveform:
    """MP3 and back."""
    file = io.BytesIO()
    soundfile.write(file, waveform, RATE, format="MP3")
    file.seek(0)
    return np.asarray(soundfile.read(file, dtype="float32")[0])


KINDS: dict[str, Callable[[Waveform], Waveform]] = {
    "gain": lambda waveform: 0.3 * waveform,
    "polarity": lambda waveform: -waveform,
    "shift": shifted,
    "noise, 20 dB": lambda waveform: noisy(waveform, 20),
    "noise, 10 dB": lambda waveform: noisy(waveform, 10),
    "codec": coded,
    "all, 20 dB": lambda waveform: coded(noisy(shifted(-0.3 * waveform), 20)),
}


def main(most: int) -> None:
    """Print a line a size, the exponents, a line a kind of copy and the rates of the other stages."""
    commit, dirty = provenance.commit()
    print(f"CPU, one thread  numpy {np.__version__}  commit {commit[:12]}{' + changes' if dirty else ''}")
    sizes = [size for size in SIZES if size <= most]
    with one_thread():
        begin = time.process_time()
        prints, copies, matching = made(sizes[-1])
        made_in = time.process_time() - begin
        taken, lines = [], []
        for size in sizes:
            planted = min(size, BOTH) * COPIED // 1000
            altered = np.concatenate([each[:planted] for each in copies])
            clips = np.concatenate([prints[: size - len(altered)], altered])
            sides = np.arange(size) % FOLDS
            originals = np.tile(np.arange(planted), len(KINDS))
            own = np.arange(size - len(altered), size)
            sides[own] = (sides[originals] + 1) % FOLDS
            embedding, embeddings = cpu(lambda clips=clips: embed(clips.copy()))
            new, candidates = cpu(lambda e=embeddings, s=sides: nearest(e, s, range(FOLDS), 1))
            taken.append(new)
            text = f"{size:>7,} clips: embed {embedding:6.2f} s, candidates {new:7.3f} s"
            recalls = [recall(candidates, originals, own, matching[:, :planted], size)]
            if size <= BOTH:
                old, candidates = cpu(lambda e=embeddings, s=sides: all_pairs(e, s))
                recalls.append(recall(candidates, originals, own, matching[:, :planted], size))
                text += f", all pairs {old:7.3f} s, {old / new:.1f} times as long"
            print(text)
            for kind, *found in zip(KINDS, *recalls, strict=True):
                ways = " against ".join(f"{each[0]:,} of {each[1]:,}" for each in found)
                lines.append(f"{size:>7,} clips, copies found, {kind}: {ways}")
        for first in range(len(sizes) - 1):
            last = len(sizes) - 1
            exponent = np.log(taken[last] / taken[first]) / np.log(sizes[last] / sizes[first])
            print(f"exponent of candidates, {sizes[first]:,} to {sizes[last]:,} clips: {exponent:.2f}")
        print(*lines, sep="\n")
        stages(made_in)


def made(count: int) -> tuple[NDArray[np.float32], list[NDArray[np.float32]], NDArray[np.bool_]]:
    """(clip, FEATURES) fingerprints; of each kind those of the first clips' copies; (kind, copy) whether they match."""
    draws = np.random.default_rng(0)
    recordings = np.concatenate([demo.recording(draws) for _ in range(RECORDINGS)]).astype(np.float32)
    copied = min(count, BOTH) * COPIED // 1000
    tables, prints = analysis(RATE), np.zeros((count, FEATURES), np.float32)
    copies = [np.zeros((copied, FEATURES), np.float32) for _ in KINDS]
    matching = np.zeros((len(KINDS), copied), np.bool_)
    for place in range(count):
        first, second = (np.roll(recordings[draws.integers(len(recordings))], draws.integers(RATE)) for _ in range(2))
        clip = draws.uniform(0.2, 1) * (first / first.std() + draws.uniform(0.3, 1) * second / second.std()) / 20
        clip = (clip - clip.mean()).astype(np.float32)
        prints[place] = fingerprint(clip, tables)
        if place < copied:
            for kind, alter in enumerate(KINDS.values()):
                copy = alter(clip)
                copies[kind][place] = fingerprint(copy - copy.mean(), tables)
                matching[kind, place] = match(clip, copy, RATE).copy
    return prints, copies, matching


def all_pairs(
    embeddings: NDArray[np.float32], sides: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The old way: (pair, 2) of every clip's nearest in other folds, each pair once, and (pair,) their cosines."""
    pairs, cosines = [], []
    for side in range(FOLDS):
        queries, others = np.flatnonzero(sides == side), np.flatnonzero(sides != side)
        index = NearestNeighbors(n_neighbors=NEAREST, algorithm="brute").fit(embeddings[others])
        for start in range(0, len(queries), 512):
            asked = queries[start : start + 512]
            distances, places = index.kneighbors(embeddings[asked])
            pairs.append(np.stack([np.repeat(asked, NEAREST), others[places].ravel()], axis=1))
            cosines.append(1 - distances.ravel() ** 2 / 2)
    once, first = np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0, return_index=True)
    return once, np.concatenate(cosines)[first]


def recall(
    candidates: tuple[NDArray[np.int64], NDArray[np.float64]],
    originals: NDArray[np.int64],
    copies: NDArray[np.int64],
    matching: NDArray[np.bool_],
    count: int,
) -> list[tuple[int, int]]:
    """Of each kind, how many copies are found, and how many there are whose waveforms match."""
    pairs, cosines = candidates
    compared = pairs[cosines >= search.ALIKE]
    found = np.isin(originals * count + copies, compared[:, 0] * count + compared[:, 1]).reshape(matching.shape)
    return list(zip((found & matching).sum(axis=1).tolist(), matching.sum(axis=1).tolist(), strict=True))


def stages(made_in: float) -> None:
    """Print how fast clips are fingerprinted and compared, on noise."""
    draws = np.random.default_rng(0)
    waveforms = 0.1 * draws.standard_normal((20, 10 * RATE)).astype(np.float32)
    tables = analysis(RATE)
    heard, _ = cpu(lambda: [fingerprint(each, tables) for each in waveforms])
    compared, _ = cpu(lambda: [match(*pair, RATE) for pair in zip(waveforms[::2], waveforms[1::2], strict=True)])
    print(f"fingerprints {200 / heard:,.0f} x real time (with making the clips {made_in:,.0f} s), comparisons "
          f"{200 / compared:,.0f} x, both clips counted, of at most {search.MOST_COMPARED_SECONDS:,} s")  # fmt: skip


def cpu(work: Callable[[], Result], rounds: int = 3) -> tuple[float, Result]:
    """The least CPU seconds of a few rounds, and what came out."""
    taken = []
    for _ in range(rounds):
        begin = time.process_time()
        result = work()
        taken.append(time.process_time() - begin)
    return min(taken), result


if __name__ == "__main__":
    main(one_option("benchmarks.near_duplicates", __doc__, "clips", type=int, default=SIZES[-1]))
