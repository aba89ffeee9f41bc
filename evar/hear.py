"""EVAR's M2D as a module of the HEAR 2021 API (https://hearbenchmark.com/hear-api.html), for harnesses that use it.

    model = evar.hear.load_model("m2d_vit_base-80x608p16x16-221006-mr7/checkpoint-300.pth")
    scene = evar.hear.get_scene_embeddings(audio, model)
    frames, milliseconds = evar.hear.get_timestamp_embeddings(audio, model)

Conventions: audio is (sound, sample) float32 in [-1, 1] at `model.sample_rate`, on the model's device; embeddings are
float32, there too. A frame is one column of patches: 160 ms for patches of 16x16 (HEAR recommends 50 ms at most).
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from evar.base.errors import CheckpointError
from evar.encoders import open_encoder
from evar.encoders.m2d import M2D
from evar.nn.exact_float32 import exact_float32

MILLISECONDS = 1000


class HearModel(nn.Module):
    """An M2D with the attributes that HEAR asks for: sample_rate (Hz) and the two embeddings' sizes."""

    def __init__(self, encoder: M2D) -> None:
        super().__init__()
        self.encoder = encoder
        self.sample_rate = encoder.sample_rate
        self.scene_embedding_size = encoder.grid.rows * encoder.vit.width
        self.timestamp_embedding_size = self.scene_embedding_size
        self.eval()

    def forward(self, audio: Tensor) -> Tensor:
        """Scene embeddings, see `get_scene_embeddings`."""
        return get_scene_embeddings(audio, self)


def load_model(model_file_path: str = "") -> HearModel:
    """The M2D of a checkpoint file or folder; without one the bundled encoder. Names are not known here.

    Raises CheckpointError, see `evar.nn.checkpoint.load_checkpoint`, for an encoder of images too.
    """
    encoder = open_encoder("m2d", Path(model_file_path) if model_file_path else None)
    if not isinstance(encoder, M2D):
        raise CheckpointError(f"{model_file_path} is an encoder of images, and HEAR is of audio")
    return HearModel(encoder)


def get_scene_embeddings(audio: Tensor, model: HearModel) -> Tensor:
    """(sound, sample) -> (sound, scene_embedding_size): the mean over frames. Raises ValueError for another shape."""
    return model.encoder.embed(audio, torch.full((len(audio),), audio.shape[-1]))["last"].clone()


def get_timestamp_embeddings(audio: Tensor, model: HearModel) -> tuple[Tensor, Tensor]:
    """(sound, sample) -> frames (sound, frame, timestamp_embedding_size) and their times (sound, frame), milliseconds.

    The times divide the sound's length evenly, from 0 on. Raises ValueError for another shape.
    """
    if audio.ndim != 2 or audio.dtype != torch.float32:
        raise ValueError(f"audio must be (sound, sample) float32, not {tuple(audio.shape)} {audio.dtype}")
    with torch.inference_mode(), exact_float32():
        frames = torch.cat(model.encoder.chunk_frames(audio)["last"], dim=1)
    count = frames.shape[1]
    duration = audio.shape[1] / model.sample_rate * MILLISECONDS
    times = torch.arange(count, dtype=torch.float32, device=audio.device) * (duration / count)
    return frames.clone(), times.expand(len(audio), -1).contiguous()
