"""Distinct clips of every kind, copies of them, and tasks made of clips, for the tests of near-duplicates."""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import yaml
from numpy.typing import NDArray

from evar.base.progress import displayed
from evar.data import demo
from evar.data.manifest import Manifest
from evar.data.store import Store, prepare
from evar.data.task import load_task

RATE = 16_000
Waveform = NDArray[np.float64]


@dataclass
class Clip:
    """A clip of a task under construction."""

    name: str
    part: str
    waveform: Waveform
    group: str = ""


def noise(draws: np.random.Generator) -> Waveform:
    """White to pink, 0.5 to 3 s."""
    spectrum = np.fft.rfft(draws.standard_normal(int(RATE * draws.uniform(0.5, 3))))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20) ** draws.uniform(0, 0.5)
    waveform = np.fft.irfft(spectrum)
    return waveform / np.abs(waveform).max() * draws.uniform(0.1, 0.8)


def unlike(count: int, seed: int = 0) -> list[Waveform]:
    """So many noises."""
    draws = np.random.default_rng(seed)
    return [noise(draws) for _ in range(count)]


def tone(draws: np.random.Generator) -> Waveform:
    """Steady, of one frequency, without any noise."""
    time = np.arange(int(RATE * draws.uniform(0.5, 3))) / RATE
    return draws.uniform(0.1, 0.8) * np.sin(2 * np.pi * np.exp(draws.uniform(5, 8.3)) * time + draws.uniform(0, 6))


def chirp(draws: np.random.Generator) -> Waveform:
    """From one frequency to another."""
    time = np.arange(int(RATE * draws.uniform(0.5, 3))) / RATE
    start, stop = np.exp(draws.uniform(5, 8.7, 2))
    return draws.uniform(0.1, 0.8) * np.sin(2 * np.pi * (start + (stop - start) * time / time[-1] / 2) * time)


def distinct(draws: np.random.Generator, each: int) -> Iterator[Waveform]:
    """`each` noises, tones, chirps and recordings of the demo dataset (eight clips)."""
    for _ in range(each):
        yield from (noise(draws), tone(draws), chirp(draws), *demo.recording(draws))


def louder(waveform: Waveform) -> Waveform:
    """Other gain."""
    return waveform * 0.3


def upside_down(waveform: Waveform) -> Waveform:
    """Other polarity."""
    return -waveform


def later(waveform: Waveform) -> Waveform:
    """10 ms of silence first, and as much less in the end."""
    return np.concatenate([np.zeros(RATE // 100), waveform])[: len(waveform)]


def mp3(waveform: Waveform) -> Waveform:
    """Coded with loss and decoded again."""
    coded = io.BytesIO()
    soundfile.write(coded, waveform, RATE, format="MP3")
    coded.seek(0)
    decoded: Waveform = soundfile.read(coded)[0]
    return decoded


def everything(waveform: Waveform) -> Waveform:
    """All of it at once."""
    return mp3(later(louder(upside_down(waveform))))


def noting(stages: list[tuple[str, int, str]]) -> contextlib.AbstractContextManager[None]:
    """Within it, what a search reports is appended: stage, total, unit."""

    @contextlib.contextmanager
    def display(stage, *, total, unit, initial=0):
        stages.append((stage, total, unit))
        yield lambda amount, text: None

    return displayed(display)


def make_task(root: Path, clips: list[Clip], folds: bool = False) -> tuple[Manifest, Store]:
    """Write the clips as WAV files; the manifest in the order of paths, and the store, decoded."""
    root.mkdir(parents=True, exist_ok=True)
    parts = sorted({clip.part for clip in clips})
    content = {"title": "Sounds", "kind": "single-label", "reader": "table", "folder": "sounds", "seconds": 1.0,
               "folds" if folds else "splits": parts, "metric": "accuracy", "source": "-", "licence": "-"}  # fmt: skip
    (root / "sounds.yaml").write_text(yaml.safe_dump(content))
    for clip in clips:
        soundfile.write(root / clip.name, clip.waveform, RATE)
    rows = [(clip.name, ("a",), clip.part, clip.group or clip.name, np.nan) for clip in clips]
    table = pd.DataFrame(rows, columns=["path", "labels", "part", "group", "seconds"]).sort_values(
        "path", ignore_index=True
    )
    manifest = Manifest(load_task(str(root / "sounds.yaml")), root, table, ("a", "b"), len(clips))
    store = prepare(root, table["path"].tolist(), RATE, root / "cache", workers=2)
    return manifest.keep(store.usable), store
