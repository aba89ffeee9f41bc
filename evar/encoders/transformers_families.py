"""The families of `transformers`: each one's front end, and which of its frames belong to the clip.

Front ends are done here, on the device, with the numbers of the model's own feature extractor: theirs go clip by clip
through NumPy, draw random crops (CLAP), and change with the packages installed (AST with torchaudio). Models of a
fixed input length get longer clips in consecutive pieces, the last one filled up as they were trained; only frames
that begin within the clip count.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evar.nn.mel import MelPower


class Family(nn.Module, ABC):
    """One model with its front end.

    sample_rate:  Hz
    depth:        layers that can be asked for; the last is what the model itself gives in the end
    precision:    of the model; the front end stays float32
    inner:        name of the part of the model that is run; "" for all of it. A model that is that part stays whole
    only:         (field, pattern) where no more than a part is read from the files: the field of the configuration that
                  describes it, and what its tensors' names begin with; None where all of the model is read
    asked:        what the model is opened with beside that
    whole:        why no layers can be asked for; "" where they can
    rounds:       whether the model may run in fewer bits
    """

    sample_rate: int
    depth: int
    precision = torch.float32
    inner = ""
    only: tuple[str, str] | None = None
    asked: ClassVar[Mapping[str, Any]] = {}
    whole = ""
    rounds = True

    def __init__(self, model: nn.Module, extractor: Any) -> None:
        super().__init__()
        self.model = getattr(model, self.inner, model) if self.inner else model
        self.config: Any = getattr(self.model, "config", model.config)
        self.sample_rate = self.rate_of(extractor)

    def rate_of(self, extractor: Any) -> int:
        """The sample rate in Hz."""
        return int(extractor.sampling_rate)

    @abstractmethod
    def frames(self, waveforms: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Clips of one length (clip, sample) -> (clip, frame, dim) float32 of each of `layers`, no padding in it."""

    def wanted(self, clips: Tensor, layers_of: Mapping[str, Sequence[int]]) -> dict[int, Tensor]:
        """`frames` of every layer of some outputs, by its number."""
        numbers = sorted({layer for layers in layers_of.values() for layer in layers})
        return dict(zip(numbers, self.frames(clips, numbers), strict=True))

    def hidden(self, features: Tensor, layers: Sequence[int], **more: Any) -> list[Tensor]:
        """The model's (clip, token, width) of each of `layers`."""
        with torch.autocast(features.device.type, self.precision, enabled=self.precision != torch.float32):
            given = self.model(features, output_hidden_states=True, **more)
        steps = [*given.hidden_states[1:-1], given.last_hidden_state]
        return [steps[layer].float() for layer in layers]


class Waveform(Family):
    """wav2vec2 and its kin: convolutions straight on the waveform, which is normalised where the extractor says so.

    A clip of less than one frame is zero-padded to one, after normalisation; SEW, which averages neighbouring frames
    for its layers, needs as many as it averages.
    """

    def __init__(self, model: nn.Module, extractor: Any) -> None:
        super().__init__(model, extractor)
        config = self.config
        self.depth = int(config.num_hidden_layers)
        self.normalise = bool(extractor.do_normalize)
        self.shortest = int(getattr(config, "squeeze_factor", 1))
        for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
            self.shortest = (self.shortest - 1) * stride + kernel
        model.feature_extractor = _Float32(model.get_submodule("feature_extractor"))

    def frames(self, waveforms: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """See `Family.frames`."""
        if self.normalise:
            variance, mean = torch.var_mean(waveforms, 1, correction=0, keepdim=True)
            waveforms = (waveforms - mean) / (variance + 1e-7).sqrt()
        return self.hidden(F.pad(waveforms, (0, max(0, self.shortest - waveforms.shape[1]))), layers)


class KaldiMel(MelPower):
    """The log-mel of Kaldi's `fbank`, without its scale of 16-bit numbers."""

    WINDOW, FFT, HOP = 400, 512, 160  # samples at 16 kHz: 25, 32, 10 ms
    FLOOR = 1.192092955078125e-07  # of the power, before the logarithm

    def __init__(self, window: Tensor, filters: Any) -> None:
        super().__init__(window, self.FFT, self.HOP, torch.from_numpy(filters), edges=None, preemphasis=0.97)

    def forward(self, waveforms: Tensor) -> Tensor:
        """(clip, sample) -> (clip, frame, mel)."""
        return super().forward(waveforms).clamp_min(self.FLOOR).log()


class AST(Family):
    """Audio Spectrogram Transformer (arXiv:2104.01778): Kaldi's log-mel in patches; a frame is the mean of a column."""

    def __init__(self, model: nn.Module, extractor: Any) -> None:
        super().__init__(model, extractor)
        from transformers.audio_utils import mel_filter_bank

        config = self.config
        self.depth = int(config.num_hidden_layers)
        self.length = int(config.max_length)  # frames
        self.stride = int(config.time_stride)  # frames from one column of patches to the next
        self.columns = (self.length - config.patch_size) // self.stride + 1
        self.scale = (float(extractor.mean), 2 * float(extractor.std)) if extractor.do_normalize else (0.0, 1.0)
        filters = mel_filter_bank(
            KaldiMel.FFT // 2 + 1, int(extractor.num_mel_bins), 20, self.sample_rate // 2, self.sample_rate,
            norm=None, mel_scale="kaldi", triangularize_in_mel_space=True,
        )  # fmt: skip
        self.mel = KaldiMel(torch.hann_window(KaldiMel.WINDOW, periodic=False), filters)

    def frames(self, waveforms: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """See `Family.frames`."""
        pieces = []
        for piece, frames in in_pieces(self.mel(waveforms), self.length):
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

    inner = "encoder"
    FLOOR = 1e-10  # of the power, before the logarithm
    RANGE = 8.0  # powers of ten below a piece's loudest bin that are kept

    def __init__(self, model: nn.Module, extractor: Any) -> None:
        super().__init__(model, extractor)
        self.depth = int(self.config.encoder_layers)
        self.samples, hop = int(extractor.n_samples), int(extractor.hop_length)
        self.samples_a_frame = self.samples // int(self.config.max_source_positions)
        window = torch.hann_window(extractor.n_fft)
        self.mel = MelPower(window, extractor.n_fft, hop, torch.from_numpy(extractor.mel_filters), edges="reflect")

    def frames(self, waveforms: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """See `Family.frames`."""
        pieces = []
        for piece, samples in in_pieces(waveforms, self.samples):
            log_mel = self.mel(piece)[:, :-1].clamp_min(self.FLOOR).log10()
            log_mel = torch.maximum(log_mel, log_mel.amax((1, 2), keepdim=True) - self.RANGE)
            pieces.append(self.valid(((log_mel + 4) / 4).transpose(1, 2).contiguous(), samples, layers))
        return [torch.cat(layer, dim=1) for layer in zip(*pieces, strict=True)]

    def valid(self, features: Tensor, samples: int, layers: Sequence[int]) -> list[Tensor]:
        """The tokens of each layer that belong to the first `samples` of a piece's features (clip, mel, frame)."""
        frames = -(-samples // self.samples_a_frame)
        return [each[:, :frames] for each in self.hidden(features, layers)]


class Qwen2Audio(Whisper):
    """Qwen2-Audio's encoder (arXiv:2407.10759), without its language model: Whisper's, whose attention looks at no
    silence after the clip's end, and whose last layer is averaged in twos: 25 frames/s, the other layers' are 50.
    """

    inner = ""
    only = ("audio_config", r"^(model\.)?audio_tower\.")

    def valid(self, features: Tensor, samples: int, layers: Sequence[int]) -> list[Tensor]:
        """See `Whisper.valid`."""
        frames = -(-samples // self.samples_a_frame)
        masked = torch.zeros(self.config.max_source_positions, device=features.device)
        masked[frames:] = torch.finfo(masked.dtype).min
        tokens = self.hidden(features, layers, attention_mask=masked[None, None, None])
        last = max(1, frames // 2)
        return [
            each[:, : last if layer == self.depth - 1 else frames] for layer, each in zip(layers, tokens, strict=True)
        ]


class Wav2Vec2BERT(Family):
    """wav2vec2-BERT (arXiv:2312.05187): Kaldi's log-mel, each band normalised over the clip, two frames a token.

    A frame that is left over at the end counts for the normalisation alone, as in the package. A clip of less than two
    frames is zero-padded to two, of which alone there is a deviation.
    """

    def __init__(self, model: nn.Module, extractor: Any) -> None:
        super().__init__(model, extractor)
        self.depth, self.stride = int(self.config.num_hidden_layers), int(extractor.stride)
        self.mel = KaldiMel(torch.from_numpy(extractor.window), extractor.mel_filters)
        self.mel.shortest = KaldiMel.WINDOW + (max(2, self.stride) - 1) * KaldiMel.HOP

    def frames(self, waveforms: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """See `Family.frames`."""
        log_mel = self.mel(waveforms * 2**15)  # numbers of 16 bits
        variance, mean = torch.var_mean(log_mel, 1, keepdim=True)
        features = (log_mel - mean) / (variance + 1e-7).sqrt()
        tokens = features.shape[1] // self.stride
        return self.hidden(features[:, : tokens * self.stride].reshape(len(features), tokens, -1), layers)


class Parakeet(Family):
    """Parakeet's encoder (a FastConformer, arXiv:2305.05084): log-mel, each band normalised over the clip.

    A clip of less than two frames is zero-padded to two, of which alone there is a deviation.
    """

    inner = "encoder"
    GUARD = 2.0**-24  # added to the power, before the logarithm
    EPSILON = 1e-5  # added to the deviation

    def __init__(self, model: nn.Module, extractor: Any) -> None:
        super().__init__(model, extractor)
        self.depth, self.hop = int(self.config.num_hidden_layers), int(extractor.hop_length)
        self.preemphasis = float(extractor.preemphasis or 0)
        window, fft = torch.hann_window(int(extractor.win_length), periodic=False), int(extractor.n_fft)
        before = (fft - len(window)) // 2
        window = F.pad(window, (before, fft - len(window) - before))
        self.mel = MelPower(window, fft, self.hop, torch.as_tensor(extractor.mel_filters).T, edges="constant")

    def frames(self, waveforms: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """See `Family.frames`."""
        waveforms = F.pad(waveforms, (0, max(0, 2 * self.hop - waveforms.shape[1])))
        sharpened = waveforms - self.preemphasis * F.pad(waveforms, (1, 0))[:, :-1]
        log_mel = (self.mel(sharpened)[:, : waveforms.shape[1] // self.hop] + self.GUARD).log()
        deviation, mean = torch.std_mean(log_mel, 1, keepdim=True)
        return self.hidden((log_mel - mean) / (deviation + self.EPSILON), layers)


class Codec(Family):
    """An audio codec: what its encoder gives before anything is quantised. It stays float32, convolutions all of it."""

    depth = 1
    inner = "encoder"
    whole = "a codec has one output, its latents before they are quantised"
    rounds = False

    def latents(self, waveforms: Tensor) -> Tensor:
        """(clip, channel, sample) -> (clip, frame, dim)."""
        given: Tensor = self.model(waveforms)
        return given.transpose(1, 2)


class EnCodec(Codec):
    """EnCodec (arXiv:2210.13438). Of two channels both are the clip.

    A model with chunks (48 kHz: a second each, of which neighbours share a hundredth) gets them as the package cuts
    them, the last one zero-padded; frames that two chunks share count twice.
    """

    def frames(self, waveforms: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """See `Family.frames`; the one layer is the latents."""
        samples = waveforms.shape[1]
        length = self.config.chunk_length or samples
        stride = self.config.chunk_stride or length
        channels = waveforms[:, None].expand(-1, self.config.audio_channels, -1)
        found = []
        for start in range(0, samples, stride):
            chunk = channels[:, :, start : start + length]
            frames = -(-chunk.shape[2] // self.config.hop_length)
            chunk = F.pad(chunk, (0, length - chunk.shape[2]))
            if self.config.normalize:
                chunk = chunk / (chunk.mean(1, keepdim=True).square().mean(2, keepdim=True).sqrt() + 1e-8)
            found.append(self.latents(chunk)[:, :frames])
        return [torch.cat(found, dim=1)]


class DAC(Codec):
    """Descript Audio Codec (arXiv:2306.06546); clips are zero-padded to whole frames."""

    def __init__(self, model: nn.Module, extractor: Any) -> None:
        super().__init__(model, extractor)
        self.hop = int(extractor.hop_length)

    def frames(self, waveforms: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """See `Family.frames`; the one layer is the latents."""
        return [self.latents(F.pad(waveforms, (0, -waveforms.shape[1] % self.hop))[:, None])]


class CLAP(Family):
    """CLAP's audio side (arXiv:2211.06687): its pooled output of pieces of 10 s, each repeated until it is full.

    A clip has one frame: the mean over its pieces, weighted by their length. Models with fusion get every piece as a
    clip that is not longer than the input, so nothing is drawn at random.
    """

    depth = 1
    inner = "audio_model"
    whole = "layers of CLAP are of several sizes"
    FLOOR = 1e-10  # of the power, before the logarithm

    def __init__(self, model: nn.Module, extractor: Any) -> None:
        super().__init__(model, extractor)
        self.fusion = bool(self.config.enable_fusion)
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
    "wav2vec2-conformer": Waveform,
    "unispeech": Waveform,
    "unispeech-sat": Waveform,
    "sew": Waveform,
    "sew-d": Waveform,
    "data2vec-audio": Waveform,
    "wav2vec2-bert": Wav2Vec2BERT,
    "audio-spectrogram-transformer": AST,
    "whisper": Whisper,
    "qwen2_audio": Qwen2Audio,
    "qwen2_audio_encoder": Qwen2Audio,
    "parakeet_ctc": Parakeet,
    "parakeet_rnnt": Parakeet,
    "parakeet_tdt": Parakeet,
    "parakeet_encoder": Parakeet,
    "clap": CLAP,
    "encodec": EnCodec,
    "dac": DAC,
}
"""model_type of a configuration -> its family."""
