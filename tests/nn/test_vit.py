"""The ViT: its names, layers, cut positions, selections of tokens, precision."""

from pathlib import Path

import numpy as np
import pytest
import torch

from evar.nn.checkpoint import random_checkpoint
from evar.nn.configuration import configuration_of_name
from evar.nn.vit import Grid, ViT


@pytest.fixture(scope="module")
def vit() -> ViT:
    return random_checkpoint(configuration_of_name("m2d_vit_tiny-80x64p16x16"), seed=3).vit()


@pytest.fixture(scope="module")
def spectrogram() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).standard_normal((2, 80, 64)).astype(np.float32))


def test_keys_and_shapes_are_the_public_ones(shared: Path) -> None:
    reference = np.load(shared / "reference" / "pretrain_step_tiny.npz")
    listed = dict(zip(reference["state_names"].tolist(), reference["state_shapes"].tolist(), strict=True))
    with torch.device("meta"):
        ours = ViT(Grid(80, 208, 16, 16), width=192, depth=3).state_dict()
    encoder = {"cls_token", "pos_embed"} | {key for key in listed if key.startswith(("patch_embed", "blocks", "norm."))}
    assert {key: str(tuple(tensor.shape)) for key, tensor in ours.items()} == {key: listed[key] for key in encoder}


def test_patch_embedding_is_the_convolution_of_its_weights(vit: ViT, spectrogram: torch.Tensor) -> None:
    convolved = vit.patch_embed.proj(spectrogram[:, None])
    torch.testing.assert_close(vit.patch_embed(spectrogram).permute(0, 3, 1, 2), convolved, rtol=1e-5, atol=1e-5)


def test_layers_come_in_the_order_asked_for(vit: ViT, spectrogram: torch.Tensor) -> None:
    last, third = vit(spectrogram, [11, 2])
    assert torch.equal(last, vit(spectrogram)[0])
    assert torch.equal(third, vit(spectrogram, [2])[0])
    assert last.shape == third.shape == (2, 1 + 5 * 4, 192)


def test_positions_of_a_short_input_are_the_first_columns(vit: ViT, spectrogram: torch.Tensor) -> None:
    whole = vit.patches(spectrogram).unflatten(1, (5, 4))
    short = vit.patches(spectrogram[:, :, :32].contiguous()).unflatten(1, (5, 2))
    torch.testing.assert_close(short, whole[:, :, :2])


def test_tokens_of_any_selection_of_patches_can_be_had(vit: ViT, spectrogram: torch.Tensor) -> None:
    patches = vit.patches(spectrogram)
    order = torch.tensor([7, 3, 11])
    (chosen,) = vit.tokens(patches[:, order])
    (sorted_,) = vit.tokens(patches[:, order.sort().values])
    assert chosen.shape == (2, 4, 192)
    torch.testing.assert_close(
        chosen[:, 0], sorted_[:, 0], rtol=1e-4, atol=1e-5
    )  # attention knows no order but positions


def test_bfloat16_converts_the_blocks_and_returns_float32(spectrogram: torch.Tensor) -> None:
    vit = (
        random_checkpoint(configuration_of_name("m2d_vit_tiny-80x64p16x16"), seed=3).vit().set_precision(torch.bfloat16)
    )
    dtypes = {name.split(".")[0]: parameter.dtype for name, parameter in vit.named_parameters()}
    assert dtypes.pop("blocks") == torch.bfloat16
    assert set(dtypes.values()) == {torch.float32}
    assert vit(spectrogram)[0].dtype == torch.float32
