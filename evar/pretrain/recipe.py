"""All settings of a pre-training run, with the papers' values as defaults, and presets for smaller machines.

Each field's description is its help on the command line, its bounds are checked wherever it comes from.
Source of the defaults: Niizumi et al., arXiv:2210.14648, section 4.1 and appendix (M2D); arXiv:2204.12260 (MSM-MAE).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from evar.base.errors import UsageError, unknown
from evar.data.sample_file import samples_of
from evar.nn.configuration import MOST_PIXELS, SIZES, Configuration, configuration_of_name, model_name
from evar.nn.frontend import HOPS_PER_SECOND, MELS, SAMPLE_RATES
from evar.nn.vit import Grid
from evar.pretrain.m2d import M2DObjective
from evar.pretrain.masked_model import MaskedModel, PredictorShape
from evar.pretrain.masking import visible_patches
from evar.pretrain.msm_mae import MsmMae
from evar.training.settings import AUTO, validated

OBJECTIVES: dict[str, type[M2DObjective] | type[MsmMae]] = {"m2d": M2DObjective, "msm_mae": MsmMae}
BATCH_OF_BASE_RATE = 256  # clips that the base learning rate is stated for

PRESETS: dict[str, dict[str, Any]] = {
    "base": {},
    "small": {"size": "small", "batch_size": 512, "ema_start": None, "ema_end": None},
    "tiny": {
        "size": "tiny",
        "frames": 208,
        "short_clips": "repeat",
        "masking": "time",
        "mask_ratio": 0.6,
        "batch_size": 128,
        "base_lr": 2e-3,
        "predictor_width": 192,
        "predictor_depth": 2,
        "predictor_heads": 6,
        "ema_start": 0.99,
        "ema_end": 0.997,
        "epochs": 10,
        "warmup_epochs": 0.3,
    },
}
"""Preset -> what it changes. `tiny` is for hours on a CPU, and trained the bundled encoder (docs/bundled-encoder.md):
2 seconds of input, a small predictor, whole columns masked and a target that follows fast. EMA decays of None follow
the number of steps, see `schedule.py`."""

OF_OBJECTIVE: dict[str, dict[str, Any]] = {
    "m2d": {},
    "msm_mae": {
        "masking": "random",
        "mask_ratio": 0.75,
        "predictor_width": 384,
        "predictor_depth": 4,
        "predictor_heads": 6,
    },
}
"""Objective -> the values that its paper changes."""

FOR: dict[str, tuple[str, ...]] = {
    "audio": ("sample_rate", "frames", "short_clips"),
    "image": ("smallest_crop", "flip"),
}
"""Modality -> settings that mean nothing for the other one."""

OF_IMAGES: dict[str, Any] = {"masking": "random", "mask_ratio": 0.75}
"""What images change, whatever preset and objective; the share is MAE's (He et al., arXiv:2111.06377, section 4.1)."""


Decay = Annotated[Annotated[float, Field(ge=0, le=1)] | None, AUTO]
"""An EMA decay; None ("auto" on the command line): by the number of steps."""


class Recipe(BaseModel):
    """Everything that decides the numbers of a run, beside its clips and its precision; see the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    objective: Literal["m2d", "msm_mae"] = Field("m2d", description="m2d, or msm_mae (reconstruction of the input)")
    size: Literal["tiny", "small", "base", "large", "huge"] = Field(
        "base", description="of the ViT: tiny, small, base, large, huge"
    )
    sample_rate: int = Field(16000, description="of the audio, in Hz: 16000 or 32000")
    image_size: Annotated[PositiveInt | None, AUTO] = Field(
        None, description="side of the images to train on, in pixels, an even number; auto: audio is trained on"
    )
    frames: PositiveInt = Field(608, description="input length, in frames of 10 ms")
    patch_mels: PositiveInt = Field(16, description=f"height of a patch, in mels, of which there are {MELS}, or pixels")
    patch_frames: PositiveInt = Field(
        16, description="width of a patch, in frames, or pixels: then the same as its height"
    )
    short_clips: Literal["pad", "repeat"] = Field(
        "pad", description="clips shorter than the input are filled up with silence (pad) or with themselves (repeat)"
    )
    smallest_crop: float = Field(
        0.2, gt=0, le=1, description="smallest random resized crop of an image, as a share of its area; 1: all of it"
    )
    flip: bool = Field(True, description="mirror half of the images left to right")
    masking: Literal["random", "time", "frequency"] = Field(
        "random", description="patches masked at random, or whole columns (time) or rows (frequency)"
    )
    mask_ratio: float = Field(0.7, gt=0, lt=1, description="share of the patches that is masked")
    predictor_width: PositiveInt = Field(512, description="width of the predictor's tokens")
    predictor_depth: PositiveInt = Field(8, description="blocks of the predictor")
    predictor_heads: PositiveInt = Field(16, description="attention heads of the predictor")
    batch_size: PositiveInt = Field(2048, description="clips of a step, over all devices")
    accumulate: PositiveInt = Field(1, description="parts that each device takes its share of a step in")
    epochs: PositiveInt = Field(300, description="passes over the clips")
    warmup_epochs: float = Field(20, ge=0, description="epochs in which the learning rate rises")
    base_lr: float = Field(3e-4, gt=0, description=f"peak learning rate for {BATCH_OF_BASE_RATE} clips a step")
    weight_decay: float = Field(0.05, ge=0, description="of all weights but biases and norms")
    beta1: float = Field(0.9, ge=0, lt=1, description="AdamW's first beta")
    beta2: float = Field(0.95, ge=0, lt=1, description="AdamW's second beta")
    clip: float = Field(3.0, gt=0, description="largest norm of the gradient")
    ema_start: Decay = Field(
        0.99995, description="decay of the target network at the first step, or auto, by the steps"
    )
    ema_end: Decay = Field(0.99999, description="the same at the last step")
    seed: int = Field(0, ge=0, description="of weights, order, crops and masks")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.sample_rate not in SAMPLE_RATES:
            raise ValueError(f"sample_rate must be one of {', '.join(map(str, SAMPLE_RATES))}, not {self.sample_rate}")
        if self.image_size:
            self._fits_images(self.image_size)
        elif MELS % self.patch_mels:
            raise ValueError(f"patch_mels must divide {MELS}, not be {self.patch_mels}")
        elif self.frames < self.patch_frames:
            raise ValueError(f"frames ({self.frames}) must hold a patch ({self.patch_frames} frames)")
        patches = self.grid.rows * self.grid.columns
        if not 0 < visible_patches(patches, self.mask_ratio) < patches:
            raise ValueError(f"mask_ratio {self.mask_ratio} leaves none of {patches} patches visible, or none masked")
        if self.predictor_width % self.predictor_heads or self.predictor_width % 4:
            raise ValueError(
                f"predictor_width must be a multiple of 4 and of predictor_heads, not {self.predictor_width} "
                f"for {self.predictor_heads} heads"
            )
        if self.batch_size % self.accumulate:
            raise ValueError(f"batch_size {self.batch_size} cannot be taken in {self.accumulate} equal parts")
        if self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs ({self.warmup_epochs:g}) must not exceed epochs ({self.epochs})")
        return self

    def _fits_images(self, size: int) -> None:
        if self.patch_mels != self.patch_frames:
            raise ValueError(f"patches of images are square, not {self.patch_mels} x {self.patch_frames} pixels")
        if size % 2 or size % self.patch_mels or size > MOST_PIXELS:
            raise ValueError(
                f"image_size must be an even number of pixels, at most {MOST_PIXELS}, and a multiple of the patch "
                f"({self.patch_mels}), not {size}"
            )

    @property
    def grid(self) -> Grid:
        """How the spectrogram, or the image, is cut."""
        if self.image_size:
            return Grid.of_image(self.image_size, self.patch_mels)
        return Grid(MELS, self.frames, self.patch_mels, self.patch_frames)

    @property
    def name(self) -> str:
        """See `model_name`."""
        return model_name(self.objective, self.size, self.grid, self.sample_rate)

    @property
    def configuration(self) -> Configuration:
        """The encoder's shape."""
        return configuration_of_name(self.name)

    @property
    def modality(self) -> str:
        """Of its clips: "audio" or "image"."""
        return "image" if self.image_size else "audio"

    @property
    def rate(self) -> int:
        """What clips are prepared at: Hz, or the pixels of an image's side."""
        return self.image_size or self.sample_rate

    @property
    def samples(self) -> int:
        """Length of a crop: the frames that fill whole patches, in samples; of an image, what a store keeps of it."""
        if self.image_size:
            return samples_of("image", 0.0, self.image_size)
        return self.grid.columns * self.patch_frames * self.sample_rate // HOPS_PER_SECOND

    @property
    def peak_lr(self) -> float:
        """The learning rate after warm-up: linear in the batch (Goyal et al., arXiv:1706.02677, section 2.1)."""
        return self.base_lr * self.batch_size / BATCH_OF_BASE_RATE

    def model(self) -> MaskedModel:
        """The networks, with weights drawn from the seed."""
        width, depth = SIZES[self.size]
        predictor = PredictorShape(self.predictor_width, self.predictor_depth, self.predictor_heads)
        made = OBJECTIVES[self.objective](self.grid, width, depth, predictor)
        made.draw_weights(self.seed)
        return made


def make_recipe(preset: str, overrides: Mapping[str, Any]) -> Recipe:
    """The preset with the objective's and images' own values and these `overrides` (field -> value or its text).

    Warm-up is shortened to a fifteenth of the epochs, as 20 are of 300, where `overrides` give epochs alone and the
    preset says nothing.
    Raises UsageError for an unknown preset, an unknown field, values that cannot be, and overrides of the other
    modality's settings.
    """
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    of_objective = OF_OBJECTIVE.get(str(overrides.get("objective", "m2d")), {})
    images = overrides.get("image_size") not in (None, "auto")
    for field in FOR["audio" if images else "image"]:
        if field in overrides:
            theirs, how = ("audio", "it out") if images else ("images", "it out, or give --image-size")
            raise UsageError(f"--{field.replace('_', '-')} is for {theirs}: leave {how}")
    of_images = OF_IMAGES if images else {}
    values = {**PRESETS[preset], **of_objective, **of_images, **overrides}
    if "epochs" in values and "warmup_epochs" not in values and str(values["epochs"]).isdigit():
        values["warmup_epochs"] = int(values["epochs"]) / 15
    return validated(Recipe, values)
