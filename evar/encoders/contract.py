"""What an encoder is: a frozen network that turns waveforms, or images, into one embedding a clip.

A plug-in is one file of this folder; its name is its name on the command line. It exports

    open_encoder(weights: Path | None, **options) -> Encoder

whose keyword arguments are the options of `--encoder 'NAME(option=value)'`. Randomness comes from an option
(`seed=0`), never from global state. Conventions: waveforms are float32 in [-1, 1], mono, at `sample_rate` Hz; images
are RGB, float32 in [0, 1], squares of `image_size` pixels; embeddings are float32 whatever the precision inside. A clip
is a recording or an image.
"""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from evar.base.errors import UsageError
from evar.encoders.outside import outside_code
from evar.nn.exact_float32 import exact_float32


@dataclass(frozen=True)
class Identity:
    """What must be equal for two encoders to give the same embeddings, and how people call it.

    name:        the encoder's name for people, e.g. "m2d_vit_base-80x608p16x16-221006-mr7"
    weights:     the weights file's name, or what stands in for it, e.g. "random weights, seed 0"
    digest:      sha256 of the weights file, or of all tensors where they come from no single file ("" where there is
                 nothing of the kind)
    options:     all options in force, defaults included
    random:      True where its weights were drawn and never trained
    code:        what code outside this package decides the embeddings: versions of packages, sha256 of sources
    behaviour:   digest of what code from outside makes of a test signal, see `adapter.py`; "" for our own
    package:     which other package's plug-in it is, with version and digest of its sources; "" for our own
    """

    name: str
    weights: str = ""
    digest: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    random: bool = False
    code: str = ""
    behaviour: str = ""
    package: str = ""


class Encoder(nn.Module, ABC):
    """A frozen encoder of audio. Subclasses set the attributes below and implement `encode`.

    modality:        "audio" or "image": of which tasks it scores, see `ImageEncoder`
    sample_rate:     Hz that it wants its waveforms at
    outputs:         names of what it gives for a clip, e.g. ("last",)
    identity:        see `Identity`
    own_checks:      of what its kind promises beside this contract, see `checks.py`
    """

    modality: str = "audio"
    sample_rate: int
    outputs: tuple[str, ...] = ("last",)
    identity: Identity
    own_checks: "tuple[Callable[[Encoder], None], ...]" = ()

    @property
    def rate(self) -> int:
        """What its clips are prepared at: Hz, or the pixels of an image's side."""
        return self.sample_rate

    @abstractmethod
    def encode(self, waveforms: Tensor) -> dict[str, Tensor]:
        """Embed clips of one length: (clip, sample) float32 -> {output: (clip, dim) float32}.

        A clip's embedding must not depend on the other clips. Any length of at least one sample must work.
        """

    def set_precision(self, dtype: torch.dtype) -> torch.dtype:
        """Use `dtype` (float32, bfloat16, float16) for the heavy part; front end and pooling stay float32.

        Gives the precision in force: one without a heavy part, or that knows float32 only, keeps to that.
        """
        return torch.float32

    @torch.inference_mode()
    def embed(self, waveforms: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """Embed clips of any lengths: (clip, sample) float32, (clip,) int64 samples -> {output: (clip, dim) float32}.

        What lies beyond a clip's length is never seen: clips of equal length go through `encode` together, cut to it.
        `lengths` belong on the CPU, so that a batch of one length waits for no device; float32 is exact (no TF32).
        Raises ValueError where shapes, dtype or lengths are wrong, UsageError for what a user's own class raises.
        """
        if waveforms.ndim != 2 or waveforms.dtype != torch.float32:
            raise ValueError(
                f"waveforms must be (clip, sample) float32, not {tuple(waveforms.shape)} {waveforms.dtype}"
            )
        lengths = lengths.cpu()
        if lengths.shape != waveforms.shape[:1] or not ((lengths >= 1) & (lengths <= waveforms.shape[1])).all():
            raise ValueError(f"lengths must be (clip,) within 1..{waveforms.shape[1]}, got {lengths.tolist()}")
        present = sorted(set(lengths.tolist()))
        with exact_float32(), self._watched(waveforms):
            if len(present) == 1:
                return self.encode(waveforms[:, : present[0]])
            return self._embed_by_length(waveforms, lengths, present)

    def _watched(self, clips: Tensor) -> contextlib.AbstractContextManager[None]:
        kind = type(self)
        if kind.__module__.partition(".")[0] == __name__.partition(".")[0]:
            return contextlib.nullcontext()
        what = "samples" if self.modality == "audio" else "images"
        return outside_code(f"{kind.__name__}: embedding {tuple(clips.shape)} {what}")

    def _embed_by_length(self, waveforms: Tensor, lengths: Tensor, present: list[int]) -> dict[str, Tensor]:
        """`encode` for the clips of each length `present`, put back into the clips' order."""
        embedded: dict[str, Tensor] = {}
        for length in present:
            rows = (lengths == length).nonzero().squeeze(1).to(waveforms.device)
            for output, values in self.encode(waveforms[rows, :length]).items():
                whole = embedded.setdefault(output, values.new_empty((len(waveforms), values.shape[1])))
                whole[rows] = values
        return embedded


class ImageEncoder(Encoder):
    """A frozen encoder of images.

    image_size:  pixels of the square that it wants, an even number; it takes the role of `sample_rate`

    It subtracts its own mean and divides by its own deviation.
    """

    modality = "image"
    image_size: int

    @property
    def rate(self) -> int:
        return self.image_size

    @abstractmethod
    def encode(self, images: Tensor) -> dict[str, Tensor]:
        """Embed images: (clip, 3, image_size, image_size) float32 in [0, 1], RGB -> {output: (clip, dim) float32}.

        An image's embedding must not depend on the other images.
        """

    @torch.inference_mode()
    def embed(self, images: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        """Embed images: (clip, 3, image_size, image_size), uint8 or float32 in [0, 1] -> {output: (clip, dim) float32}.

        All are of one size: `lengths` count for nothing. float32 is exact (no TF32). Raises ValueError where shape or
        dtype are wrong, UsageError for what a user's own class raises.
        """
        shape = (3, self.image_size, self.image_size)
        if images.shape[1:] != shape or images.ndim != 4 or images.dtype not in (torch.uint8, torch.float32):
            raise ValueError(
                f"images must be (clip, {', '.join(map(str, shape))}) uint8 or float32, "
                f"not {tuple(images.shape)} {images.dtype}"
            )
        if images.dtype == torch.uint8:
            images = images.to(torch.float32, memory_format=torch.contiguous_format) / 255
        with exact_float32(), self._watched(images):
            return self.encode(images)


def refuse_weights(name: str, weights: Path | None) -> None:
    """Raise UsageError where `weights` are given to the encoder `name`, which takes none."""
    if weights is not None:
        raise UsageError(f"encoder {name} takes no weights, but was given {weights}: leave --weights out")
