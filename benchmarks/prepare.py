"""`python -m benchmarks.prepare [FOLDER]`: how fast the store is prepared, and how much memory that takes.

The plain loop is soundfile.read, a product with [.5, .5], soxr HQ, one file after the other, nothing written. It runs
on one core in the same call; prepare runs with one worker and with all, and checks, hashes and writes besides. Numbers
are seconds of audio a second, the best of ROUNDS; `share` is prepare on all cores over the plain loop times cores,
`CPU` the plain loop's CPU time over prepare's, which a busy machine disturbs less. Files lie in the page cache; the
store is written to FOLDER (default: the system's temporary folder) and synced.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import soxr

from benchmarks import one_option
from evar.base import machine, provenance
from evar.data.store import prepare

RATE = 16_000
CLIP_SECONDS = 4.0
DISTINCT = 32  # files; the others are hard links to them
ROUNDS = 3
MANY_CLIPS = 50_000
MANY_SECONDS = 1.0
HALF = np.array([0.5, 0.5], np.float32)


@dataclass(frozen=True)
class Kind:
    """Files of one format; floor: what prepare must reach on two cores, in seconds of audio a second."""

    name: str
    format: str
    rate: int
    channels: int
    clips: int
    floor: int


KINDS = (
    Kind("16 kHz WAV", "WAV", 16_000, 1, 3000, 8000),
    Kind("22.05 kHz WAV", "WAV", 22_050, 1, 2000, 2500),
    Kind("44.1 kHz stereo WAV", "WAV", 44_100, 2, 800, 800),
    Kind("44.1 kHz stereo FLAC", "FLAC", 44_100, 2, 400, 500),
    Kind("44.1 kHz stereo MP3", "MP3", 44_100, 2, 400, 500),
)
Cost = tuple[float, float]  # seconds of the clock, seconds of CPU


def main(folder: Path | None) -> None:
    """Print a line for each kind of file, then the memory that many clips take."""
    cores = len(os.sched_getaffinity(0))
    commit, dirty = provenance.commit()
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f}, commit {commit[:12]}{' + changes' if dirty else ''}")
    print(f"{'x real time':<22}{'plain':>8}{'1 worker':>10}{f'{cores} workers':>11}{'floor':>8}{'share':>8}{'CPU':>7}")
    for kind in KINDS:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            report(kind, Path(name), cores)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        report_memory(Path(name))


def report(kind: Kind, folder: Path, cores: int) -> None:
    """Measure both sides in turn and print the best of each."""
    paths = write_clips(folder / "audio", kind, kind.clips, CLIP_SECONDS)
    plain_loop(folder / "audio", paths[:DISTINCT])
    plain, one, every = [], [], []
    for number in range(ROUNDS):
        plain.append(cost(partial(plain_loop, folder / "audio", paths)))
        for workers, costs in ((1, one), (cores, every)):
            cache = folder / f"cache-{number}-{workers}"
            costs.append(cost(partial(prepare_all, folder, paths, cache, workers)))
    audio = kind.clips * CLIP_SECONDS
    rates = [audio / min(costs)[0] for costs in (plain, one, every)]
    processor = min(cpu for _, cpu in plain) / min(cpu for _, cpu in every)
    print(
        f"{kind.name:<22}{rates[0]:8,.0f}{rates[1]:10,.0f}{rates[2]:11,.0f}{kind.floor:8,}"
        f"{rates[2] / (rates[0] * cores):8.0%}{processor:7.0%}",
        flush=True,
    )


def report_memory(folder: Path) -> None:
    """Prepare many clips in a process of its own, whose peak is its own."""
    write_clips(folder / "audio", KINDS[0], MANY_CLIPS, MANY_SECONDS)
    code = "import sys; from benchmarks.prepare import many; many(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)


def many(folder: str) -> None:
    """Prepare all of FOLDER/audio, open it again, and print the time and the peak of memory."""
    paths = sorted(os.listdir(f"{folder}/audio"))  # noqa: PTH208  names, not paths
    before = machine.peak_memory_bytes()
    workers = len(os.sched_getaffinity(0))
    work = partial(prepare_all, Path(folder), paths, Path(folder) / "cache", workers)
    took, _ = cost(work)
    again, _ = cost(work)
    peak = machine.peak_memory_bytes()
    print(
        f"{len(paths):,} clips of {MANY_SECONDS:g} s: {took:.1f} s, opened again in {again:.1f} s; "
        f"memory at most {peak / 2**20:,.0f} MiB, {before / 2**20:,.0f} of them before the first clip (limit 1,024)"
    )


def write_clips(folder: Path, kind: Kind, count: int, seconds: float) -> list[str]:
    """Tones in noise, `count` names for at most DISTINCT files; gives the names."""
    folder.mkdir(parents=True)
    draws = np.random.default_rng(0)
    moments = np.arange(int(seconds * kind.rate)) / kind.rate
    names = []
    for number in range(count):
        names.append(f"{number:06}.{kind.format.lower()}")
        if number >= DISTINCT:
            os.link(folder / names[number % DISTINCT], folder / names[number])
            continue
        tone = (
            0.3 * np.sin(2 * np.pi * draws.uniform(100, 2000) * moments)[:, None] * np.linspace(1, 0.7, kind.channels)
        )
        noise = 0.02 * draws.standard_normal((len(moments), kind.channels))
        soundfile.write(folder / names[number], (tone + noise).astype("f4"), kind.rate, format=kind.format)
    return names


def plain_loop(folder: Path, paths: list[str]) -> None:
    """What decoding alone takes."""
    for path in paths:
        waveform, rate = soundfile.read(folder / path, dtype="float32")
        if waveform.ndim > 1:
            waveform = waveform @ HALF
        if rate != RATE:
            soxr.resample(waveform, rate, RATE, quality="HQ")


def prepare_all(folder: Path, paths: list[str], cache: Path, workers: int) -> None:
    """Prepare FOLDER/audio; every clip must be usable."""
    store = prepare(folder / "audio", paths, RATE, cache, workers=workers)
    assert len(store.usable) == len(paths)


def cost(work: Callable[[], None]) -> Cost:
    """Seconds of the clock and of CPU that `work` takes."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


if __name__ == "__main__":
    main(one_option("benchmarks.prepare", __doc__, "folder", type=Path))
