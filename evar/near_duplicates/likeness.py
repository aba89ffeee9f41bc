"""How alike two clips sound: roughly, by their fingerprints, and for certain, by their waveforms.

A fingerprint is a standardised log-mel embedding, unlearned. Per clip: mean and deviation over time of every log-mel,
and how strongly bands of them swing at 0.5 to 6 Hz. The mel spectrum is taken relative to the clip's own level and
floored, so that gain says nothing and what a lossy codec drops says little; nothing in it depends on when the sound
begins. The modulations distinguish clips of one spectrum, two stretches of the same noise for example. Then all clips
together: standardised, decorrelated, unit length, so that the product of two is their cosine.

Waveforms match where their normalised correlation at the best lag is high, in two ways. The plain correlation alone
would take two recordings of one hum, or two vowels of one pitch, for copies: a single strong partial decides it. So
both waveforms also go through one equaliser, which gives every band of 100 Hz of their mean spectrum the same power
(bands over 30 dB below the strongest are left weak: codecs and rounding rule there), and the smaller of the two
correlations counts. Of a steady tone there is nothing but that partial, and tones of almost the same frequency
correlate well; but so does a copy of one, so there the plain correlation must be nearly complete. Gain and polarity do
not matter; a shifted copy loses what it does not share.

Conventions: waveforms (sample,) float32 without their mean, at one rate; fingerprints (clip, FEATURES), embeddings
(clip, DIMENSIONS) float32; lags in seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
MEL_FLOOR = 0.01  # of the clip's mean mel power
BANDS = 16  # of MELS / BANDS mels each
MODULATIONS_HZ = 0.5 * np.arange(1, 13)
FEATURES = 2 * MELS + BANDS * len(MODULATIONS_HZ)
LEAST_DEVIATION = np.repeat([0.3, 0.03], [2 * MELS, FEATURES - 2 * MELS]).astype(np.float32)  # nats
MOST_DEVIATIONS = 3.0
DIMENSIONS = 192
LEAST_VARIANCE = 0.1  # of a principal component of standardised features: what lies below is not blown up
_BLOCK_CLIPS = 4096

COPY = 0.7  # copies measured 0.75 and more, distinct clips (one speaker's vowels, notes, chirps) 0.65 and less
TONE_COPY = 0.98  # plainly, where the power lies in less than TONE_BANDS; copies measured 0.99 and more
TONE_BANDS = 2.0
BAND_HZ = 100.0
BAND_FLOOR = 1e-3  # of the strongest band: 30 dB


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
    log_mel = np.log(mels + MEL_FLOOR)
    bands = np.log(mels.reshape(len(mels), BANDS, -1).mean(axis=2) + MEL_FLOOR)
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


@dataclass(frozen=True)
class Match:
    """correlation: in [-1, 1], negative where the polarity is reversed; lag: seconds by which the first is late.

    copy: whether the two are one recording.
    """

    correlation: float
    lag: float
    copy: bool = False


def match(first: Floats, second: Floats, rate: int) -> Match:
    """The correlation of two waveforms where it is strongest: the smaller of the equalised and the plain one.

    Only the equalised one where that already is no copy's. Neither may be silent throughout.
    """
    length = scipy.fft.next_fast_len(len(first) + len(second) - 1, real=True)
    spectra = scipy.fft.rfft(first, length), scipy.fft.rfft(second, length)
    powers = [each.real**2 + each.imag**2 for each in spectra]
    cross = spectra[0] * spectra[1].conj()
    starts = np.arange(0, len(cross), max(1, round(BAND_HZ * length / rate)))
    bands = np.add.reduceat(powers[0] / powers[0].sum() + powers[1] / powers[1].sum(), starts)
    equalised = _peak(cross, _equaliser(bands, starts, len(cross)), powers, length, rate)
    if abs(equalised.correlation) < COPY:
        return equalised
    plain = _peak(cross, np.ones(len(cross), np.float32), powers, length, rate)
    smaller = min(plain, equalised, key=lambda each: abs(each.correlation))
    tone = bands.sum() ** 2 < TONE_BANDS * np.square(bands).sum()  # n equal bands: n^2 < TONE_BANDS n
    return replace(smaller, copy=abs(plain.correlation) >= (TONE_COPY if tone else COPY))


def _equaliser(bands: Floats, starts: NDArray[np.int64], bins: int) -> Floats:
    """(bin,) weights for a power spectrum: one over the mean power in each band, whose sums are `bands` (band,)."""
    widths = np.diff(starts, append=bins)
    means = bands / widths
    return np.repeat(1 / (means + BAND_FLOOR * means.max()), widths).astype(np.float32)


def _peak(cross: NDArray[np.complex64], gains: Floats, powers: Sequence[Floats], length: int, rate: int) -> Match:
    """The strongest correlation of two waveforms whose spectra are weighted with `gains` (bin,), powers that is."""
    correlations = scipy.fft.irfft(cross * gains, length)
    place = int(np.argmax(np.abs(correlations)))
    lag = place if place <= length // 2 else place - length
    energies = [_energy(power * gains, length) for power in powers]
    return Match(float(correlations[place]) / float(np.sqrt(energies[0] * energies[1])), lag / rate)


def _energy(power: Floats, length: int) -> float:
    """Sum of squares of the `length` samples that have this power spectrum (bin,): its halves are mirror images."""
    mirrored = power[1:] if length % 2 else power[1:-1]
    return (float(power.sum(dtype=np.float64)) + float(mirrored.sum(dtype=np.float64))) / length
