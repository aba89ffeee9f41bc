"""What a run keeps: one file to go on from, which is also a checkpoint in the public format, and the encoder alone.

NAME.pth          "model" with the public key names (encoder, predictor, target, head, norm_stats), "optimizer",
                  "training"
NAME.safetensors  the encoder's tensors and norm_stats; of a fine-tuned one also its head

NAME states the configuration, so that both load wherever a checkpoint is asked for. Everything random is drawn from
the seed, the epoch and the sample, so the step is the whole position in the data and no generator's state needs
keeping. Files are renamed into their places: a kill leaves the old one or the new one.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as as_bytes
from torch import Tensor

from evar.base import provenance
from evar.base.errors import CheckpointError, UsageError
from evar.base.files import atomic_path, write_atomic
from evar.nn.configuration import Configuration, encoder_shapes
from evar.nn.safe_load import load_file_safely


@dataclass(frozen=True)
class Training:
    """Where a run stands: `steps` done, of which recipe, on which audio (the store's digest), how precisely.

    start: what it started from, where that was a checkpoint; plan_start: the step at which its plan began
    """

    steps: int
    recipe: dict[str, Any]
    store_digest: str
    precision: str
    processes: int
    start: str = ""
    plan_start: int = 0


def save(path: Path, state: Mapping[str, Any], training: Training) -> None:
    """Write the file to go on from. Raises StorageError where the disk refuses."""
    content = {**state, "training": json.dumps(asdict(training)), "versions": _versions()}
    with atomic_path(path) as temporary, temporary.open("wb") as file:  # a full disk says so to Python alone
        torch.save(content, file)


def load(path: Path) -> tuple[dict[str, Any], Training]:
    """What `save` wrote: (state, training). Raises CheckpointError where the file is none to go on from."""
    content = load_file_safely(path)
    if not isinstance(content, dict) or not {"model", "optimizer", "training"} <= content.keys():
        raise CheckpointError(
            f"{path} is no checkpoint that a run can go on from: it has no optimizer or training state"
        )
    return content, Training(**json.loads(content.pop("training")))


def require_same(path: Path, before: Training, now: Training) -> None:
    """Raise UsageError, which lists what differs, where a run would go on as another one."""
    held, asked = before.recipe, json.loads(json.dumps(now.recipe))
    differing = [
        f"--{key.replace('_', '-')} {held[key]}, not {asked.get(key)}" for key in held if held[key] != asked.get(key)
    ]
    if before.start != now.start:
        differing.append(f"--from {before.start or 'nothing'}, not {now.start or 'nothing'}")
    if before.precision != now.precision:
        differing.append(f"--precision {before.precision}, not {now.precision}")
    if before.processes != now.processes:
        differing.append(f"{before.processes} processes, not {now.processes}")
    if before.store_digest != now.store_digest:
        differing.append("other audio (files were added, removed or changed)")
    if differing:
        raise UsageError(f"{path} is of another run: {'; '.join(differing)}. Give the same, or another --out")


def write_encoder(
    path: Path,
    model: Mapping[str, Tensor],
    configuration: Configuration,
    dtype: torch.dtype,
    training: Training,
    head: Mapping[str, Tensor] | None = None,
) -> None:
    """Write the encoder of a training state dict as safetensors, its weights in `dtype`, norm_stats in float32.

    head: tensors under keys that begin with "head.", which are written as they are

    The file's metadata says what it is: training (JSON) and the versions that made it. Raises StorageError where the
    disk refuses.
    """
    tensors = {key: model[key].detach().cpu().to(dtype).contiguous() for key in encoder_shapes(configuration)}
    tensors["norm_stats"] = model["norm_stats"].detach().cpu().float().contiguous()
    tensors |= {key: tensor.detach().cpu().contiguous() for key, tensor in (head or {}).items()}
    metadata = {"format": "pt", "training": json.dumps(asdict(training)), "versions": _versions()}
    write_atomic(path, as_bytes(tensors, metadata=metadata))  # save_file makes a file that only its owner may read


def _versions() -> str:
    """Versions and the commit, as JSON."""
    commit, dirty = provenance.commit()
    return json.dumps({**provenance.versions(), "commit": commit, "dirty": dirty})
