"""Leaks: what the test clips of a task share with clips on the other side of its split, and clips without content.

    leaks = find_leaks(clips, store)     # from the table and the store's index alone; nothing is decoded or kept
    leaks.counts                         # {"duplicates": 1, "groups": 2, "silent": 0}: test clips, as a row has them
    leaks.texts                          # the same in words, with all that concerns other clips, and examples

    duplicates   equal samples after decoding, whatever the container; a silent clip is nobody's duplicate
    groups       a recording, a speaker: whatever the table says must stay together
    silent       never above SILENT_PEAK; of images: of one colour

Sides: train and valid together against test; each fold against all others, so that every clip is a test clip there.
Copies that are not equal to the sample are found by `evar/near_duplicates/`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evar.base.errors import few
from evar.data.manifest import Manifest
from evar.data.store import Store
from evar.data.task import Task

SILENT_PEAK = 1e-3  # -60 dB of full scale: nothing that a microphone was meant to record
OTHER_SIDE = "on the other side of the split"
FEW = 3  # examples, and clips named of a set

Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Duplicate:
    """Clips whose decoded samples are equal. across: they are in several parts; contradict: their labels differ."""

    paths: tuple[str, ...]
    parts: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    across: bool
    contradict: bool

    def __str__(self) -> str:
        clips = [f"{path} ({part}{': ' + '; '.join(labels) if self.contradict else ''})"
                 for path, part, labels in zip(self.paths[:FEW], self.parts, self.labels, strict=False)]  # fmt: skip
        rest = len(self.paths) - FEW
        return " = ".join([*clips, *([f"{rest:,} more"] if rest > 0 else [])])


@dataclass(frozen=True)
class Straddle:
    """A group whose clips lie in several parts. clips: how many, by part."""

    group: str
    clips: dict[str, int]

    def __str__(self) -> str:
        return f"{self.group} ({' + '.join(f'{clips} in {part}' for part, clips in self.clips.items())})"


@dataclass(frozen=True)
class Leaks:
    """What was found among the usable clips, plain values, ready for JSON.

    counts:      test clips by kind: duplicates, groups, silent
    texts:       the finding of each kind, in one line
    groups:      how many there are; as many as clips where nothing groups them
    duplicates:  sets of equal content; those of contradicting labels first, then those across parts
    straddling:  groups in several parts, train and valid too; those with most clips outside their main part first
    silent:      paths
    """

    counts: dict[str, int]
    texts: dict[str, str]
    groups: int
    duplicates: tuple[Duplicate, ...]
    straddling: tuple[Straddle, ...]
    silent: tuple[str, ...]


def find_leaks(clips: Manifest, store: Store, most: int | None = FEW) -> Leaks:
    """The leaks among `clips`, the usable ones of a store in its order.

    most: how many duplicates, straddling groups and silent clips are named, None for all; all are counted.
    """
    index = store.index.iloc[store.usable]
    sides, asking = number_sides(clips)
    silent = index["peak"].to_numpy() < SILENT_PEAK
    contents = np.where(silent, -1, pd.factorize(index["content"])[0])
    groups, names = pd.factorize(clips.table["group"])
    leaking = {"duplicates": _shared(contents, sides), "groups": _shared(groups, sides), "silent": silent}
    counts = {kind: int(np.count_nonzero(flags & np.isin(sides, asking))) for kind, flags in leaking.items()}
    duplicates, equal = _duplicates(clips, contents, counts["duplicates"], most)
    straddling, divided = _straddling(clips, groups, names, counts["groups"], most)
    paths, quiet = _silent(clips.table["path"][silent], clips.task, counts["silent"], most)
    texts = {"duplicates": equal, "groups": divided, "silent": quiet}
    return Leaks(counts, texts, len(names), duplicates, straddling, paths)


def number_sides(clips: Manifest) -> tuple[Rows, list[int]]:
    """(clip,) number of each clip's side, and the sides whose clips are tested."""
    if clips.task.folds:
        return clips.part_numbers, list(range(len(clips.task.folds)))
    return np.asarray(clips.table["part"] == "test", dtype=np.int64), [1]


def _shared(keys: Rows, places: Rows) -> Flags:
    """(clip,) whether the clip's key is also that of a clip in another place; -1 is nobody's key."""
    somewhere = np.zeros(keys.max(initial=-1) + 2, np.int64)  # the last is that of -1
    somewhere[keys] = places
    elsewhere = np.zeros(len(somewhere), np.bool_)
    elsewhere[keys[somewhere[keys] != places]] = True
    flags: Flags = elsewhere[keys] & (keys >= 0)
    return flags


def _duplicates(clips: Manifest, contents: Rows, tested: int, most: int | None) -> tuple[tuple[Duplicate, ...], str]:
    """The first sets of equal contents, and all of them in words."""
    table, noun = clips.table, clips.task.noun
    content, other = ("pixels", "an image") if clips.task.modality == "image" else ("sound", "a clip")
    rows = np.flatnonzero((np.bincount(contents + 1)[contents + 1] > 1) & (contents >= 0))
    if not len(rows):
        return (), "none"
    across, contradict = (_shared(contents, pd.factorize(table[name])[0]) for name in ("part", "labels"))
    rows = rows[np.lexsort((contents[rows], ~across[rows], ~contradict[rows]))]  # set by set
    starts = np.flatnonzero(np.diff(contents[rows], prepend=-1))
    stops = np.append(starts[1:], len(rows))
    named = table[["path", "part", "labels"]].iloc[rows[: stops[:most][-1]]]
    paths, parts, labels = (named[name].tolist() for name in named)
    found = tuple(
        Duplicate(tuple(paths[own]), tuple(parts[own]), tuple(labels[own]), bool(across[row]), bool(contradict[row]))
        for own, row in zip(map(slice, starts[:most], stops[:most]), rows[starts[:most]], strict=True)
    )
    return found, (
        f"{len(rows):,} {noun} in {len(starts):,} sets of equal {content}, "
        f"{np.count_nonzero(contradict[rows[starts]]):,} of contradicting labels; "
        f"{tested:,} test {noun} equal {other} {OTHER_SIDE}: "
        f"{few(map(str, found[:FEW]), FEW, len(starts))}"
    )


def _straddling(
    clips: Manifest, groups: Rows, names: "pd.Index[str]", tested: int, most: int | None
) -> tuple[tuple[Straddle, ...], str]:
    """The first groups that lie in several parts, and all of them in words."""
    parts = clips.task.parts
    places = groups * len(parts) + clips.part_numbers
    counts = np.bincount(places, minlength=len(names) * len(parts)).reshape(-1, len(parts))  # by group and part
    kind = "folds" if clips.task.folds else "splits"
    straddling = np.flatnonzero(np.count_nonzero(counts, axis=1) > 1)
    if not len(straddling):
        return (), f"none of {len(names):,} straddles {kind}"
    outside = counts.sum(axis=1) - counts.max(axis=1)
    straddling = straddling[np.argsort(-outside[straddling], kind="stable")]
    found = tuple(
        Straddle(str(names[group]), {part: int(here) for part, here in zip(parts, counts[group], strict=True) if here})
        for group in straddling[:most]
    )
    return found, (
        f"{len(straddling):,} of {len(names):,} straddle {kind}, with {tested:,} test {clips.task.noun}: "
        f"{few(map(str, found[:FEW]), FEW, len(straddling))}"
    )


def _silent(paths: "pd.Series[str]", task: Task, tested: int, most: int | None) -> tuple[tuple[str, ...], str]:
    """The first silent clips, and all of them in words."""
    if paths.empty:
        return (), "none"
    what = "of one colour" if task.modality == "image" else f"below {20 * np.log10(SILENT_PEAK):.0f} dB of full scale"
    return tuple(paths[:most]), (
        f"{len(paths):,} {task.noun} {what}, {tested:,} of them test {task.noun}: {few(paths[:FEW], FEW, len(paths))}"
    )
