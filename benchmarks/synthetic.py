"""Synthetic datasets in the shape of the core tasks: their parts, folds, groups, classes and seconds; no audio file.

A table of the reader `table` lists the clips; the prepared store is made by `prepare` itself, with a synthesiser in
the place of the decoder. A clip is the sum of a spectrum for each of its classes, one of its group (of GROUP_VOICES,
so that clips of a group err together) and white noise, at random levels: classes can be learned, not without error.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evar.data import audio
from evar.data.opening import Decoded
from evar.data.task import Expects, Task

CLIPS_A_GROUP = {"us8k": 7, "vc1": 7, "spcv2": 40}  # 1,297 recordings; 22,496 videos; 2,618 speakers; else a clip each
MIXED_GROUPS = {"spcv2"}  # a speaker says several words; a recording or a video has one class
FURTHER_LABELS = 1.7  # of a multi-label clip, on average; the k-th class of them has a share like 1 / k
LEAST_CLIPS = 10  # of a part, however small the scale
LEAST_CLIPS_A_CLASS = 8  # of the training clips of single labels: with hardly any, solvers meet another problem
VOICE_SAMPLES = 2**15
NOISE_SAMPLES = 2**22
BANDS, BAND_DECIBELS = 40, 6.0  # a voice's spectrum: independent levels from 50 Hz to half the rate
GROUP_VOICES = 64
LEVEL_DECIBELS = 6.0  # how far the level of each part of a clip strays
CLASS, GROUP, NOISE = 1.0, 1.5, 1.5  # their levels
FULL_SCALE = 800.0  # 16-bit units of level 1

Waveform = NDArray[np.float32]


def in_shape_of(task: Task, scale: float = 1.0) -> Task:
    """The task with `scale` of its clips in each part, and a table for a reader. It must say what it `expects`.

    Classes that would have too few clips each are fewer.
    """
    assert task.expects is not None
    assert task.expects.parts is not None
    parts = {part: min(count, max(round(scale * count), LEAST_CLIPS)) for part, count in task.expects.parts.items()}
    classes = task.classes or [f"class {number:04}" for number in range(task.expects.classes)]
    if scale < 1 and task.kind == "single-label":
        classes = classes[: max(LEAST_CLIPS, max(parts.values()) // LEAST_CLIPS_A_CLASS)]
    expects = Expects(rows=sum(parts.values()), classes=len(classes), parts=parts)
    changed = {
        "reader": "table",
        "options": {},
        "folder": task.name,
        "split_file": None,
        "classes": classes,
        "expects": expects,
    }
    return task.model_copy(update=changed)


def write_table(task: Task, shares: dict[str, int] | None, folder: Path, seed: int) -> pd.DataFrame:
    """Write folder/clips.csv; gives it as path, label numbers and group. shares: clips of each class, None for equal.

    Every class has its share of each part, as far as the part has clips enough.
    """
    assert task.classes is not None
    assert task.expects is not None
    assert task.expects.parts is not None
    draws = np.random.default_rng([seed, 0])
    weights = np.array([shares[name] if shares else 1 for name in task.classes], dtype=np.float64)
    rows = pd.concat([_part(task, part, clips, weights, draws) for part, clips in task.expects.parts.items()])
    rows = rows.iloc[draws.permutation(len(rows))].reset_index(drop=True)
    rows["path"] = [f"{row:06}.wav" for row in range(len(rows))]
    names = [";".join(task.classes[number] for number in numbers) for numbers in rows["labels"]]
    labels, part = "labels" if task.kind == "multi-label" else "label", "fold" if task.folds else "split"
    folder.mkdir(parents=True)
    table = pd.DataFrame({"path": rows["path"], labels: names, part: rows["part"], "group": rows["group"]})
    table.to_csv(folder / "clips.csv", index=False)
    return rows


def _part(task: Task, part: str, clips: int, weights: NDArray[np.float64], draws: np.random.Generator) -> pd.DataFrame:
    """Labels and groups of one part's clips, class by class."""
    numbers = np.searchsorted(np.cumsum(weights) / weights.sum(), (np.arange(clips) + 0.5) / clips)
    labels = [(int(number),) for number in numbers]
    if task.kind == "multi-label":
        frequency = 1 / (1 + draws.permutation(len(weights)))
        sizes, frequency = draws.poisson(FURTHER_LABELS, clips), frequency / frequency.sum()
        more = [draws.choice(len(weights), size, p=frequency) for size in sizes]
        labels = [tuple(sorted({*own, *further.tolist()})) for own, further in zip(labels, more, strict=True)]
    size, mixed = CLIPS_A_GROUP.get(task.name, 1), task.name in MIXED_GROUPS
    places = draws.permutation(clips) if mixed else np.arange(clips)
    groups = [f"{part}-{'' if mixed else own[0]}-{place // size}" for own, place in zip(labels, places, strict=True)]
    return pd.DataFrame({"labels": labels, "part": part, "group": groups})


class Synthesiser:
    """Stands in for `audio.read`: the clip NUMBER.wav from the table's row of that number."""

    def __init__(self, table: pd.DataFrame, seconds: float, seed: int) -> None:
        self.labels: list[tuple[int, ...]] = table["labels"].tolist()
        self.groups = (pd.util.hash_array(table["group"].to_numpy(dtype=object)) % GROUP_VOICES).tolist()
        self.seconds, self.seed = seconds, seed
        self.noise = np.random.default_rng([seed, 1]).standard_normal(NOISE_SAMPLES, dtype=np.float32)
        self.voice: Callable[[str, int, int], Waveform] = lru_cache(maxsize=None)(self._voice)

    def __call__(self, path: Path, rate: int, _: object = None) -> Decoded:
        """The clip, the same for every call."""
        row, samples = int(path.stem), round(self.seconds * rate)
        draws = np.random.default_rng([self.seed, 2, row])
        voices = [(self.voice("class", number, rate), CLASS) for number in self.labels[row]]
        mixed = np.zeros(samples, dtype=np.float32)
        for voice, level in (*voices, (self.voice("group", self.groups[row], rate), GROUP), (self.noise, NOISE)):
            strayed = level * 10 ** (draws.uniform(-LEVEL_DECIBELS, LEVEL_DECIBELS) / 20)
            mixed += np.float32(strayed * FULL_SCALE) * _from(voice, int(draws.integers(len(voice))), samples)
        whole = np.rint(mixed).clip(-32768, 32767).astype(np.int16)
        return Decoded(whole, rate, self.seconds, 1, float(np.abs(mixed).max()) / 32768, 0.0)

    def _voice(self, kind: str, number: int, rate: int) -> Waveform:
        """Noise of one spectrum, (VOICE_SAMPLES,), of mean square 1."""
        draws = np.random.default_rng([self.seed, 3 if kind == "class" else 4, number])
        hertz = np.fft.rfftfreq(VOICE_SAMPLES, 1 / rate)
        bands = np.geomspace(50, rate / 2, BANDS)
        decibels = np.interp(hertz, bands, BAND_DECIBELS * draws.standard_normal(BANDS))
        phases = np.exp(2j * np.pi * draws.uniform(size=len(hertz)))
        voice = np.fft.irfft(10 ** (decibels / 20) * phases)
        voice /= np.sqrt(np.mean(voice**2))
        return voice.astype(np.float32)


def _from(voice: Waveform, start: int, samples: int) -> Waveform:
    """`samples` of an endless repetition of the voice, from `start` on."""
    head = voice[start : start + samples]
    return head if len(head) == samples else np.concatenate([head, np.resize(voice, samples - len(head))])


def instead_of_decoding(synthesiser: Synthesiser) -> "mock._patch[Synthesiser]":
    """A context in which `prepare` stores what the synthesiser makes of the paths."""
    return mock.patch.object(audio, "read", synthesiser)
