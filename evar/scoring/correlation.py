"""Whether two waveforms are one recording: their normalised correlation at the best lag, heard two ways.

The plain correlation alone would take two recordings of one hum, or two vowels of one pitch, for copies: a single
strong partial decides it. So both waveforms also go through one equaliser, which brings every band of 100 Hz of their
mean spectrum to the same power (bands over 30 dB below the strongest are left weak: codecs and rounding rule there),
and the smaller of the two correlations counts. Of a steady tone there is nothing but that partial, and tones of almost
the same frequency correlate well; but so does a copy of one, so there the plain correlation must be nearly complete.
Gain and polarity do not matter; a shifted copy loses what it does not share.

Conventions: waveforms (sample,) float32 without their mean, at one rate; lags in seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Floats = NDArray[np.float32]

COPY = 0.7  # copies measured 0.75 and more, distinct clips (one speaker's vowels, notes, chirps) 0.65 and less
TONE_COPY = 0.98  # plainly, where the power lies in less than TONE_BANDS; copies measured 0.99 and more
TONE_BANDS = 2.0
BAND_HZ = 100.0
FLOOR = 1e-3  # of the strongest band: 30 dB


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
    return np.repeat(1 / (means + FLOOR * means.max()), widths).astype(np.float32)


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
