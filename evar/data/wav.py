"""WAV files of our own making."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def write_wav(path: Path, waveform: NDArray[np.float64], rate: int) -> None:
    """Write a (sample,) waveform in [-1, 1] as 16-bit mono PCM. Raises OSError."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(waveform * 32767).astype("<i2").tobytes())
