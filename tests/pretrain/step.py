"""One pre-training step by recipe: the network of the authors' reference file, and golden numbers of our own.

`python -m tests.pretrain.step [FOLDER]` remakes `golden.npz`, after every number of the reference file in FOLDER (that
holds `reference/`; default: $EVAR_SHARED, else `shared` beside the repository) was reproduced.
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evar.nn.initial import POSITIONS
from evar.nn.vit import Grid
from evar.pretrain.m2d import M2DObjective
from evar.pretrain.masked_model import PredictorShape
from evar.pretrain.masking import mask_of, split_patches
from tests import recipe

GOLDEN = Path(__file__).with_name("golden.npz")
REFERENCE = "reference/pretrain_step_tiny.npz"
RATIOS = (0.6, 0.7)
DECAY = 0.9
GRID = Grid(80, 208, 16, 16)
CPU = torch.device("cpu")

LOSS_TOLERANCE = 1e-5
NORM_TOLERANCE = 1e-3

Numbers = dict[str, NDArray[np.generic]]


def model() -> M2DObjective:
    """Width 192, 3 blocks, 3 heads; predictor 128, 2 blocks, 4 heads; weights by recipe, fixed positions."""
    made = M2DObjective(GRID, 192, 3, PredictorShape(128, 2, 4))
    made.draw_weights(seed=0)
    with torch.no_grad():
        for key, tensor in made.named_parameters():
            if key not in POSITIONS:
                tensor.copy_(recipe.tensor(key, tuple(tensor.shape)))
    return made


def seeded_inputs() -> tuple[Tensor, Tensor]:
    """(4, 80, 208) log-mel and (4, 65) noise from a seed."""
    draws = np.random.default_rng(20221026)
    log_mel = draws.standard_normal((4, 80, 208), dtype=np.float32)
    return torch.from_numpy(log_mel), torch.from_numpy(draws.random((4, 65), dtype=np.float32))


def numbers(log_mel: Tensor, noise: Tensor, device: torch.device = CPU) -> Numbers:
    """What the reference file holds, under its keys, for these inputs; computed on a device."""
    log_mel, noise = log_mel.to(device), noise.to(device)
    found: Numbers = {}
    for ratio in RATIOS:
        made = model().to(device)
        visible, masked = split_patches(noise, ratio)
        loss = made.loss(log_mel, visible, masked)
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            predicted = made.predict(made.patches(log_mel), visible, masked)
        norms = {key: tensor.grad.norm().item() for key, tensor in made.named_parameters() if tensor.grad is not None}
        found[f"loss_{ratio}"] = np.array(loss.item())
        found[f"mask_{ratio}"] = mask_of(masked, noise.shape[1]).cpu().numpy()
        found[f"pred_mean_{ratio}"] = predicted.mean(dim=2).cpu().numpy()
        found[f"grad_names_{ratio}"] = np.array(sorted(norms))
        found[f"grad_norms_{ratio}"] = np.array([norms[key] for key in sorted(norms)])
    made.after_step(DECAY)
    targets = {key: tensor.norm().item() for key, tensor in made.state_dict().items() if key.startswith("target_")}
    found["target_after_ema_0.9_names"] = np.array(sorted(targets))
    found["target_after_ema_0.9_norms"] = np.array([targets[key] for key in sorted(targets)])
    return found


def check(ours: Numbers, expected: Numbers) -> None:
    """Raise AssertionError where one of our numbers is too far from the expected one."""
    for ratio in RATIOS:
        assert np.array_equal(ours[f"mask_{ratio}"], expected[f"mask_{ratio}"])
        assert np.allclose(ours[f"loss_{ratio}"], expected[f"loss_{ratio}"], rtol=LOSS_TOLERANCE, atol=0)
        assert np.allclose(ours[f"pred_mean_{ratio}"], expected[f"pred_mean_{ratio}"], rtol=0, atol=LOSS_TOLERANCE)
        _check_norms(ours, expected, f"grad_names_{ratio}", f"grad_norms_{ratio}", NORM_TOLERANCE)
    _check_norms(ours, expected, "target_after_ema_0.9_names", "target_after_ema_0.9_norms", LOSS_TOLERANCE)


def _check_norms(ours: Numbers, expected: Numbers, names: str, norms: str, tolerance: float) -> None:
    mine = dict(zip(ours[names].tolist(), ours[norms].tolist(), strict=True))
    theirs = dict(zip(expected[names].tolist(), expected[norms].tolist(), strict=True))
    assert mine.keys() == theirs.keys()
    assert mine
    off = {key: mine[key] / norm - 1 for key, norm in theirs.items() if not abs(mine[key] / norm - 1) <= tolerance}
    assert not off


def reference(shared: Path) -> tuple[Numbers, Numbers]:
    """Our numbers for the reference file's inputs, and the file's."""
    with np.load(shared / REFERENCE) as file:
        expected = {key: file[key] for key in file.files}
    return numbers(torch.from_numpy(expected["log_mel"]), torch.from_numpy(expected["noise"])), expected


def main(shared: Path) -> None:
    check(*reference(shared))
    np.savez_compressed(GOLDEN, **numbers(*seeded_inputs()))  # type: ignore[arg-type]


if __name__ == "__main__":
    beside = os.environ.get("EVAR_SHARED", Path(__file__).parents[2].parent / "shared")
    main(Path(sys.argv[1] if len(sys.argv) > 1 else beside))
