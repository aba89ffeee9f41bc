"""What a clip sounds like in a few numbers, for finding copies of it: a standardised log-mel embedding, unlearned.

Per clip: mean and deviation over time of every log-mel, and how strongly bands of them swing at 0.5 to 6 Hz. The mel
spectrum is taken relative to the clip's own level and floored at FLOOR, so that gain says nothing and what a lossy
codec drops says little; nothing in it depends on when the sound begins. The modulations tell clips of one spectrum
apart, two stretches of the same noise for example. Then all clips together: standardised, decorrelated, unit length,
so that the product of two is their cosine.

Conventions: waveforms (sample,) float32; fingerprints (clip, FEATURES), embeddings (clip, DIMENSIONS) float32.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from evar.nn.mel import slaney_filters

Floats = NDArray[np.float32]

WINDOW_SECONDS = 0.032
MELS = 64
LOWEST_HZ = 50.0
HIGHEST_SHARE = 0.4375  # of the rate: 7 kHz at 16 kHz; above, lossy codecs and resamplers cut
FLOOR = 0.01  # of the clip's mean mel power
BANDS = 16  # of MELS / BANDS mels each
MODULATIONS_HZ = 0.5 * np.arange(1, 13)
FEATURES = 2 * MELS + BANDS * len(MODULATIONS_HZ)
LEAST_DEVIATION = np.repeat([0.3, 0.03], [2 * MELS, FEATURES - 2 * MELS]).astype(np.float32)  # nats
MOST_DEVIATIONS = 3.0
DIMENSIONS = 192
LEAST_VARIANCE = 0.1  # of a principal component of standardised features: what lies below is not blown up
_BLOCK_CLIPS = 4096


@dataclass(frozen=True)
class Analysis:
    """The tables of a sample rate: window (sample of a frame,), hop in samples, filters (bin, mel)."""

    rate: int
    window: Floats
    hop: int
    filters: Floats


@lru_cache(maxsize=2)
def analysis(rate: int) -> Analysis:
    """The analysis at `rate` Hz: Hann windows of about 32 ms, half overlapping, Slaney's mel filters."""
    length = scipy.fft.next_fast_len(round(WINDOW_SECONDS * rate), real=True)
    filters = slaney_filters(rate, length, MELS, LOWEST_HZ, HIGHEST_SHARE * rate).numpy()
    return Analysis(rate, np.hanning(length).astype(np.float32), length // 2, filters)


def fingerprint(waveform: Floats, tables: Analysis) -> Floats:
    """(FEATURES,) of a clip's waveform (sample,) without its mean."""
    waveform = np.pad(waveform, (0, max(0, len(tables.window) - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(waveform, len(tables.window))[:: tables.hop]
    spectrum = scipy.fft.rfft(frames * tables.window)
    mels = (spectrum.real**2 + spectrum.imag**2) @ tables.filters
    mels /= mels.mean() or 1
    log_mel = np.log(mels + FLOOR)
    bands = np.log(mels.reshape(len(mels), BANDS, -1).mean(axis=2) + FLOOR)
    cosine, sine = _oscillations(len(mels), tables.hop / tables.rate)
    swings = bands - bands.mean(axis=0)
    modulations = np.hypot(cosine @ swings, sine @ swings) / len(mels)
    return np.concatenate([log_mel.mean(axis=0), log_mel.std(axis=0), modulations.ravel()])


@lru_cache(maxsize=64)
def _oscillations(frames: int, hop_seconds: float) -> tuple[Floats, Floats]:
    """(modulation, frame) cosine and sine."""
    phase = 2 * np.pi * MODULATIONS_HZ[:, None] * np.arange(frames) * hop_seconds
    return np.cos(phase).astype(np.float32), np.sin(phase).astype(np.float32)


def embed(fingerprints: Floats) -> Floats:
    """(clip, DIMENSIONS or fewer) of unit length, from (clip, FEATURES), which it overwrites.

    Standardised by mean and deviation over the clips, limited to MOST_DEVIATIONS, so that one odd band does not outvote
    the others; then turned to the principal components, each divided by its deviation: what most clips have in common
    counts for little. A linear map learned without labels, from all clips, for finding copies only.
    """
    fingerprints -= fingerprints.mean(axis=0)
    fingerprints /= np.maximum(fingerprints.std(axis=0), LEAST_DEVIATION)
    np.clip(fingerprints, -MOST_DEVIATIONS, MOST_DEVIATIONS, out=fingerprints)
    blocks = [fingerprints[start : start + _BLOCK_CLIPS] for start in range(0, len(fingerprints), _BLOCK_CLIPS)]
    covariance = np.zeros((FEATURES, FEATURES))
    for block in blocks:
        covariance += block.T @ block
    variances, axes = np.linalg.eigh(covariance / len(fingerprints))
    rotation = (axes / np.sqrt(np.maximum(variances, 0) + LEAST_VARIANCE))[:, -DIMENSIONS:].astype(np.float32)
    embeddings = np.concatenate([block @ rotation for block in blocks])
    embeddings /= np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return embeddings
