"""Random sounds to pre-train on (`evar synthesise`).

A clip is a few seconds of one to three layers, each of a family below with random parameters, through random colour and
reverberation. No family is a class of any task, and nothing is labelled.

    bodies    struck: decaying partials in no harmonic order, once, at random or in a rhythm
    engine    pulses of a wandering rate, each ringing in a few resonances
    bed       noise of a random colour whose level wanders or beats
    bursts    short noise, alone, scattered or in quick succession
    sweep     a tone with harmonics whose pitch glides, warbles or jumps
    voices    pulses through three moving resonances, in syllables, one or several at a time
    strings   plucked, in chords or a melody
"""

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, lfilter

from evar.base.files import atomic_path, remove_unfinished, storage_errors
from evar.base.progress import progress
from evar.data.wav import write_wav

RATE = 16_000  # Hz
SECONDS = (2.0, 6.0)
LAYERS = (1, 2, 3)
LAYER_ODDS = (0.5, 0.35, 0.15)
GAIN = (-35.0, -1.0)  # dB, of the loudest sample
REVERBERANT = 0.4  # share of the clips
CLIPS_AT_ONCE = 16  # of a process

Waveform = NDArray[np.float64]
Random = np.random.Generator


def clip(seed: int, number: int) -> Waveform:
    """(sample,) in [-1, 1]: the clip of this number, the same whatever others are made."""
    random = np.random.default_rng((seed, number))
    samples = round(random.uniform(*SECONDS) * RATE)
    mixed = np.zeros(samples)
    for _ in range(random.choice(LAYERS, p=LAYER_ODDS)):
        family = FAMILIES[random.integers(len(FAMILIES))]
        mixed += _level(_coloured(family(samples, random), random)) * 10 ** random.uniform(-1.0, 0.0)
    if random.random() < REVERBERANT:
        mixed = _reverberated(mixed, random)
    return _level(mixed) * 10 ** (random.uniform(*GAIN) / 20)


def bodies(samples: int, random: Random) -> Waveform:
    """Struck bodies."""
    count = random.integers(3, 30)
    lowest = _log_uniform(random, 80, 1500)
    frequencies = lowest * np.cumprod(np.r_[1.0, random.uniform(1.02, 1.6, count - 1)])
    frequencies = frequencies[frequencies < 0.45 * RATE]
    decay = _log_uniform(random, 0.01, 1.0) * (frequencies / lowest) ** -random.uniform(0.0, 1.0)
    strengths = random.exponential(size=len(frequencies)) * (frequencies / lowest) ** -random.uniform(0.0, 1.5)
    time = np.arange(min(samples, int(5 * decay.max() * RATE) + 1))[:, None] / RATE
    phases = random.uniform(0, 2 * np.pi, len(frequencies))
    struck = (strengths * np.exp(-time / decay) * np.sin(2 * np.pi * frequencies * time + phases)).sum(1)
    return fftconvolve(_events(samples, random), struck)[:samples]


def engine(samples: int, random: Random) -> Waveform:
    """Pulses of a wandering rate."""
    rate = _log_uniform(random, 6, 220) * np.exp2(_wander(samples, random, 0.5) * random.uniform(0.0, 0.8))
    pulses = _pulses(rate) * (1 + random.uniform(0.0, 0.8) * random.standard_normal(samples))
    ringing = np.zeros(samples)
    for _ in range(random.integers(1, 6)):
        frequency, width = _log_uniform(random, 60, 6000), _log_uniform(random, 20, 800)
        ringing += _resonance(pulses, frequency, width) * random.exponential()
    return _level(ringing) + random.uniform(0.0, 0.3) * _level(bed(samples, random))


def bed(samples: int, random: Random) -> Waveform:
    """Noise whose level wanders or beats."""
    noise = random.standard_normal(samples)
    depth, time = random.uniform(0.0, 1.0), np.arange(samples) / RATE
    if random.random() < 0.5:
        return noise * np.exp2(3 * depth * _wander(samples, random, _log_uniform(random, 0.5, 20)))
    return noise * (1 + depth * np.sin(2 * np.pi * _log_uniform(random, 0.5, 60) * time))


def bursts(samples: int, random: Random) -> Waveform:
    """Short noise."""
    length = int(_log_uniform(random, 0.003, 0.6) * RATE)
    burst = random.standard_normal(length) * np.exp(-np.linspace(0.0, random.uniform(2.0, 8.0), length))
    return fftconvolve(_events(samples, random), burst)[:samples]


def sweep(samples: int, random: Random) -> Waveform:
    """A tone whose pitch moves."""
    time = np.arange(samples) / RATE
    turns = _log_uniform(random, 0.2, 15) * time + random.random()
    shape = random.integers(4)
    if shape == 0:
        moves = np.sin(2 * np.pi * turns)
    elif shape == 1:
        moves = 2 * np.abs(2 * (turns % 1) - 1) - 1
    elif shape == 2:
        moves = np.where(turns % 1 < random.uniform(0.2, 0.8), 1.0, -1.0)
    else:
        moves = 2 * (turns % 1) - 1
    pitch = _log_uniform(random, 150, 3500) * np.exp2(random.uniform(0.0, 1.2) * moves)
    sounding = (turns % 1 < random.uniform(0.3, 1.0)) if random.random() < 0.4 else np.ones(samples, dtype=bool)
    gate = lfilter([0.01], [1, -0.99], sounding.astype(np.float64))
    return _tone(pitch, random) * gate


def voices(samples: int, random: Random) -> Waveform:
    """Pulses through moving resonances."""
    mixed = np.zeros(samples)
    for _ in range(random.choice((1, 1, 1, 4, 8))):
        pitch = _log_uniform(random, 80, 700) * np.exp2(_wander(samples, random, 3.0) * random.uniform(0.0, 0.7))
        source = _pulses(pitch) + random.uniform(0.0, 0.1) * random.standard_normal(samples)
        voice, step = np.zeros(samples), int(_log_uniform(random, 0.06, 0.4) * RATE)
        for start in range(0, samples, step):
            formants = random.uniform((250, 800, 2000), (900, 2300, 3800)) * random.uniform(0.9, 1.3)
            part = source[start : start + step] * np.hanning(len(source[start : start + step]) + 2)[1:-1]
            for formant, width in zip(formants, (80, 120, 180), strict=True):
                part = _resonance(part, formant, width) + 0.1 * part
            voice[start : start + step] = _level(part) * random.random() * (random.random() < 0.75)
        mixed += voice
    return mixed


def strings(samples: int, random: Random) -> Waveform:
    """Plucked strings."""
    mixed, beat = np.zeros(samples), _log_uniform(random, 0.1, 0.6)
    root, scale = _log_uniform(random, 60, 400), np.array([0, 2, 4, 5, 7, 9, 11, 12, 16, 19])
    for start in range(0, samples, int(beat * RATE)):
        for semitones in random.choice(scale, random.integers(1, 4)):
            period = int(RATE / (root * 2 ** (semitones / 12)))
            pluck = np.zeros(min(samples - start, int(1.5 * RATE)))
            pluck[:period] = random.uniform(-1, 1, period)[: len(pluck)]
            mixed[start : start + len(pluck)] += lfilter([1], [1, *np.zeros(period - 1), -0.498, -0.498], pluck)
    return mixed


FAMILIES: tuple[Callable[[int, Random], Waveform], ...] = (bodies, engine, bed, bursts, sweep, voices, strings)


def _log_uniform(random: Random, low: float, high: float) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def _level(waveform: Waveform) -> Waveform:
    """With its loudest sample at 1."""
    return np.asarray(waveform / max(1e-9, np.abs(waveform).max()))


def _wander(samples: int, random: Random, rate: float) -> Waveform:
    """(sample,) about -1 to 1, between random points `rate` times a second."""
    points = random.uniform(-1, 1, int(samples / RATE * rate) + 3)
    return np.interp(np.arange(samples) / RATE * rate, np.arange(len(points)), points)


def _pulses(rate: Waveform) -> Waveform:
    """One sample of 1 for each cycle of `rate` (sample,) Hz."""
    return np.diff(np.floor(np.cumsum(rate) / RATE), prepend=0.0)


def _events(samples: int, random: Random) -> Waveform:
    """Strengths (sample,) of what happens once, at random or in a rhythm."""
    found = np.zeros(samples)
    kind = random.integers(3)
    if kind == 0:
        times = random.uniform(0, samples / 2, 1)
    elif kind == 1:
        times = random.uniform(0, samples, random.integers(2, 1 + int(_log_uniform(random, 3, 400))))
    else:
        period = _log_uniform(random, 0.03, 1.0) * RATE
        beats = np.arange(random.uniform(0, period), samples, period)
        times = beats + random.standard_normal(len(beats)) * period * random.uniform(0.0, 0.1)
    places = np.clip(times, 0, samples - 1).astype(np.int64)
    found[places] = random.uniform(0.3, 1.0, len(places))
    return found


def _resonance(waveform: Waveform, frequency: float, width: float) -> Waveform:
    """Through a two-pole resonance of this frequency and width in Hz."""
    radius = np.exp(-np.pi * width / RATE)
    return np.asarray(
        lfilter([1 - radius], [1, -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2], waveform)
    )


def _tone(pitch: Waveform, random: Random) -> Waveform:
    """Harmonics of a moving pitch (sample,) in Hz."""
    cycles, tilt = np.cumsum(pitch) / RATE, random.uniform(0.5, 3.0)
    mixed = np.zeros(len(pitch))
    for harmonic in range(1, random.integers(2, 16)):
        below = pitch * harmonic < 0.45 * RATE
        mixed += below * np.sin(2 * np.pi * harmonic * cycles) * harmonic**-tilt
    return mixed


def _coloured(waveform: Waveform, random: Random) -> Waveform:
    """Through a random smooth colour: -30 to 0 dB at eight frequencies from 60 Hz to the highest."""
    spectrum = np.fft.rfft(waveform)
    octaves = np.log2(np.linspace(1, RATE / 2, len(spectrum)) / 60)
    decibels = np.interp(octaves, np.linspace(0, np.log2(RATE / 120), 8), random.uniform(-30, 0, 8))
    return np.fft.irfft(spectrum * 10 ** (decibels / 20), len(waveform))


def _reverberated(waveform: Waveform, random: Random) -> Waveform:
    """In a room of noise that dies away."""
    length = int(_log_uniform(random, 0.05, 1.0) * RATE)
    room = random.standard_normal(length) * np.exp(-np.linspace(0, 7, length)) * random.uniform(0.01, 0.2)
    room[0] = 1.0
    return fftconvolve(waveform, room)[: len(waveform)]


def write(folder: Path, clips: int, seed: int, workers: int) -> int:
    """Write so many clips as SEED-000000.wav, SEED-000001.wav, ... (16 kHz, 16 bit, mono); gives how many were missing.

    Files come into being whole, so what is there is left as it is, and what was interrupted goes on. Raises
    StorageError.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder)
        missing = [number for number in range(clips) if not _file(folder, seed, number).exists()]
        with (
            progress("synthesise", total=clips, unit="clip", initial=clips - len(missing)) as advance,
            ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), end_with_parent) as pool,
        ):
            for _ in pool.map(partial(_write_one, folder, seed), missing, chunksize=CLIPS_AT_ONCE):
                advance(1)
    return len(missing)


def end_with_parent() -> None:
    """Let this process end when the one that started it does, however that one ends; a pool's would wait for ever."""

    def watch(parent: BaseProcess) -> None:
        parent.join()
        os._exit(1)

    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=watch, args=(parent,), daemon=True).start()


def _file(folder: Path, seed: int, number: int) -> Path:
    return folder / f"{seed}-{number:06}.wav"


def _write_one(folder: Path, seed: int, number: int) -> None:
    with atomic_path(_file(folder, seed, number)) as temporary:
        write_wav(temporary, clip(seed, number), RATE)
