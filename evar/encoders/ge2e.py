"""GE2E: a speaker encoder, three LSTM layers on a mel spectrogram (Wan et al., arXiv:1710.10467).

The weights are those that the PyPI package Resemblyzer 0.1.4 carries (Apache-2.0, trained on English speech); only its
weights file is read, its code is never imported. Front end and averaging are its own, except that silences stay in:
a clip is made at least -30 dBFS loud, cut into overlapping partial utterances of 1.6 s, each embedded alone, and the
normalised mean is the clip's embedding.
"""

import importlib.metadata
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evar.base.errors import CheckpointError, UsageError, few
from evar.encoders.adapter import require_numbers
from evar.encoders.contract import Encoder, Identity
from evar.nn.checkpoint_file import digest_of, find_checkpoint
from evar.nn.mel import MelPower, slaney_filters
from evar.nn.safe_load import load_file_safely

PACKAGE, WEIGHTS_IN_PACKAGE = "Resemblyzer", "resemblyzer/pretrained.pt"
UNUSED = {"similarity_weight", "similarity_bias"}  # of the training loss

SAMPLE_RATE = 16_000  # Hz
WINDOW = 400  # samples, 25 ms
HOP = 160  # samples, 10 ms
MELS = 40
WIDTH = 256
LAYERS = 3
PARTIAL = 160  # frames of a partial utterance, 1.6 s
PARTIALS_A_SECOND = 1.3
STEP = round(SAMPLE_RATE / PARTIALS_A_SECOND / HOP)  # frames from one partial utterance to the next
LEAST_COVERAGE = 0.75  # of the last partial utterance by signal, or it is left out
LOUDNESS_DBFS = -30.0  # softer clips are amplified to it


class GE2E(Encoder):
    """Output "last": (clip, 256), none below zero, of 2-norm 1 (0 where every unit is silent)."""

    sample_rate = SAMPLE_RATE

    def __init__(self, identity: Identity) -> None:
        super().__init__()
        self.identity = identity
        filters = slaney_filters(SAMPLE_RATE, WINDOW, MELS, 0.0, SAMPLE_RATE / 2)
        self.mel = MelPower(torch.hann_window(WINDOW), WINDOW, HOP, filters, edges="constant")
        self.lstm = nn.LSTM(MELS, WIDTH, LAYERS, batch_first=True)
        self.linear = nn.Linear(WIDTH, WIDTH)

    def encode(self, waveforms: Tensor) -> dict[str, Tensor]:
        """Embed clips of one length: (clip, sample) float32 -> {"last": (clip, 256) float32}."""
        starts = partial_starts(waveforms.shape[1])
        end = (starts[-1] + PARTIAL) * HOP
        loud = F.pad(amplified(waveforms), (0, max(0, end - waveforms.shape[1])))
        mel = self.mel(loud)
        partials = torch.stack([mel[:, start : start + PARTIAL] for start in starts], dim=1)
        embedded = self.embed_partials(partials.flatten(0, 1)).view(len(waveforms), len(starts), WIDTH)
        return {"last": F.normalize(embedded.mean(1), dim=1)}

    def embed_partials(self, mel: Tensor) -> Tensor:
        """(partial, frame, mel) -> (partial, 256): the last state of the last layer, projected, of 2-norm 1."""
        _, (hidden, _) = self.lstm(mel)
        return F.normalize(F.relu(self.linear(hidden[-1])), dim=1)


def amplified(waveforms: Tensor) -> Tensor:
    """Clips (clip, sample) softer than LOUDNESS_DBFS (root mean square) amplified to it; silence stays silent."""
    power = waveforms.square().mean(1, keepdim=True)
    gain = 10 ** (LOUDNESS_DBFS / 20) / power.sqrt().clamp_min(torch.finfo(torch.float32).tiny)
    return waveforms * torch.where(power > 0, gain.clamp_min(1), 1)


def partial_starts(samples: int) -> list[int]:
    """First frames of the partial utterances of a clip; the last one may reach over its end.

    >>> partial_starts(16_000), partial_starts(48_000)
    ([0], [0, 77, 154])
    """
    frames = -(-(samples + 1) // HOP)
    starts = list(range(0, max(1, frames - PARTIAL + STEP + 1), STEP))
    covered = (samples - starts[-1] * HOP) / (PARTIAL * HOP)
    return starts[:-1] if len(starts) > 1 and covered < LEAST_COVERAGE else starts


def open_encoder(weights: Path | None) -> Encoder:
    """GE2E with the weights of the installed Resemblyzer, or of another checkpoint of its format.

    Raises UsageError where neither is there, CheckpointError for a file that is not one.
    """
    file = _installed_weights() if weights is None else find_checkpoint(weights)
    name = f"{PACKAGE} {importlib.metadata.version(PACKAGE)}" if weights is None else file.name
    encoder = GE2E(Identity(name="ge2e", weights=name, digest=digest_of(file)))
    held = load_file_safely(file)
    state = held.get("model_state") if isinstance(held, dict) else None
    if not isinstance(state, dict):
        raise CheckpointError(f"{file} is no GE2E checkpoint: it holds no model_state")
    try:
        encoder.load_state_dict({key: tensor for key, tensor in state.items() if key not in UNUSED})
    except RuntimeError as error:
        faults = [line.strip() for line in str(error).splitlines()[1:]]
        raise CheckpointError(f"{file} is no GE2E of {LAYERS} LSTM layers of {WIDTH}: {few(faults)}") from error
    require_numbers(str(file), encoder)
    return encoder


def _installed_weights() -> Path:
    try:
        distribution = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise UsageError(
            f"encoder ge2e needs the weights in the package {PACKAGE}: pip install --no-deps {PACKAGE}==0.1.4 "
            f"(of which only the weights are read), or name its pretrained.pt by --weights"
        ) from error
    return Path(str(distribution.locate_file(WEIGHTS_IN_PACKAGE)))
