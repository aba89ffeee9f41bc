"""Log-mel spectrograms on the device, as M2D wants them; the only door to nnAudio.

Conventions: waveforms (clip, sample) float32 in [-1, 1]; log-mel (clip, mel, frame) float32, natural logarithm, mels
from low to high. A frame is centred on every hop, from sample 0 on: frames = samples // hop + 1.
"""

import torch
from nnAudio.features.mel import MelSpectrogram
from torch import Tensor, nn
from torch.nn import functional as F

from evar.nn.exact_float32 import exact_float32

MELS = 80
LOWEST_HZ = 50.0
HOPS_PER_SECOND = 100  # a hop of 10 ms
WINDOWS_PER_SECOND = 40  # a window (and FFT) of 25 ms
EPS = torch.finfo(torch.float32).eps  # what silence has instead of log(0): -15.94

SAMPLE_RATES = (16_000, 32_000)
"""Hz; the rates that M2D checkpoints exist for."""

NORM_STATS = (-7.1, 4.2)
"""Mean and standard deviation of the log-mel that M2D was trained with, where a checkpoint states none."""


class LogMel(nn.Module):
    """(clip, sample) -> (clip, MELS, frame): power mel spectrogram, Slaney scale and norm, then log(x + EPS).

    50 Hz to half the sample rate, Hann windows of 25 ms every 10 ms, centred with reflection. A reflection needs more
    than half a window of signal, so shorter clips are zero-padded to `shortest` samples. Always float32; its tables
    are no part of a state dict, since they follow from the sample rate.

    The tables (windowed Fourier kernels, mel filters) are nnAudio's, but its convolution is done as a product over
    unfolded frames: convolutions choose their algorithm by the number of clips, which alone moved the embedding of a
    short clip by 1e-6 between batch sizes; products over a dozen rows and more do not.

    Raises ValueError for another sample rate than `SAMPLE_RATES`.
    """

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        if sample_rate not in SAMPLE_RATES:
            raise ValueError(f"the log-mel is defined at {SAMPLE_RATES} Hz, not at {sample_rate}")
        window = sample_rate // WINDOWS_PER_SECOND
        self.sample_rate = sample_rate
        self.hop = sample_rate // HOPS_PER_SECOND
        self.shortest = window // 2 + 1
        tables = MelSpectrogram(
            sr=sample_rate,
            n_fft=window,
            hop_length=self.hop,
            n_mels=MELS,
            fmin=LOWEST_HZ,
            fmax=sample_rate / 2,
            verbose=False,
        )
        self.fourier: Tensor
        self.mel_filters: Tensor
        fourier = torch.cat([tables.stft.wcos, tables.stft.wsin]).squeeze(1)
        self.register_buffer("fourier", fourier, persistent=False)  # (2 * bin, sample of a window)
        self.register_buffer("mel_filters", tables.mel_basis, persistent=False)  # (mel, bin)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Log-mel of (clip, sample) float32 waveforms of any length from one sample on."""
        waveforms = F.pad(waveforms, (0, max(0, self.shortest - waveforms.shape[1])))
        margin = self.shortest - 1
        centred = F.pad(waveforms[:, None], (margin, margin), mode="reflect")[:, 0]
        with exact_float32():
            real, imaginary = F.linear(centred.unfold(1, self.fourier.shape[1], self.hop), self.fourier).chunk(2, dim=2)
            power = F.linear(real.square() + imaginary.square(), self.mel_filters)
        return torch.log(power + EPS).transpose(1, 2)
