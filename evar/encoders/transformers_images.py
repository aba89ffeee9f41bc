"""The families of `transformers` for images: ViT, DINOv2 (with registers too) and CLIP's vision side.

Their own preparation resizes and crops a file, each in a way of its own; here a task's images are prepared once for all
encoders, and of the model's settings its size, mean and deviation count. No torchvision is needed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from evar.base.errors import UsageError
from evar.encoders.transformers_families import Family
from evar.nn.vit import COLOURS


class ImageFamily(Family):
    """One model with its front end: tokens are CLS, then the patches. image_size: pixels; sample_rate is that too.

    Raises UsageError for a model whose input is no square of an even number of pixels in three colours.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, model: nn.Module, extractor: Any) -> None:
        super().__init__(model, extractor)
        self.depth = int(self.config.num_hidden_layers)
        self.first = 1 + int(getattr(self.config, "num_register_tokens", 0))
        self.scale = 255 * float(extractor.rescale_factor) if extractor.do_rescale else 255.0
        mean, deviation = (
            (extractor.image_mean, extractor.image_std) if extractor.do_normalize else ([0.0] * 3, [1.0] * 3)
        )
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(-1, 1, 1), persistent=False)
        high, wide = _sides(self.size(extractor))
        if high != wide or high % 2 or self.config.num_channels != COLOURS or len(self.mean) != COLOURS:
            raise UsageError(
                f"encoder transformers: images must be squares of an even number of pixels in {COLOURS} colours, "
                f"and the model takes {high} x {wide} in {self.config.num_channels}"
            )

    def rate_of(self, extractor: Any) -> int:
        """Pixels, see `size`."""
        return _sides(self.size(extractor))[0]

    def size(self, extractor: Any) -> Any:
        """The model's input, as the configuration has it; its table of positions fits no other."""
        return self.config.image_size

    def frames(self, images: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """(clip, 3, size, size) float32 in [0, 1] -> (clip, 1 + patch, width) float32 of each of `layers`."""
        tokens = self.hidden((images * self.scale - self.mean) / self.deviation, layers)
        return [torch.cat([each[:, :1], each[:, self.first :]], dim=1) for each in tokens]


def _sides(size: Any) -> tuple[int, int]:
    """Rows and columns: of one number, two, or what an image processor's settings call them."""
    if isinstance(size, int):
        return size, size
    if isinstance(size, list | tuple):
        return int(size[0]), int(size[1])
    return int(size["height"] or size["shortest_edge"]), int(size["width"] or size["shortest_edge"])


class PlainViT(ImageFamily):
    """The vision transformer (arXiv:2010.11929), without the pooler, which only some of its checkpoints have."""

    asked: ClassVar[Mapping[str, Any]] = {"add_pooling_layer": False}


class DINOv2(ImageFamily):
    """DINOv2 (arXiv:2304.07193), at the size that its image processor crops to: the model resamples its positions."""

    def size(self, extractor: Any) -> Any:
        """Of the image processor."""
        return extractor.crop_size if extractor.do_center_crop else extractor.size


class CLIPVision(ImageFamily):
    """CLIP's vision side (arXiv:2103.00020), before the projection; of the last layer all tokens are normalised, as the
    model does with CLS.
    """

    inner = "vision_model"
    only = ("vision_config", "")

    def hidden(self, features: Tensor, layers: Sequence[int], **more: Any) -> list[Tensor]:
        """See `Family.hidden`."""
        last, norm = self.depth - 1, self.model.get_submodule("post_layernorm")
        found = super().hidden(features, layers, **more)
        return [norm(each) if layer == last else each for layer, each in zip(layers, found, strict=True)]


IMAGE_FAMILIES: dict[str, type[ImageFamily]] = {
    "vit": PlainViT,
    "dinov2": DINOv2,
    "dinov2_with_registers": DINOv2,
    "clip": CLIPVision,
    "clip_vision_model": CLIPVision,
}
"""model_type of a configuration -> its family."""
