"""Further pre-training: a run that starts from a checkpoint of M2D or MSM-MAE, of this project or a public one.

What is not in it is made: without a target network the target is the encoder, without a predictor (or with one of
another shape) the predictor is new. The log-mel is normalised as the checkpoint's was.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from evar.base.errors import UsageError
from evar.nn.checkpoint import Checkpoint, load_checkpoint
from evar.nn.configuration import SIZES
from evar.nn.initial import sincos_positions
from evar.nn.safe_load import load_file_safely
from evar.nn.state_dict import find_encoder
from evar.nn.vit import Grid
from evar.pretrain.masked_model import MaskedModel

log = logging.getLogger(__name__)

ROUNDED = 1e-3  # what weights in float16 are off by
HEAD_WIDTHS = {"m2d": 32, "msm_mae": 64}  # of predictors: 512 in 16 heads, 384 in 6
PREDICTOR, TARGET = ("decoder_", "mask_token"), ("target_",)


@dataclass(frozen=True)
class StartingPoint:
    """A checkpoint to start from. others: what it holds beside the encoder, by public key."""

    checkpoint: Checkpoint
    others: Mapping[str, Tensor]

    @property
    def name(self) -> str:
        """What tells it from others: the model's name and the beginning of the file's digest."""
        return f"{self.checkpoint.configuration.name}#{self.checkpoint.digest[:8]}"

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Settings of a recipe that starts here: the encoder's shape, and unless `given` its input and predictor.

        Raises UsageError where what is given is another encoder's, or of the other modality.
        """
        shape, grid = self.checkpoint.configuration, self.checkpoint.configuration.grid
        size = next((name for name, each in SIZES.items() if each == (shape.width, shape.depth)), None)
        if size is None:
            raise UsageError(f"--from {shape.name}: a ViT of {shape.depth} blocks {shape.width} wide has no recipe")
        rate = {"image_size": grid.mels} if grid.is_image else {"sample_rate": shape.sample_rate}
        if not grid.is_image and given.get("image_size") not in (None, "auto"):
            raise UsageError(f"--from {shape.name} is an encoder of audio: leave --image-size out")
        fixed = {"size": size, **rate, "patch_mels": grid.patch_mels, "patch_frames": grid.patch_frames}
        for field, value in fixed.items():
            if field in given and str(given[field]) != str(value):
                raise UsageError(f"--{field.replace('_', '-')} is {value} by --from {shape.name}: leave it out")
        objective = {"objective": "msm_mae" if shape.name.startswith("msm_mae") else "m2d"}
        free = {} if grid.is_image else {"frames": grid.frames}
        return {**free, **objective, **self._predictor({**objective, **given}), **given, **fixed}

    def _predictor(self, settings: Mapping[str, Any]) -> dict[str, int]:
        """The shape of the predictor that is there; heads, which tensors do not show, are as wide as the papers'."""
        if "decoder_embed.weight" not in self.others:
            return {}
        width = len(self.others["decoder_embed.weight"])
        depth = len({key.split(".")[1] for key in self.others if key.startswith("decoder_blocks.")})
        heads = width // HEAD_WIDTHS[settings["objective"]]
        return {"predictor_width": width, "predictor_depth": depth, "predictor_heads": heads}

    @torch.no_grad()
    def fill(self, model: MaskedModel) -> None:
        """Give a model of such a recipe the checkpoint's weights, and what it lacks."""
        held = {key: tensor for key, tensor in self.checkpoint.tensors.items() if key != "pos_embed"}
        wanted = model.state_dict()
        if wrong := [key for key, tensor in held.items() if key not in wanted or wanted[key].shape != tensor.shape]:
            raise UsageError(
                f"--from {self.checkpoint.configuration.name} is another encoder than the recipe's: {wrong[0]}"
            )
        parts = {"predictor": self._whole(wanted, PREDICTOR), "target network": self._whole(wanted, TARGET)}
        held |= parts["predictor"] | parts["target network"]
        missing = {"predictor": "a new one", "target network": "the encoder is it"}
        for part, found in parts.items():
            log.info(f"{self.name}: {part + ' taken on' if found else f'no {part} of this shape, {missing[part]}'}")
        if not parts["target network"]:
            own = {key: f"{key.removeprefix('target_')}" for key in wanted if key.startswith(TARGET)}
            held |= {key: self.checkpoint.tensors[source] for key, source in own.items()}
        held["norm_stats"] = torch.tensor(self.checkpoint.norm_stats).view_as(wanted["norm_stats"])
        held["pos_embed"] = self._positions(model.grid, wanted["pos_embed"])
        model.load_state_dict(held, strict=False)

    def _whole(self, wanted: Mapping[str, Tensor], prefixes: tuple[str, ...]) -> dict[str, Tensor]:
        """The tensors of a part where all are there; its table of positions is the model's own."""
        keys = [key for key in wanted if key.startswith(prefixes) and key != "decoder_pos_embed"]
        held = {
            key: self.others[key] for key in keys if key in self.others and self.others[key].shape == wanted[key].shape
        }
        return held if len(held) == len(keys) else {}

    def _positions(self, grid: Grid, computed: Tensor) -> Tensor:
        """The table for `grid`: computed as the checkpoint's was, or that one cut or resampled, where it is another."""
        own, before = self.checkpoint.tensors["pos_embed"], self.checkpoint.configuration.grid
        width = own.shape[2]
        if torch.allclose(own[0], torch.from_numpy(sincos_positions(width, before.rows, before.columns)), atol=ROUNDED):
            return computed
        table = own[:, 1:].view(before.rows, before.columns, width).permute(2, 0, 1)[None]
        if grid.columns > before.columns:
            table = F.interpolate(table, size=(grid.rows, grid.columns), mode="bicubic", align_corners=False)
        patches = table[0, :, :, : grid.columns].permute(1, 2, 0).reshape(1, -1, width)
        return torch.cat([own[:, :1], patches], dim=1)


def load_start(path: Path) -> StartingPoint:
    """The checkpoint at `path`, a file or a folder that holds one. Raises CheckpointError, see `load_checkpoint`."""
    checkpoint = load_checkpoint(path)
    assert checkpoint.file is not None
    entries = find_encoder(checkpoint.file, load_file_safely(checkpoint.file)).entries
    others = {
        key: value.float()
        for key, value in entries.items()
        if isinstance(value, Tensor) and key.startswith((*PREDICTOR, *TARGET))
    }
    return StartingPoint(checkpoint, others)
