"""The published values, one by one, and what a person may change."""

import pytest

from evar.base.errors import UsageError
from evar.data.task import load_task
from evar.tuning.recipe import make_recipe, table

COMMON = {
    "optimizer": "sgd", "lr": 0.5, "lr_min": 1e-7, "epochs": 200, "warmup_epochs": 5, "batch_size": 128,
    "momentum": 0.9, "beta1": 0.9, "beta2": 0.95, "amsgrad": False, "weight_decay": 0.0, "mixup": 0.0, "crop": False,
    "crop_room_mels": 1.0, "crop_room_frames": 1.5, "crop_smallest": 0.6, "crop_largest": 1.5, "freq_mask": 0,
    "time_mask": 0, "patchout": 0.0, "freeze_patches": False, "sampling": "each", "epoch_clips": None,
    "head_std": 0.01, "seed": 43, "seeds": 3, "clip": None, "at_once": None, "trust": 0.001,
    "smallest_crop": None, "flip": False, "freeze": False, "features": "mean", "class_mean": True, "head_eps": 1e-5,
}  # fmt: skip
PUBLISHED = {
    "as2m": {"optimizer": "lars", "lr": 2.0, "batch_size": 64, "epochs": 70, "warmup_epochs": 15, "mixup": 0.5,
             "freq_mask": 30, "time_mask": 192, "patchout": 0.5, "sampling": "by_class", "epoch_clips": 200_000},
    "as20k": {"batch_size": 64, "mixup": 0.3, "freq_mask": 30, "time_mask": 192, "patchout": 0.5, "crop": True},
    "esc50": {"freq_mask": 15, "time_mask": 48, "patchout": 0.5, "crop": True, "freeze_patches": True},
    "spcv2": {"mixup": 0.3, "freq_mask": 30, "time_mask": 48, "patchout": 0.5, "crop": True},
    "vc1": {"optimizer": "adamw", "lr": 5e-4, "weight_decay": 1e-4, "amsgrad": True, "batch_size": 64, "epochs": 50,
            "freq_mask": 30, "time_mask": 48},
}  # fmt: skip
LINPROBE = {"optimizer": "lars", "lr": 0.1 * 16_384 / 256, "lr_min": 0.0, "batch_size": 16_384, "epochs": 90,
            "warmup_epochs": 10, "freeze": True, "features": "cls", "smallest_crop": 0.08, "flip": True,
            "class_mean": False, "head_eps": 1e-6, "seeds": 1}  # fmt: skip
FRAMES = {"as2m": 1001, "as20k": 1001, "esc50": 501, "spcv2": 101, "vc1": 821}


@pytest.mark.parametrize("task", PUBLISHED)
def test_recipe_has_every_published_value(task):
    recipe = make_recipe(task, None, {})
    assert recipe.model_dump() == {**COMMON, **PUBLISHED[task]}
    assert recipe.flat == (task != "vc1")
    assert round(load_task(task).seconds * 100) + 1 == FRAMES[task]


def test_linear_probe_of_mae_has_every_published_value():
    assert make_recipe("imagenet1k", "mae_linprobe", {}).model_dump() == {**COMMON, **LINPROBE}


def test_epoch_was_chosen_on_test_where_there_are_no_validation_clips():
    assert table().best_on_test == [task for task in FRAMES if "valid" not in load_task(task).parts][:3]


def test_own_task_has_the_default_and_any_recipe_may_be_named(tmp_path):
    assert make_recipe("mine", None, {}) == make_recipe("gtzan", "default", {})
    assert make_recipe("mine", "spcv2", {}).optimizer == "sgd"
    (tmp_path / "own.yaml").write_text("{lr: 0.01, optimizer: sgd}")
    assert make_recipe("vc1", tmp_path / "own.yaml", {}).lr == 0.01


def test_text_is_read_and_fewer_epochs_keep_warm_ups_share():
    recipe = make_recipe(
        "spcv2", None, {"epochs": "20", "crop": "false", "at_once": "auto", "clip": "auto", "lr": "1e-3"}
    )
    assert (recipe.warmup_epochs, recipe.crop, recipe.at_once, recipe.lr) == (0.5, False, None, 1e-3)
    changed = {"epochs": 20, "warmup_epochs": 0.5, "crop": False, "lr": 1e-3}
    assert recipe.differing(make_recipe("spcv2", None, {"at_once": 3, "mixup": 0.3})) == changed


@pytest.mark.parametrize(
    ("named", "overrides", "said"),
    [
        ("spcv3", {}, "unknown recipe 'spcv3': did you mean spcv2"),
        (None, {"mixupp": "1"}, "unknown setting of a recipe 'mixupp': did you mean mixup"),
        (None, {"patchout": "1"}, "--patchout: must be a number below 1, not '1'"),
        (None, {"epochs": "2", "warmup_epochs": "3"}, r"warmup_epochs \(3\) must not exceed epochs \(2\)"),
        (None, {"optimizer": "adam"}, "--optimizer: must be 'sgd', 'adamw' or 'lars', not 'adam'"),
        (None, {"epoch_clips": "10"}, "epoch_clips goes with sampling by_class"),
    ],
)
def test_value_that_cannot_be_is_refused(named, overrides, said):
    with pytest.raises(UsageError, match=said):
        make_recipe("mine", named, overrides)
