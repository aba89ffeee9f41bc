"""Weights by recipe: every tensor of an M2D checkpoint made from its own name, as reference numbers were made with.

    rng = numpy.random.default_rng(zlib.crc32(name)); tensor = 0.02 * rng.standard_normal(shape), + 1 for norm scales

Also writes whole checkpoint files, with the keys that only training uses beside the encoder's.
"""

import argparse
import functools
import pathlib
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evar.encoders.contract import Identity
from evar.encoders.m2d import M2D
from evar.nn.checkpoint import Checkpoint
from evar.nn.configuration import configuration_of_name, encoder_shapes

NORM_STATS = {
    "m2d_vit_base-80x608p16x16": (-7.1, 4.2),
    "m2d_s_vit_base-80x400p80x2": (-8.0, 4.5),
    "m2d_as_vit_base-80x1001p16x16": (-7.1, 4.2),
    "m2d_as_vit_base-80x608p16x16p32k": (-7.3, 4.4),
}
"""Name of a reference model -> its norm_stats."""

TRAINING_KEYS: dict[str, tuple[int, ...]] = {
    "mask_token": (1, 1, 64),
    "decoder_pos_embed": (1, 191, 64),
    "decoder_embed.weight": (64, 192),
    "decoder_blocks.0.attn.qkv.weight": (192, 64),
    "target_blocks.0.norm1.weight": (192,),
    "target_norm.bias": (192,),
    "offline_predictor.weight": (8, 192),
    "audio_proj.sem_blocks.weight": (4, 192),
    "text_encoder.embeddings.weight": (4, 8),
    "head.mlp.weight": (527, 8),
}
"""Keys that training checkpoints hold besides the encoder's, with small shapes."""


@functools.lru_cache(maxsize=512)
def tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    """One tensor by the recipe; made once a process and shared, so never to be changed."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    values = (0.02 * generator.standard_normal(shape)).astype(np.float32)
    if name.endswith("weight") and "norm" in name.removesuffix("weight"):
        values += 1
    return torch.from_numpy(values)


def state(model: str, *, training: bool = False, prefix: str = "") -> dict[str, Tensor]:
    """The encoder that the name `model` states, by recipe; with `norm_stats` where `NORM_STATS` lists it."""
    shapes = encoder_shapes(configuration_of_name(model))
    tensors = {prefix + key: tensor(key, shape) for key, shape in shapes.items()}
    if model in NORM_STATS:
        tensors[prefix + "norm_stats"] = torch.tensor(NORM_STATS[model])
    if training:
        tensors |= {prefix + key: tensor(key, shape) for key, shape in TRAINING_KEYS.items()}
    return tensors


def write(folder: pathlib.Path, model: str, *, training: bool = False) -> pathlib.Path:
    """Save `model` by recipe as `folder`/`model`.pth, like the public checkpoints under "model" with "args"."""
    folder.mkdir(parents=True, exist_ok=True)
    return save(folder / f"{model}.pth", {"model": state(model, training=training), "args": training_arguments()})


def save(path: pathlib.Path, content: Mapping[str, Any], *, zipped: bool = True) -> pathlib.Path:
    """torch.save, in today's zip format or the older one."""
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def training_arguments() -> argparse.Namespace:
    """Arguments as a training run stores them: numbers, paths, NumPy scalars, a device."""
    return argparse.Namespace(
        lr=3e-4,
        output_dir=pathlib.PurePosixPath("runs/1"),
        data=pathlib.Path("data"),
        best=np.float64(0.5),
        epoch=np.int64(300),
        done=np.bool_(True),
        device=torch.device("cpu"),
        input_size=(80, 608),
    )


def encoder(model: str, **options: Any) -> M2D:
    """The reference encoder `model`, one of `NORM_STATS`, with options of `m2d`, without going through a file."""
    tensors = state(model)
    del tensors["norm_stats"]
    checkpoint = Checkpoint(configuration_of_name(model), tensors, NORM_STATS[model])
    return M2D(checkpoint, Identity(model, weights="by recipe"), **options)
