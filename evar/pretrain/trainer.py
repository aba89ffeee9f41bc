"""One step of pre-training: crops in, weights changed, loss and gradient norm out."""

from typing import Any

import torch
from torch import Tensor, nn

from evar.data.audio import FULL_SCALE
from evar.nn import images
from evar.nn.frontend import LogMel
from evar.pretrain.crops import Crops
from evar.pretrain.masking import split_patches
from evar.pretrain.recipe import Recipe
from evar.pretrain.schedule import Schedule
from evar.training.numerics import fix_numerics, numerics
from evar.training.optimizers import weight_groups
from evar.training.team import Team


class Trainer:
    """Model, optimiser and front end on a device.

    precision: "float32" (exact, no TF32) or "bfloat16" (autocast: weights, sums and losses stay float32)
    """

    def __init__(self, recipe: Recipe, schedule: Schedule, device: torch.device, precision: str, team: Team) -> None:
        self.recipe, self.schedule, self.device, self.precision, self.team = recipe, schedule, device, precision, team
        if device.type == "cuda":
            fix_numerics()
        self.model = recipe.model().to(device).train()
        self.log_mel = LogMel(recipe.sample_rate).to(device)  # idle where the recipe is of images
        self.optimizer = torch.optim.AdamW(
            weight_groups(self.model, recipe.weight_decay), lr=0.0, betas=(recipe.beta1, recipe.beta2), fused=True
        )
        self.trained = [tensor for tensor in self.model.parameters() if tensor.requires_grad]

    def step(self, number: int, crops: Crops, *, stop: bool = False) -> Tensor:
        """Do step `number`, from 0, on this process's part of the batch.

        Returns (3,) float32 on the device, equal in all processes: the loss over the whole batch, the gradient's norm
        before clipping, and 1 or less where some process asked to `stop`, else 0.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.learning_rate(number)
        sums = torch.zeros(2, device=self.device)
        sums[1].fill_(float(stop))
        self.optimizer.zero_grad(set_to_none=True)
        with numerics(self.precision):
            for part in crops.parts(self.recipe.accumulate):
                loss = self._loss(part) / self.recipe.accumulate
                loss.backward()  # type: ignore[no-untyped-call]
                sums[0] += loss.detach()
        self.team.average([*(tensor.grad for tensor in self.trained if tensor.grad is not None), sums])
        norm = nn.utils.clip_grad_norm_(self.trained, self.recipe.clip)
        self.optimizer.step()
        self.model.after_step(self.schedule.ema_decay(number))
        return torch.stack([sums[0], norm, sums[1]])

    def _loss(self, crops: Crops) -> Tensor:
        inputs = self.inputs(crops)
        visible, masked = split_patches(crops.noise.to(self.device, non_blocking=True), self.recipe.mask_ratio)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            return self.model.loss(inputs, visible, masked)

    @torch.no_grad()
    def inputs(self, crops: Crops) -> Tensor:
        """What the model is given, normalised, float32: (clip, mel, frame) of whole patches, or images."""
        clips = crops.clips.to(self.device, non_blocking=True)
        if self.recipe.image_size:
            whole, views = images.pixels(clips, self.recipe.image_size), crops.views.to(self.device, non_blocking=True)
            made = images.resized(whole, views[:, :4], edges="border", flips=views[:, 4] > 0).clamp(0, 1)
        else:
            frames = self.recipe.grid.columns * self.recipe.patch_frames
            made = self.log_mel(clips.float() / FULL_SCALE)[:, :, :frames].contiguous()
        return images.normalised(made, self.model.norm_stats)

    def state(self) -> dict[str, Any]:
        """Everything that a step changes: tensors and plain data, under the public key "model" and "optimizer"."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
