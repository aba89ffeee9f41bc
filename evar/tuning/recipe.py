"""All settings of a fine-tuning, with M2D's common values as defaults; `recipes.yaml` has what each task changes.

Each field's description is its help on the command line, its bounds are checked wherever it comes from.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from evar.base.errors import unknown
from evar.base.yaml_file import read_yaml, read_yaml_as
from evar.data.task import ENDINGS, Strict
from evar.training.settings import AUTO, validated

TABLE = Path(__file__).with_name("recipes.yaml")
DEFAULT = "default"  # the recipe of a task that has none of its own


class FineTuningRecipe(BaseModel):
    """Everything that decides the numbers of a fine-tuning, beside task, weights and precision; see the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    optimizer: Literal["sgd", "adamw", "lars"] = Field("sgd", description="sgd, adamw or lars")
    lr: float = Field(0.5, gt=0, description="peak learning rate, for the whole batch")
    lr_min: float = Field(1e-7, ge=0, description="learning rate at the end of the cosine")
    epochs: PositiveInt = Field(200, description="passes over the training clips")
    warmup_epochs: float = Field(5, ge=0, description="epochs in which the learning rate rises from 0")
    batch_size: Annotated[int, Field(ge=2)] = Field(128, description="clips of a step, over all devices")
    at_once: Annotated[PositiveInt | None, AUTO] = Field(
        None, description="clips that a device takes at once of its share of a step; auto: as its memory allows"
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd and lars")
    beta1: float = Field(0.9, ge=0, lt=1, description="adamw's first beta")
    beta2: float = Field(0.95, ge=0, lt=1, description="adamw's second beta")
    amsgrad: bool = Field(False, description="adamw's AMSGrad")
    trust: float = Field(0.001, gt=0, description="trust coefficient of lars")
    weight_decay: float = Field(0.0, ge=0, description="of all weights but biases and norms")
    clip: Annotated[Annotated[float, Field(gt=0)] | None, AUTO] = Field(
        None, description="largest norm of the gradient; auto: it is not clipped"
    )
    mixup: float = Field(0.0, ge=0, description="alpha of mixup's Beta(alpha, alpha); 0 for no mixup")
    crop: bool = Field(False, description="random resized crop of the log-mel")
    crop_room_mels: float = Field(1.0, ge=1, description="height of what is cropped from, in inputs, filled with means")
    crop_room_frames: float = Field(1.5, ge=1, description="its length, in inputs")
    crop_smallest: float = Field(0.6, gt=0, description="smallest crop, in inputs, along mels and frames each")
    crop_largest: float = Field(1.5, gt=0, description="largest crop; along mels never more than the input")
    smallest_crop: Annotated[Annotated[float, Field(gt=0, le=1)] | None, AUTO] = Field(
        None, description="smallest random resized crop of an image, as a share of its area; auto: it is not cropped"
    )
    flip: bool = Field(False, description="mirror half of the images left to right")
    freq_mask: int = Field(0, ge=0, description="most mels that are masked, in one band")
    time_mask: int = Field(0, ge=0, description="most frames that are masked, in one span")
    patchout: float = Field(
        0.0, ge=0, lt=1, description="share of the patches that training drops, in whole rows and columns"
    )
    freeze_patches: bool = Field(False, description="leave the patch embedding as it is")
    freeze: bool = Field(False, description="leave the whole encoder as it is: the head alone is trained")
    features: Literal["mean", "cls"] = Field("mean", description="of an image: mean over its patches, or cls")
    class_mean: bool = Field(
        True,
        description="divide the loss of a clip of one label by the number of classes; false: the usual cross entropy",
    )
    sampling: Literal["each", "by_class"] = Field(
        "each", description="each clip once an epoch, or by_class: drawn, rare classes more often"
    )
    epoch_clips: Annotated[PositiveInt | None, AUTO] = Field(
        None, description="clips of an epoch where they are drawn by_class; auto: as many as there are"
    )
    head_eps: float = Field(1e-5, gt=0, description="added to the variance in the head's normalisation")
    head_std: float = Field(0.01, ge=0, description="deviation of the head's first weights")
    seed: int = Field(43, ge=0, description="of the first run: head, order, crops, masks, held-out clips")
    seeds: PositiveInt = Field(3, description="runs, whose scores are averaged")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs ({self.warmup_epochs:g}) must not exceed epochs ({self.epochs})")
        if self.crop_smallest > self.crop_largest:
            raise ValueError(f"crop_smallest ({self.crop_smallest}) must not exceed crop_largest ({self.crop_largest})")
        if self.freeze and self.patchout:
            raise ValueError(
                "patchout saves gradients of the encoder, which freeze needs none of: leave one of them out"
            )
        if self.epoch_clips and self.sampling == "each":
            raise ValueError("epoch_clips goes with sampling by_class")
        return self

    @property
    def flat(self) -> bool:
        """Whether the clip's features are a mean over single patches: those that are left form no whole columns."""
        return self.patchout > 0

    def differing(self, other: "FineTuningRecipe") -> dict[str, Any]:
        """What decides numbers and is another than in `other`."""
        theirs = other.model_dump(exclude={"at_once"})
        return {name: value for name, value in self.model_dump(exclude={"at_once"}).items() if value != theirs[name]}


class Recipes(Strict):
    """The table: recipe -> what it changes; best_on_test: tasks whose authors chose the epoch on test clips."""

    recipes: Mapping[str, Mapping[str, Any]]
    best_on_test: list[str]


@cache
def table() -> Recipes:
    """`recipes.yaml`."""
    return read_yaml_as(TABLE, Recipes)


def make_recipe(task: str, named: str | Path | None, overrides: Mapping[str, Any]) -> FineTuningRecipe:
    """The recipe of a task with these `overrides` (field -> value or its text).

    named: another recipe of the table, or a YAML file of fields; None for the task's own, else the default. Where
    `overrides` give epochs alone, warm-up keeps its share of them.
    Raises UsageError for an unknown recipe, unknown fields and values that cannot be.
    """
    known, name = table().recipes, str(named or (task if task in table().recipes else DEFAULT))
    if Path(name).suffix.lower() in ENDINGS:
        base: Mapping[str, Any] = read_yaml(Path(name))
    elif name in known:
        base = known[name]
    else:
        raise unknown("recipe", name, known)
    for field in (*base, *overrides):
        if field not in FineTuningRecipe.model_fields:
            raise unknown("setting of a recipe", field, FineTuningRecipe.model_fields)
    values = {**base, **overrides}
    if "epochs" in overrides and "warmup_epochs" not in overrides and str(overrides["epochs"]).isdigit():
        before = validated(FineTuningRecipe, base)
        values["warmup_epochs"] = before.warmup_epochs * int(overrides["epochs"]) / before.epochs
    return validated(FineTuningRecipe, values)
