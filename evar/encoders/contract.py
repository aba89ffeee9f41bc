"""What an encoder is: a frozen network that turns waveforms into one embedding a clip.

A plug-in is one file of this folder; its name is its name on the command line. It exports

    open_encoder(weights: Path | None, **options) -> Encoder

whose keyword arguments are the options of `--encoder 'NAME(option=value)'`. Randomness comes from an option
(`seed=0`), never from global state. Conventions: waveforms are float32 in [-1, 1], mono, at `sample_rate` Hz;
embeddings are float32 whatever the precision inside.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Identity:
    """What must be equal for two encoders to give the same embeddings, and how people call it.

    name:        the encoder's name for people, e.g. "m2d_vit_base-80x608p16x16-221006-mr7"
    weights:     the weights file's name, or what stands in for it, e.g. "random weights, seed 0"
    digest:      sha256 of the weights file ("" where there is none)
    options:     all options in force, defaults included
    random:      True where nothing in it was learned
    """

    name: str
    weights: str = ""
    digest: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    random: bool = False


class Encoder(nn.Module, ABC):
    """A frozen encoder. Subclasses set the attributes below and implement `encode`.

    sample_rate:     Hz that it wants its waveforms at
    outputs:         names of what it gives for a clip, e.g. ("last",)
    identity:        see `Identity`
    """

    sample_rate: int
    outputs: tuple[str, ...] = ("last",)
    identity: Identity

    @abstractmethod
    def encode(self, waveforms: Tensor) -> dict[str, Tensor]:
        """Embed clips of one length: (clip, sample) float32 -> {output: (clip, dim) float32}.

        A clip's embedding must not depend on the other clips. Any length of at least one sample must work.
        """

    def set_precision(self, dtype: torch.dtype) -> None:
        """Use `dtype` (float32, bfloat16, float16) for the heavy part; front end and pooling stay float32.

        An encoder without a heavy part ignores it.
        """

    @torch.inference_mode()
    def embed(self, waveforms: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """Embed clips of any lengths: (clip, sample) float32, (clip,) int64 samples -> {output: (clip, dim) float32}.

        What lies beyond a clip's length is never seen: clips of equal length go through `encode` together, cut to it.
        Raises ValueError where shapes, dtype or lengths are wrong.
        """
        if waveforms.ndim != 2 or waveforms.dtype != torch.float32:
            raise ValueError(f"waveforms must be (clip, sample) float32, not {tuple(waveforms.shape)} {waveforms.dtype}")
        if lengths.shape != waveforms.shape[:1] or not ((lengths >= 1) & (lengths <= waveforms.shape[1])).all():
            raise ValueError(f"lengths must be (clip,) within 1..{waveforms.shape[1]}, got {lengths.tolist()}")
        embedded: dict[str, Tensor] = {}
        for length in torch.unique(lengths).tolist():
            rows = (lengths == length).nonzero().squeeze(1)
            for output, values in self.encode(waveforms[rows, :length]).items():
                whole = embedded.setdefault(output, values.new_empty((len(waveforms), values.shape[1])))
                whole[rows] = values
        return embedded
