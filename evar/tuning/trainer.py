"""One step of fine-tuning: clips in, weights changed, loss and gradient's norm out.

The head sees the whole batch at once, on every process: its normalisation and the loss are the recipe's whatever the
number of processes, and however few clips a device takes at once. Where a device's share is taken in parts, their
features are computed first, then the gradient of the loss by the features, then part by part that of the encoder (Gao
et al., arXiv:2101.06983, section 3.2); nothing in the encoder is random, so the features are the same both times.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from evar.base.threads import pieces
from evar.nn import images
from evar.training.numerics import fix_numerics, numerics
from evar.training.optimizers import Lars, weight_groups
from evar.training.team import Team
from evar.tuning import augment
from evar.tuning.clips import TrainingBatch
from evar.tuning.network import FineTuned, loss_of
from evar.tuning.patchout import kept_shape
from evar.tuning.recipe import FineTuningRecipe

BYTES = 128  # that the gradient of a block keeps for each number of a token, with some room: about 20 of float32
CPU_BYTES = 4 << 30  # for what is taken at once
CUDA_SHARE = 0.5  # of a device's memory, for the same


class FineTuner:
    """Network and optimiser on a device. rate: step -> learning rate; several: whether a clip may have several labels.

    precision: "float32" (exact, no TF32) or "bfloat16" (autocast: weights, sums, head and losses stay float32)
    """

    def __init__(
        self,
        model: FineTuned,
        recipe: FineTuningRecipe,
        rate: Callable[[int], float],
        device: torch.device,
        precision: str,
        team: Team,
        *,
        several: bool,
    ) -> None:
        if device.type == "cuda":
            fix_numerics()
        self.model, self.recipe, self.rate = model.to(device), recipe, rate
        self.device, self.precision, self.team, self.several = device, precision, team, several
        self.at_once = recipe.at_once or clips_at_once(model, recipe.patchout, device)
        self.optimizer = make_optimizer(model, recipe)
        self.of_encoder = [tensor for tensor in model.vit.parameters() if tensor.requires_grad]
        self.of_head = list(model.head.parameters())

    def step(self, number: int, batch: TrainingBatch, *, stop: bool = False) -> Tensor:
        """Do step `number`, from 0, on this process's share of the batch.

        Returns (3,) float32 on the device, equal in all processes: the loss over the whole batch, the gradient's norm
        before clipping, and more than 0 where some process asked to `stop`.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(number)
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        asked = torch.zeros(1, device=self.device)
        asked.fill_(float(stop))
        with numerics(self.precision):
            loss = self.gradients(batch)
        self.team.total([*(tensor.grad for tensor in self.of_encoder if tensor.grad is not None), asked])
        trained = [tensor for tensor in (*self.of_encoder, *self.of_head) if tensor.grad is not None]
        norm = nn.utils.get_total_norm([tensor.grad for tensor in trained if tensor.grad is not None])
        if self.recipe.clip is not None:
            nn.utils.clip_grads_with_norm_(trained, self.recipe.clip, norm)
        self.optimizer.step()
        return torch.cat([loss.view(1), norm.view(1), asked])

    def gradients(self, batch: TrainingBatch) -> Tensor:
        """Add up the gradients of the whole batch's loss, the encoder's by this process's share alone; the loss."""
        parts = pieces(len(batch.waveforms), self.at_once)
        in_one = len(parts) == 1
        with torch.set_grad_enabled(in_one and bool(self.of_encoder)):
            found = [self._features(batch, part) for part in parts]
        features = self.team.gather(torch.cat(found).detach()).requires_grad_()
        known = None if batch.known is None else batch.known.to(self.device)
        logits, targets = self.model.logits(features), batch.targets.to(self.device)
        loss = loss_of(logits, targets, known, several=self.several, class_mean=self.recipe.class_mean)
        loss.backward()  # type: ignore[no-untyped-call]
        assert features.grad is not None
        if not self.of_encoder:
            return loss.detach()
        own = features.grad[self.team.share(len(features))]
        for part, feature in zip(parts, found, strict=True):
            again = feature if in_one else self._features(batch, part)
            again.backward(own[part])  # type: ignore[no-untyped-call]
        return loss.detach()

    def _features(self, batch: TrainingBatch, part: slice) -> Tensor:
        draws = batch.draws.part(part, self.device)
        with torch.no_grad():
            inputs = self.inputs(batch.waveforms[part])
            if batch.partners is not None:
                inputs = augment.mix(inputs, self.inputs(batch.partners[part]), draws.shares)
            inputs = self._augmented(inputs if inputs.ndim == 4 else inputs[:, None], draws).view(inputs.shape)
        with self._autocast():
            return self.model.features(inputs, draws.kept)

    def _augmented(self, inputs: Tensor, draws: augment.Draws) -> Tensor:
        """(clip, channel, mel, frame), or images, as chance would have it."""
        if self.recipe.crop:
            inputs = images.resized(inputs, draws.boxes, edges="zeros")
        elif self.recipe.smallest_crop is not None or self.recipe.flip:
            inputs = images.resized(inputs, draws.boxes, edges="border", flips=draws.flips)
        return augment.mask(inputs, draws.masks)

    def inputs(self, clips: Tensor) -> Tensor:
        """(clip, sample) int16 -> what the network is given, on the device, see `FineTuned.inputs`."""
        return self.model.inputs(clips.to(self.device, non_blocking=True))

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    @torch.no_grad()
    def logits(self, waveforms: Tensor) -> Tensor:
        """(clip, sample) int16 -> (clip, class) float32, by the network as it stands; every patch is seen."""
        self.model.eval()
        with numerics(self.precision):
            inputs = self.inputs(waveforms)
            with self._autocast():
                features = self.model.features(inputs)
            return self.model.logits(features)

    def state(self) -> dict[str, Any]:
        """Everything that a step changes: under the public key "model", and "optimizer"."""
        return {"model": self.model.weights(), "optimizer": self.optimizer.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.model.load(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


def clips_at_once(model: FineTuned, patchout: float, device: torch.device) -> int:
    """How many clips a device of its memory takes at once, at least one."""
    high, wide = kept_shape(model.grid.rows, model.columns, patchout)
    a_clip = (high * wide + 1) * model.vit.width * model.vit.depth * BYTES
    memory = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else 0
    return max(1, int(CUDA_SHARE * memory if memory else CPU_BYTES) // a_clip)


def make_optimizer(model: nn.Module, recipe: FineTuningRecipe) -> torch.optim.Optimizer:
    """The recipe's optimiser of what is trained in a model; its learning rate is set at every step."""
    groups = weight_groups(model, recipe.weight_decay)
    match recipe.optimizer:
        case "sgd":
            return torch.optim.SGD(groups, lr=0.0, momentum=recipe.momentum)
        case "adamw":
            betas = (recipe.beta1, recipe.beta2)
            return torch.optim.AdamW(groups, lr=0.0, betas=betas, amsgrad=recipe.amsgrad)
        case "lars":
            return Lars(groups, lr=0.0, momentum=recipe.momentum, trust=recipe.trust)
