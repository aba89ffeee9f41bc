"""What a checkpoint's name says about the model in it, checked against the shapes of its tensors.

A name as M2D's releases have them: `m2d_vit_base-80x608p16x16p32k-240413`: size of the ViT (optional here), mels x
frames of the input, p, mels x frames of a patch, then optionally p and the sample rate in kHz (16 where it is silent).
What stands before and after is free, so all families (m2d, m2d_as, m2d_s, m2d_x, m2d_clap, msm_mae, m2d_d2v) are read.
The input length and the sample rate cannot be read off tensors alone (62 columns of patches are 992 to 1,007 frames),
which is why a name must state them: the file's, its folder's, the option `model`, or the recipe of a pre-training run.
An encoder of images is `m2d_vit_base-224x224p16`, pixels by pixels and the side of a patch. Its tensors show all of it,
so that MAE's and timm's files need no such name.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from evar.base.errors import CheckpointError
from evar.nn import images
from evar.nn.frontend import MELS, NORM_STATS, SAMPLE_RATES
from evar.nn.vit import COLOURS, HEAD_WIDTH, Grid, ViT

SIZES = {"tiny": (192, 12), "small": (384, 12), "base": (768, 12), "large": (1024, 24), "huge": (1280, 32)}
"""Size word -> (width, depth)."""

NAME = re.compile(
    r"(?:vit_(?P<size>[a-z]+)(?![a-z]).*?)?"
    r"(?<![0-9a-z])(?P<mels>\d+)x(?P<frames>\d+)p(?P<patch_mels>\d+)(?:x(?P<patch_frames>\d+)(?:p(?P<khz>\d+)k)?)?"
)
EXPECTED = (
    "SIZE-80xFRAMESpHxW, e.g. m2d_vit_base-80x608p16x16, and p32k behind it for 32 kHz; for images "
    "SIZE-PIXELSxPIXELSpPATCH, e.g. m2d_vit_base-224x224p16"
)

SILENT = 16_000  # Hz, where a name is silent about the rate
MOST_FRAMES = 60_000  # ten minutes
MOST_PIXELS = 4096  # of an image's side

BLOCK = re.compile(r"blocks\.(\d+)\.")


@dataclass(frozen=True)
class Configuration:
    """One M2D encoder's shape; `name` is what stated it. sample_rate: Hz; 0 for images."""

    name: str
    sample_rate: int
    grid: Grid
    width: int
    depth: int

    @property
    def norm_stats(self) -> tuple[float, ...]:
        """What its input is normalised with unless a checkpoint says otherwise; see `Checkpoint`."""
        return images.NORM_STATS if self.grid.is_image else NORM_STATS

    def empty_vit(self) -> ViT:
        """The network without numbers, for `load_state_dict(..., assign=True)`: saves drawing weights in vain."""
        with torch.device("meta"):
            return ViT(self.grid, self.width, self.depth)


@dataclass(frozen=True)
class _Stated:
    """What a name states. size: "" where that is left to the tensors."""

    name: str
    sample_rate: int
    grid: Grid
    size: str


def configuration_of_name(name: str) -> Configuration:
    """The configuration that a full name (with the size of the ViT) states.

    Raises CheckpointError where it states none or an impossible one.
    """
    stated = _stated(name)
    if stated is None or not stated.size:
        raise CheckpointError(f"the name {name!r} does not state a model: expected {EXPECTED}")
    return Configuration(name, stated.sample_rate, stated.grid, *SIZES[stated.size])


def configuration_of(path: Path, state: Mapping[str, Tensor], first: str = "", last: str = "") -> Configuration:
    """The configuration of the checkpoint at `path`, by a name that states one and by its encoder's tensors.

    first, last:  names that are asked before and after the file's own and its folder's

    Raises CheckpointError where all names are silent, or where the name and the tensors contradict each other.
    """
    if first and _stated(first) is None:
        raise CheckpointError(f"the name {first!r} does not state a model: expected {EXPECTED}")
    own = (path.stem, path.absolute().parent.name, path.resolve().stem, path.resolve().parent.name)
    stated = next(filter(None, map(_stated, (first, *own, last))), None) or _shown(path, state)
    if stated is None:
        raise CheckpointError(
            f"{path}: nothing states the model, neither its name nor its folder's; say it: --encoder "
            f"\"m2d(model='{_guess(state)}')\" (by its tensors; p32k at the end for 32 kHz, and the right frames where "
            f"the input is no multiple of a patch)"
        )
    return Configuration(stated.name, stated.sample_rate, stated.grid, *_checked_shape(stated, state))


def model_name(objective: str, size: str, grid: Grid, sample_rate: int) -> str:
    """A model's name as the releases have it, which states its configuration: m2d_vit_tiny-80x208p16x16."""
    rate = "" if sample_rate == SILENT or grid.is_image else f"p{sample_rate // 1000}k"
    return f"{objective}_vit_{size}-{grid}{rate}"


def name_of_training(training: object) -> str:
    """The name that the settings of a pre-training run state, JSON beside its weights; "" where they state none."""
    try:
        recipe = {"image_size": None} | json.loads(str(training))["recipe"]
        if recipe["image_size"]:
            grid = Grid.of_image(int(recipe["image_size"]), int(recipe["patch_mels"]))
        else:
            grid = Grid(MELS, int(recipe["frames"]), int(recipe["patch_mels"]), int(recipe["patch_frames"]))
        return model_name(recipe["objective"], recipe["size"], grid, int(recipe["sample_rate"]))
    except (KeyError, TypeError, ValueError, RecursionError):  # no JSON, or of something else
        return ""


def _stated(name: str) -> _Stated | None:
    """What a name states; None where it states nothing. Raises CheckpointError for what cannot be."""
    match = NAME.search(name)
    if match is None:
        return None
    rate, size = 1000 * int(match["khz"]) if match["khz"] else SILENT, match["size"] or ""
    mels, frames, high = (int(match[part]) for part in ("mels", "frames", "patch_mels"))
    wide, of_image = int(match["patch_frames"] or high), match["patch_frames"] is None
    if of_image and mels != frames:  # of a video, say
        return None
    if size and size not in SIZES:
        raise CheckpointError(f"{name}: no ViT of size {size!r} (known: {', '.join(SIZES)})")
    if of_image:
        if not high or mels % high or mels % 2 or mels > MOST_PIXELS:
            raise CheckpointError(
                f"{name}: images are of an even number of pixels, at most {MOST_PIXELS}, and whole patches"
            )
        return _Stated(name, 0, Grid.of_image(mels, high), size)
    if rate not in SAMPLE_RATES:
        known = ", ".join(str(known // 1000) for known in SAMPLE_RATES)
        raise CheckpointError(f"{name}: states {rate // 1000} kHz; the front end is defined at {known} kHz")
    if mels != MELS:
        raise CheckpointError(f"{name}: states {mels} mels; the front end gives {MELS}")
    if not 0 < high <= mels or mels % high or not 0 < wide <= frames:
        raise CheckpointError(f"{name}: patches of {high}x{wide} do not fit into {mels}x{frames}")
    if frames > MOST_FRAMES:
        raise CheckpointError(f"{name}: states an input of {frames} frames; {MOST_FRAMES} are the most that is read")
    return _Stated(name, rate, Grid(mels, frames, high, wide), size)


def _checked_shape(stated: _Stated, state: Mapping[str, Tensor]) -> tuple[int, int]:
    """Width and depth by the tensors, where they agree with what the name states."""
    name, grid, width, depth = stated.name, stated.grid, _width(state), _depth(state)
    channels, patch_high, patch_wide = state["patch_embed.proj.weight"].shape[1:]
    checks = [("channels", str(grid.channels), str(channels))]
    checks += [("patch", f"{grid.patch_mels}x{grid.patch_frames}", f"{patch_high}x{patch_wide}")]
    if stated.size:
        stated_width, stated_depth = SIZES[stated.size]
        checks += [("width", str(stated_width), str(width)), ("blocks", str(stated_depth), str(depth))]
    if (positions := _positions(state)) is not None:
        checks.append(("positions", str(1 + grid.rows * grid.columns), str(positions)))
    wrong = [f"{what} {said} by the name, {held} in the tensors" for what, said, held in checks if said != held]
    if wrong:
        raise CheckpointError(
            f"{name}: name and tensors contradict each other: {'; '.join(wrong)}. Expected {EXPECTED}"
        )
    if width % HEAD_WIDTH:
        raise CheckpointError(f"{name}: its width {width} is no multiple of {HEAD_WIDTH}, the width of M2D's heads")
    return width, depth


def _shown(path: Path, state: Mapping[str, Tensor]) -> _Stated | None:
    """What the tensors of an encoder of square images show; None of any other."""
    channels, high, wide = state["patch_embed.proj.weight"].shape[1:]
    side = math.isqrt(max(0, (_positions(state) or 0) - 1))
    if channels != COLOURS or high != wide or not side:
        return None
    grid = Grid.of_image(side * high, high)
    return _Stated(f"{path.stem}-{grid}", 0, grid, "")


def _width(state: Mapping[str, Tensor]) -> int:
    return int(state["patch_embed.proj.weight"].shape[0])


def _depth(state: Mapping[str, Tensor]) -> int:
    """How many different blocks there are: a count, so that one absurd number in a key makes no absurd network."""
    return len({match[1] for key in state if (match := BLOCK.match(key))})


def _guess(state: Mapping[str, Tensor]) -> str:
    """The name that the tensors allow: an input of whole patches, at 16 kHz."""
    high, wide = state["patch_embed.proj.weight"].shape[2:]
    columns = ((_positions(state) or 1) - 1) * high // MELS
    size = next((s for s, shape in SIZES.items() if shape == (_width(state), _depth(state))), "")
    return f"{size and f'vit_{size}-'}{Grid(MELS, columns * wide, high, wide)}"


def _positions(state: Mapping[str, Tensor]) -> int | None:
    """Rows of the position table, CLS included; None where there is none (reported with the other missing tensors)."""
    table = state.get("pos_embed")
    return table.shape[1] if table is not None and table.ndim == 3 else None


def encoder_shapes(configuration: Configuration) -> dict[str, tuple[int, ...]]:
    """Key -> shape of every tensor of the encoder, in the order of the public checkpoints (without norm_stats)."""
    return {key: tuple(tensor.shape) for key, tensor in configuration.empty_vit().state_dict().items()}
