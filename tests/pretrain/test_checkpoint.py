"""What a run writes loads wherever a checkpoint is asked for, with no difference."""

import json

import pytest
import torch
from safetensors import safe_open

from evar.base.errors import StorageError
from evar.nn.checkpoint import load_checkpoint
from evar.nn.configuration import encoder_shapes
from evar.pretrain.recipe import Recipe
from evar.training import checkpoint
from tests.pretrain import runs


@pytest.fixture(scope="module", params=["m2d", "msm_mae"])
def trained(request, store, tmp_path_factory):
    """(recipe, file to go on from) of a run of either objective."""
    folder = tmp_path_factory.mktemp("trained")
    how = runs.run(folder, objective=request.param, epochs=1, mask_ratio=0.7)
    return how.recipe, runs.go(store, how)


def test_both_files_hold_the_trained_encoder_to_the_bit(trained):
    recipe, file = trained
    held = torch.load(file, weights_only=True)["model"]
    for path in (file, file.with_suffix(".safetensors")):
        loaded = load_checkpoint(path)
        assert loaded.configuration.grid == recipe.grid
        assert loaded.norm_stats == tuple(held["norm_stats"].tolist())
        assert loaded.norm_stats[1] > 0.5
        for key in encoder_shapes(recipe.configuration):
            assert torch.equal(loaded.tensors[key], held[key]), key


def test_public_keys_are_all_there(trained):
    recipe, file = trained
    keys = set(torch.load(file, weights_only=True)["model"])
    assert {"norm_stats", "cls_token", "mask_token", "decoder_pred.weight", "decoder_blocks.0.attn.qkv.weight"} <= keys
    assert ("target_blocks.11.mlp.fc2.bias" in keys) == (recipe.objective == "m2d")


def test_encoder_in_half_precision_is_rounded_and_keeps_exact_statistics(trained, tmp_path):
    recipe, file = trained
    held = torch.load(file, weights_only=True)["model"]
    path = tmp_path / f"{recipe.name}.safetensors"
    checkpoint.write_encoder(path, held, recipe.configuration, torch.float16, checkpoint.load(file)[1])
    loaded = load_checkpoint(path)
    assert loaded.norm_stats == tuple(held["norm_stats"].tolist())
    assert torch.equal(loaded.tensors["norm.weight"], held["norm.weight"].half().float())
    assert path.stat().st_size < 0.6 * file.with_suffix(".safetensors").stat().st_size


def test_encoder_tells_how_it_was_trained(trained):
    recipe, file = trained
    with safe_open(file.with_suffix(".safetensors"), "pt") as held:
        training = json.loads(held.metadata()["training"])
        versions = json.loads(held.metadata()["versions"])
    assert Recipe.model_validate(training["recipe"]) == recipe
    assert training["steps"] == len((file.parent / "log.csv").read_text().splitlines()) - 1
    assert versions["torch"] == torch.__version__


def test_a_full_disk_is_one_clear_error_and_nothing_is_left(small_disk):
    folder, _ = small_disk
    training = checkpoint.Training(1, {}, "store", "float32", 1)
    with pytest.raises(StorageError, match=r"no space left for .*run\.pth"):
        checkpoint.save(folder / "run.pth", {"model": {"weight": torch.randn(100_000)}}, training)
    assert list(folder.iterdir()) == []
