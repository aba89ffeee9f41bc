"""The families of `transformers`: each one's front end, and which of its frames belong to the clip.

Front ends are done here, on the device, with the numbers of the model's own feature extractor: theirs go clip by clip
through NumPy, draw random crops (CLAP), and change with the packages installed (AST with torchaudio). Models of a
fixed input length get longer clips in consecutive pieces, the last one filled up as they were trained; only frames
that begin within the clip count.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evar.base.errors import UsageError
from evar.nn.mel import MelPower


class Family(nn.Module, ABC):
    """One model with its front end.

    sample_rate:  Hz
    depth:        layers that can be asked for; the last is what the model itself gives in the end
    precision:    of the model; the front end stays float32
    """

    sample_rate: int
    depth: int
    precision = torch.float32

    def __init__(self, model: nn.Module, extractor: Any) -> None:
        super().__init__()
        self.model = model
        self.sample_rate = int(extractor.sampling_rate)

    @abstractmethod
    def frames(self, waveforms: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Clips of one length (clip, sample) -> (clip, frame, dim) float32 of each of `layers`, no padding in it."""

    def hidden(self, features: Tensor, layers: Sequence[int], **more: Any) -> list[Tensor]:
        """The model's (clip, token, width) of each of `layers`."""
        with torch.autocast(features.device.type, self.precision, enabled=self.precision != torch.float32):
            given = self.model(features, output_hidden_states=True, **more)
        steps = [*given.hidden_states[1:-1], given.last_hidden_state]
        return [steps[layer].float() for layer in layers]


class Waveform(Family):
    """wav2vec2, HuBERT, WavLM: convolutions straight on the waveform, which is normalised where the extractor says so.

    A clip of less than one frame is zero-padded to one, after normalisation.
    """

    def __init__(self, model: nn.Module, extractor: Any) -> None:
        super().__init__(model, extractor)
        config: Any = model.config
        self.depth = int(config.num_hidden_layers)
        self.normalise = bool(extractor.do_normalize)
        self.shortest = 1
        for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
            self.shortest = (self.shortest - 1) * stride + kernel
        model.feature_extractor = _Float32(model.get_submodule("feature_extractor"))

    def frames(self, waveforms: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """See `Family.frames`."""
        if self.normalise:
            variance, mean = torch.var_mean(waveforms, 1, correction=0, keepdim=True)
            waveforms = (waveforms - mean) / (variance + 1e-7).sqrt()
        return self.hidden(F.pad(waveforms, (0, max(0, self.shortest - waveforms.shape[1]))), layers)


class AST(Family):
    """Audio Spectrogram Transformer (arXiv:2104.01778): Kaldi's log-mel in patches; a frame is the mean of a column."""

    WINDOW, FFT, HOP = 400, 512, 160  # samples at 16 kHz: 25, 32, 10 ms
    PREEMPHASIS = 0.97
    FLOOR = 1.192092955078125e-07  # of the power, before the logarithm

    def __init__(self, model: nn.Module, extractor: Any) -> None:
        super().__init__(model, extractor)
        from transformers.audio_utils import mel_filter_bank

        config: Any = model.config
        self.depth = int(config.num_hidden_layers)
        self.length = int(config.max_length)  # frames
        self.stride = int(config.time_stride)  # frames from one column of patches to the next
        self.columns = (self.length - config.patch_size) // self.stride + 1
        self.scale = (float(extractor.mean), 2 * float(extractor.std)) if extractor.do_normalize else (0.0, 1.0)
        filters = mel_filter_bank(
            self.FFT // 2 + 1, int(extractor.num_mel_bins), 20, self.sample_rate // 2, self.sample_rate,
            norm=None, mel_scale="kaldi", triangularize_in_mel_space=True,
        )  # fmt: skip
        window = torch.hann_window(self.WINDOW, periodic=False)
        self.mel = MelPower(
            window, self.FFT, self.HOP, torch.from_numpy(filters), edges=None, preemphasis=self.PREEMPHASIS
        )

    def frames(self, waveforms: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """See `Family.frames`."""
        log_mel = self.mel(waveforms).clamp_min(self.FLOOR).log()
        pieces = []
        for piece, frames in in_pieces(log_mel, self.length):
            features = (piece - self.scale[0]) / self.scale[1]
            columns = min(-(-frames // self.stride), self.columns)
            tokens = self.hidden(features, layers)
            pieces.append([self.by_column(each)[:, :, :columns].mean(1) for each in tokens])
        return [torch.cat(layer, dim=1) for layer in zip(*pieces, strict=True)]

    def by_column(self, tokens: Tensor) -> Tensor:
        """Tokens (clip, 2 + row * column, width), the first two of the whole clip -> (clip, row, column, width)."""
        return tokens[:, 2:].view(len(tokens), -1, self.columns, tokens.shape[2])


class Whisper(Family):
    """Whisper's encoder (arXiv:2212.04356): log-mel of pieces of 30 s, silence after the clip's end; 50 frames/s."""

    FLOOR = 1e-10  # of the power, before the logarithm
    RANGE = 8.0  # powers of ten below a piece's loudest bin that are kept

    def __init__(self, model: nn.Module, extractor: Any) -> None:
        encoder = model.get_submodule("encoder")
        super().__init__(encoder, extractor)
        config: Any = encoder.config
        self.depth = int(config.encoder_layers)
        self.samples, hop = int(extractor.n_samples), int(extractor.hop_length)
        self.samples_a_frame = self.samples // int(config.max_source_positions)
        window = torch.hann_window(extractor.n_fft)
        self.mel = MelPower(window, extractor.n_fft, hop, torch.from_numpy(extractor.mel_filters), edges="reflect")

    def frames(self, waveforms: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """See `Family.frames`."""
        pieces = []
        for piece, samples in in_pieces(waveforms, self.samples):
            log_mel = self.mel(piece)[:, :-1].clamp_min(self.FLOOR).log10()
            log_mel = torch.maximum(log_mel, log_mel.amax((1, 2), keepdim=True) - self.RANGE)
            tokens = self.hidden(((log_mel + 4) / 4).transpose(1, 2).contiguous(), layers)
            pieces.append([each[:, : -(-samples // self.samples_a_frame)] for each in tokens])
        return [torch.cat(layer, dim=1) for layer in zip(*pieces, strict=True)]


class CLAP(Family):
    """CLAP's audio side (arXiv:2211.06687): its pooled output of pieces of 10 s, each repeated until it is full.

    A clip has one frame: the mean over its pieces, weighted by their length. Models with fusion get every piece as a
    clip that is not longer than the input, so nothing is drawn at random.
    """

    depth = 1
    FLOOR = 1e-10  # of the power, before the logarithm

    def __init__(self, model: nn.Module, extractor: Any) -> None:
        audio = model.get_submodule("audio_model")
        super().__init__(audio, extractor)
        config: Any = audio.config
        self.fusion = bool(config.enable_fusion)
        self.samples = int(extractor.nb_max_samples)
        self.padding = extractor.padding
        filters = extractor.mel_filters if extractor.truncation == "fusion" else extractor.mel_filters_slaney
        fft = int(extractor.fft_window_size)
        window = torch.hann_window(fft)
        self.mel = MelPower(window, fft, int(extractor.hop_length), torch.from_numpy(filters), edges="reflect")

    def frames(self, waveforms: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """See `Family.frames`; the one layer is the pooled output."""
        total = 0.0
        for piece, samples in in_pieces(waveforms, self.samples):
            decibels = 10 * self.mel(self.filled(piece, samples)).clamp_min(self.FLOOR).log10()[:, None]
            longer = torch.zeros(len(piece), 1, dtype=torch.bool, device=piece.device)
            features = decibels.expand(-1, 4, -1, -1) if self.fusion else decibels
            with torch.autocast(features.device.type, self.precision, enabled=self.precision != torch.float32):
                pooled = self.model(features, is_longer=longer).pooler_output
            total = total + pooled.float() * (samples / waveforms.shape[1])
        return [torch.as_tensor(total)[:, None]]

    def filled(self, piece: Tensor, samples: int) -> Tensor:
        """A piece whose first `samples` are the clip's, repeated as the extractor says, then silence."""
        if self.padding == "pad":
            return piece
        times = self.samples // samples + (self.padding == "repeat")
        repeated = piece[:, :samples].repeat(1, times)[:, : self.samples]
        return F.pad(repeated, (0, self.samples - repeated.shape[1]))


class _Float32(nn.Module):
    """A part of a model that stays float32 within autocast."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, waveforms: Tensor) -> Tensor:
        with torch.autocast(waveforms.device.type, enabled=False):
            given: Tensor = self.part(waveforms)
        return given


def in_pieces(signal: Tensor, length: int) -> Iterator[tuple[Tensor, int]]:
    """Cut (clip, time, ...) into pieces of `length`, the last one zero-padded; with how much of each is signal."""
    for start in range(0, signal.shape[1], length):
        piece = signal[:, start : start + length]
        missing = length - piece.shape[1]
        yield F.pad(piece, (0, 0) * (signal.ndim - 2) + (0, missing)), piece.shape[1]


FAMILIES: dict[str, type[Family]] = {
    "wav2vec2": Waveform,
    "hubert": Waveform,
    "wavlm": Waveform,
    "audio-spectrogram-transformer": AST,
    "whisper": Whisper,
    "clap": CLAP,
}
"""model_type of a configuration -> its family."""


def family_of(model_type: str) -> type[Family]:
    """The family of a model_type. Raises UsageError for one that is none of FAMILIES."""
    if model_type not in FAMILIES:
        raise UsageError(
            f"encoder transformers: no front end for models of type {model_type!r} (there are {', '.join(FAMILIES)})"
        )
    return FAMILIES[model_type]
