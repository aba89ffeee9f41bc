"""Mel spectrograms as other people's models were trained with; M2D's own is in `frontend.py`.

Conventions: waveforms (clip, sample) float32 in [-1, 1]; spectra (clip, frame, mel) float32, powers without a
logarithm, mels from low to high. Fourier transforms give a row the same bits for any number of rows, so a clip's
spectrum never depends on the batch. Holds `MelPower`, the analysis, and `slaney_filters`, one kind of mel filters.
"""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from evar.nn.exact_float32 import exact_float32

HZ_A_MEL = 200 / 3  # Slaney's scale is linear up to 1 kHz ...
LINEAR_UP_TO_HZ = 1000.0
LOG_STEP = np.log(6.4) / 27  # ... and logarithmic above: 27 mels from 1 to 6.4 kHz

Edges = Literal["reflect", "constant"] | None


class MelPower(nn.Module):
    """(clip, sample) -> (clip, frame, mel): the power of every mel, frame by frame.

    window:       (sample of a frame,), multiplied onto each frame
    fft:          samples of the Fourier transform, at least a frame's
    hop:          samples from one frame to the next
    filters:      (bin, mel)
    edges:        how a signal goes on beyond its ends so that frame i is centred on sample i * hop: mirrored
                  ("reflect") or silent ("constant"); None: frames start at sample i * hop, none reaches over the end
    preemphasis:  not 0: each frame's mean is taken off, then this share of the sample before (Kaldi)

    Clips too short for one frame, or for a reflection, are zero-padded. Tables are no part of the state dict.
    """

    def __init__(
        self, window: Tensor, fft: int, hop: int, filters: Tensor, *, edges: Edges, preemphasis: float = 0.0
    ) -> None:
        super().__init__()
        self.fft, self.hop, self.edges, self.preemphasis = fft, hop, edges, preemphasis
        self.shortest = len(window) if edges is None else fft // 2 + 1 if edges == "reflect" else 1
        self.window: Tensor
        self.filters: Tensor
        self.register_buffer("window", window.float(), persistent=False)
        self.register_buffer("filters", filters.float().T.contiguous(), persistent=False)  # (mel, bin)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Mel powers of (clip, sample) float32 waveforms of any length from one sample on."""
        waveforms = F.pad(waveforms, (0, max(0, self.shortest - waveforms.shape[1])))
        if self.edges is not None:
            waveforms = F.pad(waveforms[:, None], (self.fft // 2, self.fft // 2), mode=self.edges)[:, 0]
        frames = waveforms.unfold(1, len(self.window), self.hop)
        if self.preemphasis:
            frames = frames - frames.mean(2, keepdim=True)
            frames = frames - self.preemphasis * torch.cat([frames[:, :, :1], frames[:, :, :-1]], dim=2)
        spectrum = torch.view_as_real(torch.fft.rfft(frames * self.window, self.fft))
        with exact_float32():
            return F.linear(spectrum.square().sum(3), self.filters)


def slaney_filters(sample_rate: int, fft: int, mels: int, lowest_hz: float, highest_hz: float) -> Tensor:
    """Triangular mel filters of equal area: (bin, mel) float32.

    Source: Slaney, Auditory Toolbox, 1998, `mfcc`: triangles between neighbours on its mel scale, each of height
    2 / (its width in Hz).
    """
    ends = _mel(np.array([lowest_hz, highest_hz]))
    corners = _hertz(np.linspace(ends[0], ends[1], mels + 2))
    low, centre, high = corners[:-2], corners[1:-1], corners[2:]
    bins = np.linspace(0, sample_rate / 2, fft // 2 + 1)[:, None]
    triangles = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)).clip(min=0)
    return torch.from_numpy((triangles * 2 / (high - low)).astype(np.float32))


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    above = np.log(np.maximum(hertz, LINEAR_UP_TO_HZ) / LINEAR_UP_TO_HZ) / LOG_STEP
    mels: NDArray[np.float64] = np.minimum(hertz, LINEAR_UP_TO_HZ) / HZ_A_MEL + above
    return mels


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    corner = LINEAR_UP_TO_HZ / HZ_A_MEL
    hertz: NDArray[np.float64] = np.minimum(mel, corner) * HZ_A_MEL * np.exp(LOG_STEP * np.maximum(mel - corner, 0))
    return hertz
