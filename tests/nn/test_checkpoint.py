"""Checkpoints: the forms they come in, and what is wrong with those that cannot be used."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from evar import encoders
from evar.base.errors import CheckpointError, DataError
from evar.nn.checkpoint import load_checkpoint
from evar.nn.checkpoint_file import find_checkpoint
from evar.nn.frontend import NORM_STATS
from tests import recipe

TINY = "m2d_vit_tiny-80x64p16x16"

State = dict[str, torch.Tensor]
Save = Callable[[Any], Path]


@pytest.fixture
def state() -> State:
    return recipe.state(TINY)


@pytest.fixture
def save(tmp_path: Path) -> Save:
    return lambda content: recipe.save(tmp_path / f"{TINY}.pth", content)


def assert_by_recipe(path: Path) -> None:
    checkpoint = load_checkpoint(path)
    assert set(checkpoint.tensors) == set(recipe.state(TINY))
    for key, tensor in checkpoint.tensors.items():
        assert torch.equal(tensor, recipe.tensor(key, tuple(tensor.shape))), key


def prefixed(prefix: str) -> Callable[[State], dict[str, object]]:
    """Behind a prefix, with tensors of a whole model beside it."""
    beside = {"module.ar.runtime.to_spec.mel_basis": torch.zeros(3), "module.head.weight": torch.zeros(2)}
    return lambda state: {"model": {f"{prefix}{key}": tensor for key, tensor in state.items()} | beside}


def nested(state: State) -> dict[str, object]:
    """As training loops keep a state dict: two mappings deep, its optimizer beside it."""
    optimizer = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]}
    return {"epoch": 3, "optimizer": optimizer, "checkpoint": {"state_dict": state, "hyper_parameters": {"lr": 0.1}}}


def holding_itself(state: State) -> dict[str, object]:
    content: dict[str, object] = {"model": state}
    content["again"] = content
    return content


FORMS: dict[str, Callable[[State], Any]] = {
    "bare": lambda state: state,
    "under model": lambda state: {"model": state, "args": recipe.training_arguments(), "epoch": 300, "optimizer": {}},
    "nested": nested,
    "blocks compiled one by one within DataParallel": lambda state: {
        f"module.{key.replace('.norm1', '._orig_mod.norm1')}": tensor for key, tensor in state.items()
    },
    "lightning": lambda state: {"state_dict": {f"model.{key}": each for key, each in state.items()}, "global_step": 1},
    "averaged alone": lambda state: {"ema": state},
    "module within model": lambda state: {"model": {"module": state}},
    "averaged model": lambda state: {
        "n_averaged": torch.tensor(1), **{f"module.{key}": tensor for key, tensor in state.items()}
    },
    "a mapping that holds itself": holding_itself,
    **{
        prefix: prefixed(prefix)
        for prefix in (
            "backbone.", "module.ar.runtime.backbone.", "model.", "module._orig_mod.model.", "_orig_mod.module.net.enc."
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_state_dicts_are_found_at_any_depth_and_behind_any_prefix(save: Save, state: State, form: str) -> None:
    assert_by_recipe(save(FORMS[form](state)))


@pytest.mark.parametrize("form", ["bare", "under model"])
def test_the_older_format_of_pytorch_is_read(tmp_path: Path, state: State, form: str) -> None:
    assert_by_recipe(recipe.save(tmp_path / f"{TINY}.pth", FORMS[form](state), zipped=False))


def test_safetensors_are_read(tmp_path: Path, state: State) -> None:
    save_file(state, tmp_path / f"{TINY}.safetensors")
    assert_by_recipe(tmp_path / f"{TINY}.safetensors")


def test_a_folder_that_holds_one_checkpoint_is_read(tmp_path: Path, state: State) -> None:
    folder = tmp_path / f"{TINY}-221006"
    folder.mkdir()
    recipe.save(folder / "checkpoint-300.pth", state)
    (folder / "README.md").touch()
    assert_by_recipe(folder)
    assert load_checkpoint(folder).configuration.name == f"{TINY}-221006"


def test_half_precision_is_converted_to_float32(save: Save, state: State) -> None:
    for dtype in (torch.float16, torch.bfloat16):
        checkpoint = load_checkpoint(save({key: tensor.to(dtype) for key, tensor in state.items()}))
        assert {tensor.dtype for tensor in checkpoint.tensors.values()} == {torch.float32}
        assert torch.equal(checkpoint.tensors["norm.bias"], state["norm.bias"].to(dtype).float())


def test_norm_stats_are_read_within_the_model_or_beside_it_else_the_papers(save: Save, state: State) -> None:
    assert load_checkpoint(save(state)).norm_stats == NORM_STATS == (-7.1, 4.2)
    assert load_checkpoint(save(state | {"norm_stats": torch.tensor([-8.0, 4.5])})).norm_stats == (-8.0, 4.5)
    for stats in (torch.tensor([-8.0, 4.5]), [-8.0, 4.5]):
        file = save({"model": state, "norm_stats": stats})
        assert load_checkpoint(file).norm_stats == (-8.0, 4.5)


NESTED: list[object] = []
for _ in range(100):
    NESTED = [NESTED, NESTED]


@pytest.mark.parametrize(
    "stats",
    [
        "x", None, [1.0], {"mean": 1.0}, NESTED, [[1.0, 2.0], [1.0, 2.0]], torch.zeros(1).expand(1 << 40),
        *(torch.tensor(pair) for pair in ([1.0], [1.0, 0.0], [1.0, -1.0], [torch.nan, 1.0], [1.0, 2.0, 3.0])),
    ],
)  # fmt: skip
def test_impossible_norm_stats_are_refused(save: Save, state: State, stats: object) -> None:
    with pytest.raises(CheckpointError, match="norm_stats should be a mean and a positive deviation, not "):
        load_checkpoint(save({"model": state, "norm_stats": stats}))


def test_parts_of_an_encoder_outside_its_prefix_are_named(save: Save) -> None:
    state = recipe.state(TINY, prefix="backbone.") | {"head.weight": torch.zeros(2), "norm.weight": torch.zeros(2)}
    assert_by_recipe(save(state))
    for stray in ("blocks.12.norm1.bias", "module.ar.runtime.backbone.blocks.12.norm1.bias"):
        with pytest.raises(CheckpointError, match=f"1 unknown: {stray.removeprefix('module.')}"):
            load_checkpoint(save(state | {stray: torch.zeros(192)}))


@pytest.mark.parametrize("averaged", ["model_ema", "ema", "state_dict_ema", "teacher"])
def test_averaged_weights_are_left_aside_with_a_note(save: Save, state: State, averaged: str, notes: list[str]) -> None:
    other = {key: tensor + 1 for key, tensor in state.items()}
    assert_by_recipe(save({averaged: other, "model": state}))
    assert any("averaged weights that it holds too are left aside" in note for note in notes)


def test_two_trained_encoders_are_refused_by_where_they_lie(save: Save, state: State) -> None:
    file = save({"student": state, "model": dict(state)})
    with pytest.raises(CheckpointError, match=r"holds 2 encoders \(student\., model\.\): keep one of them"):
        load_checkpoint(file)


def test_tensors_with_and_without_a_wrappers_name_are_refused(save: Save, state: State) -> None:
    file = save(state | {"module.norm.bias": torch.zeros(192)})
    with pytest.raises(CheckpointError, match="holds tensors twice, .* a wrapper's name: module.norm.bias"):
        load_checkpoint(file)


def test_expanded_tensors_are_no_weights(save: Save, state: State) -> None:
    with pytest.raises(CheckpointError, match="1 no plain tensors: norm.bias"):
        load_checkpoint(save(state | {"norm.bias": torch.zeros(1).expand(192)}))


def test_keys_move_no_cursor_and_are_cut(save: Save, state: State) -> None:
    with pytest.raises(CheckpointError, match="1 unknown: head\ufffd") as error:
        load_checkpoint(save(state | {"head\x1b[2J" + "long" * 1000: torch.zeros(1)}))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 1000


def test_the_model_may_be_said_where_the_name_is_silent(tmp_path: Path, state: State) -> None:
    file = recipe.save(tmp_path / "best.pth", state)
    with pytest.raises(CheckpointError, match=rf"say it: --encoder \"m2d\(model='{TINY.removeprefix('m2d_')}'\)\""):
        load_checkpoint(file)
    assert load_checkpoint(file, TINY).configuration.name == TINY
    with pytest.raises(CheckpointError, match="name and tensors contradict each other"):
        load_checkpoint(file, "m2d_vit_base-80x608p16x16")


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_what_a_pretraining_run_wrote_states_its_model_under_any_name(
    tmp_path: Path, state: State, ending: str
) -> None:
    settings = {"objective": "m2d", "size": "tiny", "frames": 64, "patch_mels": 16, "patch_frames": 16}
    training = json.dumps({"steps": 1, "recipe": {**settings, "sample_rate": 32_000}})
    file = tmp_path / f"best.{ending}"
    if ending == "pth":
        recipe.save(file, {"model": state, "training": training})
    else:
        save_file(state, file, {"training": training})
    loaded = load_checkpoint(file).configuration
    assert (loaded.name, loaded.sample_rate) == (f"{TINY}p32k", 32_000)


def test_a_run_folder_means_its_encoder(tmp_path: Path) -> None:
    for name in (f"{TINY}.pth", f"{TINY}-step0000100.safetensors", f"{TINY}.safetensors", "log.csv"):
        (tmp_path / name).write_text("x")
    assert find_checkpoint(tmp_path) == tmp_path / f"{TINY}.safetensors"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: os.mkfifo(path), "is no regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "is no regular file"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
        (lambda path: path.touch(), "is empty .zero bytes"),
    ],
    ids=["pipe", "device", "loop", "empty"],
)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    file = tmp_path / f"{TINY}.pth"
    make(file)
    with pytest.raises(CheckpointError, match=said):
        load_checkpoint(file)


def test_want_of_memory_is_no_broken_checkpoint(save: Save, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(state)
    for error in (MemoryError(), RuntimeError("unable to mmap 4 bytes from file <x>: Cannot allocate memory (12)")):

        def full(*arguments: object, error: Exception = error, **more: object) -> None:
            raise error

        monkeypatch.setattr(torch, "load", full)
        with pytest.raises(DataError, match="encoder m2d does not fit into the memory of this machine"):
            encoders.open_encoder("m2d", file)


def test_the_digest_is_the_files_sha256(save: Save, state: State) -> None:
    file = save(state)
    assert load_checkpoint(file).digest == hashlib.sha256(file.read_bytes()).hexdigest()


def test_weights_do_not_hinge_on_the_file_afterwards(save: Save, state: State) -> None:
    file = save(state)
    checkpoint = load_checkpoint(file)
    file.write_bytes(bytes(file.stat().st_size))
    assert torch.equal(checkpoint.tensors["norm.weight"], recipe.tensor("norm.weight", (192,)))


def _without(*keys: str) -> Callable[[State], State]:
    return lambda state: {key: tensor for key, tensor in state.items() if key not in keys}


def _with(key: str, tensor: torch.Tensor) -> Callable[[State], State]:
    return lambda state: state | {key: tensor}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_without("norm.weight"), "tensors 1 missing: norm.weight$"),
        (_without("pos_embed"), "1 missing: pos_embed"),
        (_without(*(f"blocks.{n}.mlp.fc1.bias" for n in range(9))), r"9 missing: blocks.0.mlp.fc1.bias, .* and 6 more"),
        (_with("norm.bias", torch.zeros(5)), r"1 misshapen: norm.bias \(5,\) instead of \(192,\)"),
        (_with("cls_token", torch.zeros(192)), r"cls_token \(192,\) instead of \(1, 1, 192\)"),
        (_with("norm.bias", torch.full((192,), torch.nan)), "1 not finite: norm.bias"),
        (_with("norm.bias", torch.full((192,), torch.inf)), "1 not finite: norm.bias"),
        (_with("norm.bias", torch.zeros(192, dtype=torch.int64)), "1 not of floating point: norm.bias"),
        (_with("blocks.0.ls1.gamma", torch.zeros(192)), "1 unknown: blocks.0.ls1.gamma"),
        (_with("fc_norm.weight", torch.zeros(192)), "1 unknown: fc_norm.weight"),
        (_with("headline", torch.zeros(192)), "1 unknown: headline"),
        (_with("head_norm.weight", torch.zeros(192)), "1 unknown: head_norm.weight"),
        (_with("mask_tokens", torch.zeros(192)), "1 unknown: mask_tokens"),
        (_with("blocks.1000000000.norm1.bias", torch.zeros(192)), "blocks 12 by the name, 13 in the tensors"),
        (_with("patch_embed.proj.weight", torch.zeros(192, 256)), "has not the four dimensions"),
        (_with("backbone.patch_embed.proj.weight", torch.zeros(192, 1, 16, 16)), "holds 2 encoders"),
        (
            _without("patch_embed.proj.weight"),
            "holds no M2D encoder: expected patch_embed.proj.weight once; near it: .*bias",
        ),
    ],
)
def test_encoders_that_are_not_whole_are_refused(
    save: Save, state: State, change: Callable[[State], State], complaint: str
) -> None:
    with pytest.raises(CheckpointError, match=complaint) as error:
        load_checkpoint(save(change(state)))
    assert f"{TINY}" in str(error.value)
    assert "\n" not in str(error.value)


def test_all_faults_are_listed_at_once(save: Save, state: State) -> None:
    faulty = _with("norm.bias", torch.full((192,), torch.nan))(_without("cls_token")(state))
    with pytest.raises(CheckpointError, match="1 missing: cls_token; 1 not finite: norm.bias"):
        load_checkpoint(save(faulty))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([1, 2], "holds a list and no state dict"),
        ({}, "holds a dict and no state dict .key -> tensor"),
        ({"model": {}}, "holds a dict and no state dict"),
        ({"model": torch.zeros(3)}, "holds no M2D encoder: .*; its keys: model"),
        ({"state_dict": {"a": torch.zeros(1)}}, "holds no M2D encoder: expected patch_embed.proj.weight .* keys: .*a"),
        ({"model": {1: torch.zeros(1)}}, "holds a dict and no state dict"),
        ({"model": {"conv1.weight": torch.zeros(1)}}, "holds no M2D encoder: .*; its keys: conv1.weight"),
    ],
)
def test_files_that_hold_something_else_are_refused(save: Save, content: dict[str, object], complaint: str) -> None:
    with pytest.raises(CheckpointError, match=complaint):
        load_checkpoint(save(content))


def test_a_typo_in_the_path_is_answered_with_near_names(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-300.pth").touch()
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*300.pt: did you mean checkpoint-300.pth?"):
        load_checkpoint(tmp_path / "chekpoint-300.pt")
    with pytest.raises(CheckpointError, match="no checkpoint at .*holds checkpoint-300.pth"):
        load_checkpoint(tmp_path / "zzz")
    with pytest.raises(CheckpointError, match="no checkpoint at .*holds nothing"):
        load_checkpoint(tmp_path / "absent" / "zzz.pth")


def test_a_folder_must_hold_exactly_one_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no checkpoint: name one file ending in .pth"):
        load_checkpoint(tmp_path)
    for epoch in range(5):
        (tmp_path / f"checkpoint-{epoch}.pth").touch()
    with pytest.raises(CheckpointError, match=r"holds 5 checkpoints \(checkpoint-0.pth, .* and 2 more\)"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("family", "prefix"),
    [
        ("m2d", ""), ("m2d_as", "backbone."), ("m2d_x", "module.ar.runtime.backbone."), ("m2d_s", ""),
        ("m2d_clap", "backbone."), ("msm_mae", ""), ("m2d_d2v", "module.ar.runtime.backbone."),
    ],
)  # fmt: skip
def test_every_family_is_read_with_the_keys_of_its_training_left_aside(
    tmp_path: Path, family: str, prefix: str
) -> None:
    model = f"{family}_vit_tiny-{'80x400p80x2' if family == 'm2d_s' else '80x208p16x16'}"
    file = recipe.save(tmp_path / f"{model}-0.pth", {"model": recipe.state(model, training=True, prefix=prefix)})
    loaded = load_checkpoint(file)
    assert loaded.configuration.name == f"{model}-0"
    for key, tensor in recipe.state(model).items():
        assert torch.equal(loaded.tensors[key], tensor)
