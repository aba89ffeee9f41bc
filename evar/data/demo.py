"""The demo dataset: eight classes of synthetic sounds, so that everything can be tried without a download.

A clip is a second of a gliding tone with harmonics, sounding in pulses, in coloured noise. Three things make its class:

    direction  up | down    the pitch glides by an octave: nothing that a mean or deviation over time could see
    pulses     slow | fast  3 or 9 a second, each as long: loudness statistics show them
    timbre     full | odd   all harmonics or the odd ones: statistics show them through noise and tilt only in part

Pitch, gain, noise level and pulse phase are random, and a recording (the group: one clip of each class) has its own
colour of noise and tilt. tests/data/test_demo.py measures both ends: all can be read from the waveform, not from
statistics.
"""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evar.base.errors import UsageError
from evar.base.files import locked, storage_errors, write_atomic
from evar.data.wav import write_wav

VERSION = 2  # another one is written anew
RATE = 16_000  # Hz
SECONDS = 1.0
PULSES = {"slow": 3.0, "fast": 9.0}  # Hz
HARMONICS = {"full": (1, 2, 3, 4, 5, 6, 7), "odd": (1, 3, 5, 7)}
DIRECTIONS = {"up": 1, "down": -1}
RECORDINGS = {"train": 30, "valid": 10, "test": 50}  # of the last enough groups for claims
CLASSES = tuple("-".join(parts) for parts in itertools.product(DIRECTIONS, PULSES, HARMONICS))
LOWEST_PITCH = (160.0, 250.0)  # Hz, log-uniform; the glide ends an octave above
PULSE_SECONDS = 0.08
SNR = (3.0, 18.0)  # dB
GAIN = (-26.0, -6.0)  # dB, of the loudest sample

Waveform = NDArray[np.float64]
_TIME = np.arange(round(RATE * SECONDS)) / RATE


def write_demo(folder: Path, seed: int) -> Path:
    """Write the WAV files (16 kHz, 16 bit, mono) and `clips.csv` (path,label,split,group) into `folder`.

    Returns the path of the CSV. The same seed gives the same bytes; a complete set is left as it is. Raises
    StorageError, and UsageError where a table of another making lies there.
    """
    table, marker = folder / "clips.csv", folder / "demo.json"
    state = json.dumps({"version": VERSION, "seed": seed})
    lines = ["path,label,split,group"]
    lines += [f"{_wav(group, label)},{label},{split},{group}" for split, group in _groups() for label in CLASSES]
    with locked(folder), storage_errors(folder):
        if marker.is_file() and marker.read_text() == state and _complete(folder):
            return table
        if table.exists() and not marker.exists() and table.read_text(errors="replace").splitlines() != lines:
            raise UsageError(f"{table} is not of evar demo and would be overwritten: give another --folder")
        marker.unlink(missing_ok=True)
        (folder / "audio").mkdir(parents=True, exist_ok=True)
        generator = np.random.default_rng(seed)
        for _, group in _groups():
            for label, waveform in zip(CLASSES, recording(generator), strict=True):
                write_wav(folder / _wav(group, label), waveform, RATE)
        write_atomic(table, "\n".join(lines) + "\n")
        write_atomic(marker, state)
    return table


def recording(generator: np.random.Generator) -> Waveform:
    """(class, sample) in [-1, 1]: a clip of each of CLASSES, in one noise colour and tilt."""
    noise_colour, tilt = generator.uniform(0.0, 1.0), generator.uniform(0.6, 1.4)
    return np.stack([_clip(label, noise_colour, tilt, generator) for label in CLASSES])


def _clip(label: str, noise_colour: float, tilt: float, generator: np.random.Generator) -> Waveform:
    direction, pulses, timbre = label.split("-")
    pitch = np.exp(generator.uniform(*np.log(LOWEST_PITCH)))
    harmonics = np.array(HARMONICS[timbre])[:, None]
    cycles = pitch * np.exp2(0 if direction == "up" else 1) * glide(DIRECTIONS[direction])
    phases = generator.uniform(0, 2 * np.pi, harmonics.shape)
    tone = (np.sin(2 * np.pi * harmonics * cycles + phases) * harmonics**-tilt).sum(0)
    tone *= _pulses(PULSES[pulses], generator.uniform())
    noise = _noise(noise_colour, generator)
    level = 10 ** (-generator.uniform(*SNR) / 20)
    mixed = tone / np.sqrt(np.mean(tone**2)) + level * noise / np.sqrt(np.mean(noise**2))
    clip: Waveform = mixed / np.abs(mixed).max() * 10 ** (generator.uniform(*GAIN) / 20)
    return clip


def glide(direction: int) -> Waveform:
    """(sample,): cycles since the start of a tone that begins at 1 Hz and glides by an octave a second.

    The frequency is 2^(d t), so the cycles are its integral (2^(d t) - 1) / (d ln 2), with d = 1 or -1.
    """
    cycles: Waveform = (np.exp2(direction * _TIME) - 1) / (direction * np.log(2))
    return cycles


def _pulses(rate: float, phase: float) -> Waveform:
    """Raised cosines, PULSE_SECONDS long, `rate` a second."""
    since = ((_TIME * rate + phase) % 1) / rate
    return np.where(since < PULSE_SECONDS, 0.5 - 0.5 * np.cos(2 * np.pi * since / PULSE_SECONDS), 0.0)


def _noise(colour: float, generator: np.random.Generator) -> Waveform:
    """Gaussian, its power falling as frequency^-colour: 0 is white, 1 pink."""
    spectrum = np.fft.rfft(generator.standard_normal(len(_TIME)))
    frequency = np.maximum(np.fft.rfftfreq(len(_TIME), 1 / RATE), 50.0)
    return np.fft.irfft(spectrum * frequency ** (-colour / 2), len(_TIME))


def _groups() -> Iterator[tuple[str, str]]:
    """Split and group of every recording."""
    return ((split, f"{split}-{number:02d}") for split, count in RECORDINGS.items() for number in range(count))


def _wav(group: str, label: str) -> str:
    return f"audio/{group}-{label}.wav"


def _complete(folder: Path) -> bool:
    return all((folder / _wav(group, label)).is_file() for _, group in _groups() for label in CLASSES)
