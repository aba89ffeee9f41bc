"""The recipe: the papers' values, presets, and mistakes under the options' names; schedules at their ends."""

import math

import pytest

from evar.base.errors import UsageError
from evar.pretrain.recipe import PRESETS, make_recipe
from evar.pretrain.schedule import Schedule, schedule_of

WIDTHS = {"tiny": 192, "small": 384, "base": 768}


def test_defaults_are_the_papers_values():
    recipe = make_recipe("base", {})
    assert recipe.name == "m2d_vit_base-80x608p16x16"
    assert (recipe.mask_ratio, recipe.masking) == (0.7, "random")
    assert (recipe.predictor_width, recipe.predictor_depth, recipe.predictor_heads) == (512, 8, 16)
    assert (recipe.batch_size, recipe.base_lr, recipe.epochs, recipe.warmup_epochs) == (2048, 3e-4, 300, 20)
    assert (recipe.beta1, recipe.beta2, recipe.weight_decay, recipe.clip) == (0.9, 0.95, 0.05, 3.0)
    assert (recipe.ema_start, recipe.ema_end) == (0.99995, 0.99999)
    assert recipe.peak_lr == pytest.approx(2.4e-3)


def test_msm_mae_has_its_own_papers_values():
    recipe = make_recipe("base", {"objective": "msm_mae"})
    assert recipe.name == "msm_mae_vit_base-80x608p16x16"
    assert recipe.mask_ratio == 0.75
    assert (recipe.predictor_width, recipe.predictor_depth, recipe.predictor_heads) == (384, 4, 6)
    small = make_recipe("tiny", {"objective": "msm_mae"})
    assert (small.masking, small.mask_ratio, small.predictor_width) == ("random", 0.75, 384)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_have_their_widths_and_give_way_to_overrides(preset):
    recipe = make_recipe(preset, {"batch_size": "64", "mask_ratio": "0.6"})
    assert (recipe.configuration.width, recipe.configuration.depth, recipe.batch_size) == (WIDTHS[preset], 12, 64)


def test_name_states_input_patch_and_rate():
    recipe = make_recipe("tiny", {"frames": 400, "patch_mels": 80, "patch_frames": 2, "sample_rate": 32000})
    assert recipe.name == "m2d_vit_tiny-80x400p80x2p32k"
    assert (recipe.configuration.grid, recipe.configuration.sample_rate) == (recipe.grid, 32000)
    assert recipe.samples == 4 * 32000


def test_frames_beyond_the_last_whole_patch_are_not_read():
    assert make_recipe("base", {"frames": 1001}).samples == 62 * 16 * 160


def test_warm_up_shrinks_with_the_epochs_where_it_is_not_given():
    assert make_recipe("base", {"epochs": "30"}).warmup_epochs == 2
    assert make_recipe("base", {"epochs": "30", "warmup_epochs": "5"}).warmup_epochs == 5


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"mask_ratio": "1.2"}, "--mask-ratio: must be a number below 1, not '1.2'"),
        ({"epochs": "many"}, "--epochs: must be a whole number, not"),
        ({"objective": "mae"}, "--objective: must be 'm2d' or 'msm_mae', not 'mae'"),
        ({"patch_mels": 30}, "patch_mels must divide 80, not be 30"),
        ({"mask_ratio": 0.999}, "mask_ratio 0.999 leaves none of 190 patches visible"),
        ({"sample_rate": 22050}, "sample_rate must be one of 16000, 32000, not 22050"),
        ({"predictor_heads": 7}, "predictor_width must be a multiple of 4 and of predictor_heads"),
        ({"accumulate": 3}, "batch_size 2048 cannot be taken in 3 equal parts"),
        ({"epochs": 3, "warmup_epochs": 4}, "warmup_epochs (4) must not exceed epochs (3)"),
        ({"base_lr": "nan"}, "--base-lr: "),
        ({"learning_rate": 1}, "--learning-rate: is unknown"),
    ],
)
def test_mistake_is_named_with_its_option(values, said):
    with pytest.raises(UsageError) as caught:
        make_recipe("base", values)
    assert said in str(caught.value)


def test_unknown_preset_has_near_names():
    with pytest.raises(UsageError, match="unknown preset 'tniy': did you mean tiny"):
        make_recipe("tniy", {})


def test_learning_rate_rises_to_its_peak_and_falls_to_zero():
    schedule = schedule_of(make_recipe("base", {}), steps_an_epoch=10)
    assert (schedule.steps, schedule.warmup) == (3000, 200)
    assert schedule.learning_rate(0) == 0
    assert schedule.learning_rate(100) == pytest.approx(1.2e-3)
    assert schedule.learning_rate(200) == pytest.approx(2.4e-3)
    assert schedule.learning_rate(1600) == pytest.approx(1.2e-3)
    assert schedule.learning_rate(3000) == pytest.approx(0, abs=1e-12)
    rates = [schedule.learning_rate(step) for step in range(3001)]
    assert max(rates) == schedule.learning_rate(200)
    at_once = schedule_of(make_recipe("base", {"warmup_epochs": 0}), steps_an_epoch=10)
    assert at_once.learning_rate(0) == pytest.approx(2.4e-3)


def test_cosine_is_half_a_period():
    schedule = Schedule(steps=100, warmup=20, peak_lr=1.0, ema_start=0, ema_end=1)
    assert schedule.learning_rate(40) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))


def test_decay_is_linear_between_its_ends():
    schedule = schedule_of(make_recipe("base", {}), steps_an_epoch=10)
    assert schedule.ema_decay(0) == 0.99995
    assert schedule.ema_decay(1500) == pytest.approx(0.99997)
    assert schedule.ema_decay(3000) == pytest.approx(0.99999)


def test_open_decays_are_the_papers_for_its_steps_and_faster_for_fewer():
    open_decays = {"ema_start": "auto", "ema_end": "auto"}
    papers = schedule_of(make_recipe("base", open_decays), steps_an_epoch=1000)
    assert (papers.ema_start, papers.ema_end) == (pytest.approx(0.99995), pytest.approx(0.99999))
    short = schedule_of(make_recipe("small", {"epochs": 100}), steps_an_epoch=150)
    assert (short.ema_start, short.ema_end) == (pytest.approx(0.999), pytest.approx(0.9998))
    assert schedule_of(make_recipe("small", {"epochs": 1}), steps_an_epoch=2).ema_start == 0.9
