"""Remakes `ge2e.npz`: what Resemblyzer 0.1.4 itself makes of seeded clips.

Runs in an environment of its own, where the package can be imported:

    python -m venv /tmp/ge2e && /tmp/ge2e/bin/pip install 'setuptools<81' 'scipy<2' Resemblyzer==0.1.4
    /tmp/ge2e/bin/python tests/encoders/make_ge2e.py

Silences are not cut out (its `embed_utterance` of clips after its `normalize_volume`).
"""

import sys
import types
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

GOLDEN = Path(__file__).parent / "ge2e.npz"
RATE = 16_000  # Hz
CLIPS = ((0.3, 0.02), (1.0, 1.0), (1.6, 0.02), (2.2, 1.0), (3.7, 0.02))
"""(seconds, level): shorter than a partial utterance, and up to four of them; softer than -30 dBFS and louder."""


def clip(seconds: float, level: float) -> NDArray[np.float32]:
    """A gliding tone with an overtone in quiet noise: (sample,)."""
    time = np.arange(int(seconds * RATE)) / RATE
    noise = np.random.default_rng(round(10 * seconds)).standard_normal(len(time))
    glide = time * (1 + 0.1 * np.sin(6 * np.pi * time))
    tones = 0.1 * np.sin(300 * np.pi * glide) + 0.05 * np.sin(900 * np.pi * glide)
    return np.round(level * (tones + 0.01 * noise) * 32768).astype(np.float32) / 32768


def main() -> None:
    import scipy.ndimage

    moved = types.ModuleType("scipy.ndimage.morphology")  # its place when the package was written
    moved.binary_dilation = scipy.ndimage.binary_dilation  # type: ignore[attr-defined]
    sys.modules[moved.__name__] = moved
    from resemblyzer import VoiceEncoder, audio

    encoder = VoiceEncoder("cpu", verbose=False)
    arrays = {"mel": audio.wav_to_mel_spectrogram(clip(*CLIPS[1]))}
    for seconds, level in CLIPS:
        loud = audio.normalize_volume(clip(seconds, level), -30, increase_only=True).astype(np.float32)
        arrays[f"{seconds}"] = encoder.embed_utterance(loud)
    np.savez_compressed(GOLDEN, **arrays)


if __name__ == "__main__":
    main()
