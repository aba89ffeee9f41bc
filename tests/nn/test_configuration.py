"""What names say, and how they are held against tensors."""

import csv
from pathlib import Path

import pytest
import torch

from evar.base.errors import CheckpointError
from evar.nn.configuration import configuration_of, configuration_of_name, encoder_shapes, name_of_training
from evar.nn.vit import Grid
from tests import recipe

TINY = "m2d_vit_tiny-80x64p16x16"


@pytest.mark.parametrize(
    ("name", "sample_rate", "grid"),
    [
        ("m2d_vit_base-80x608p16x16-221006-mr7_as_46ab246d", 16_000, Grid(80, 608, 16, 16)),
        ("m2d_as_vit_base-80x608p16x16p32k-240413_enconly", 32_000, Grid(80, 608, 16, 16)),
        ("m2d_clap_vit_base-80x1001p16x16p16kpBpTI-2025", 16_000, Grid(80, 1001, 16, 16)),
        ("m2d_s_vit_base-80x400p80x2-230201", 16_000, Grid(80, 400, 80, 2)),
        ("m2d_vit_base-80x200p16x4-230529", 16_000, Grid(80, 200, 16, 4)),
        ("m2d_x_vit_base-80x608p16x16", 16_000, Grid(80, 608, 16, 16)),
        ("msm_mae_vit_base-80x208p16x16-2022", 16_000, Grid(80, 208, 16, 16)),
        ("my_vit_base_80x608p16x16p32k", 32_000, Grid(80, 608, 16, 16)),
        ("m2d_d2v_vit_base-80x608p16x16", 16_000, Grid(80, 608, 16, 16)),
        ("m2d_vit_large-80x608p16x16", 16_000, Grid(80, 608, 16, 16)),
    ],
)
def test_names_of_every_family_are_read(name: str, sample_rate: int, grid: Grid) -> None:
    configuration = configuration_of_name(name)
    assert (configuration.sample_rate, configuration.grid) == (sample_rate, grid)
    assert (configuration.width, configuration.depth) == ((1024, 24) if "large" in name else (768, 12))
    assert configuration.name == name


def test_every_published_release_is_read(shared: Path) -> None:
    with (shared / "reference" / "m2d_releases.csv").open(newline="") as file:
        releases = [row["name"] for row in csv.DictReader(file)]
    assert len(releases) >= 16
    for name in releases:
        configuration = configuration_of_name(name)
        assert configuration.sample_rate == (32_000 if "p32k" in name else 16_000)
        assert f"-{configuration.grid}" in name


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("checkpoint-300", "does not state a model: expected .*m2d_vit_base-80x608p16x16"),
        ("80x608p16x16", "does not state a model"),
        ("m2d_vit_giant-80x608p16x16", "no ViT of size 'giant' .known: tiny, small, base, large, huge"),
        ("m2d_vit_base-64x608p16x16", "states 64 mels; the front end gives 80"),
        ("m2d_vit_base-80x608p16x16p44k", "states 44 kHz; the front end is defined at 16, 32 kHz"),
        ("m2d_vit_base-80x608p30x16", "patches of 30x16 do not fit into 80x608"),
        ("m2d_vit_base-80x8p16x16", "patches of 16x16 do not fit into 80x8"),
        ("m2d_vit_base-80x608p16x0", "do not fit"),
    ],
)
def test_names_that_cannot_be_are_refused(name: str, complaint: str) -> None:
    with pytest.raises(CheckpointError, match=complaint):
        configuration_of_name(name)


def test_the_files_name_comes_before_the_folders() -> None:
    state = recipe.state(TINY)
    assert configuration_of(Path("runs", f"{TINY}p32k.pth"), state).sample_rate == 32_000
    assert configuration_of(Path(f"{TINY}p32k", "checkpoint-300.pth"), state).sample_rate == 32_000
    assert configuration_of(Path(f"{TINY}p32k", f"{TINY}.pth"), state).sample_rate == 16_000


def test_a_link_may_hide_the_telling_name(tmp_path: Path) -> None:
    file = tmp_path / f"{TINY}.pth"
    file.touch()
    link = tmp_path / "best.pth"
    link.symlink_to(file)
    assert configuration_of(link, recipe.state(TINY)).name == TINY


def test_the_size_may_be_left_to_the_tensors() -> None:
    configuration = configuration_of(Path("80x64p16x16.pth"), recipe.state(TINY))
    assert (configuration.width, configuration.depth) == (192, 12)


def test_silent_names_are_refused_with_the_option_that_says_the_model() -> None:
    with pytest.raises(CheckpointError, match=r"nothing states .*--encoder \"m2d\(model='vit_tiny-80x64p16x16'\)\" "):
        configuration_of(Path("runs", "checkpoint-300.pth"), recipe.state(TINY))


def test_the_first_name_goes_before_the_files_and_the_last_behind_it() -> None:
    state = recipe.state(TINY)
    with pytest.raises(CheckpointError, match="the name 'best' does not state a model: expected SIZE-80x"):
        configuration_of(Path(f"{TINY}.pth"), state, first="best")
    assert configuration_of(Path(f"{TINY}.pth"), state, first=f"{TINY}p32k").sample_rate == 32_000
    assert configuration_of(Path(f"{TINY}.pth"), state, last=f"{TINY}p32k").sample_rate == 16_000
    assert configuration_of(Path("best.pth"), state, last=f"{TINY}p32k").sample_rate == 32_000


@pytest.mark.parametrize(
    "training", [None, "", "{", "[1]", '{"recipe": {"frames": "x"}}', '{"recipe": 3}', "[" * 99_999]
)
def test_what_is_no_recipe_states_no_name(training: str | None) -> None:
    assert name_of_training(training) == ""


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("m2d_vit_base-80x64p16x16", "width 768 by the name, 192 in the tensors"),
        ("m2d_vit_tiny-80x608p16x16", "positions 191 by the name, 21 in the tensors"),
        ("m2d_vit_tiny-80x64p80x2", "patch 80x2 by the name, 16x16 in the tensors"),
    ],
)
def test_names_that_contradict_the_tensors_are_refused(name: str, complaint: str) -> None:
    with pytest.raises(CheckpointError, match=f"contradict each other: .*{complaint}"):
        configuration_of(Path(f"{name}.pth"), recipe.state(TINY))


def test_another_depth_than_the_names_is_refused() -> None:
    state = {key: tensor for key, tensor in recipe.state(TINY).items() if not key.startswith("blocks.11.")}
    with pytest.raises(CheckpointError, match="blocks 12 by the name, 11 in the tensors"):
        configuration_of(Path(f"{TINY}.pth"), state)


def test_widths_that_heads_do_not_divide_are_refused() -> None:
    state = {"patch_embed.proj.weight": torch.zeros(100, 1, 16, 16)}
    with pytest.raises(CheckpointError, match="width 100 is no multiple of 64"):
        configuration_of(Path("80x64p16x16.pth"), state)


def test_public_keys_are_listed_with_their_shapes() -> None:
    shapes = encoder_shapes(configuration_of_name("m2d_vit_base-80x608p16x16"))
    assert shapes["pos_embed"] == (1, 191, 768)
    assert shapes["patch_embed.proj.weight"] == (768, 1, 16, 16)
    assert shapes["blocks.11.attn.qkv.weight"] == (2304, 768)
    assert len(shapes) == 4 + 12 * 12 + 2
