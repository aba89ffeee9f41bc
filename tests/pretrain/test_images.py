"""Pre-training on images: the audio code's step, what an epoch shows of each image, runs."""

import numpy as np
import pytest
import torch
from PIL import Image

from evar import encoders
from evar.base.errors import DataError, UsageError
from evar.nn import images
from evar.nn.checkpoint import load_checkpoint
from evar.nn.configuration import SIZES
from evar.pretrain.crops import Crops, Epochs
from evar.pretrain.recipe import make_recipe
from evar.pretrain.schedule import schedule_of
from evar.pretrain.sources import prepare_sources, source_of_folder
from evar.pretrain.start import load_start
from evar.pretrain.trainer import Trainer
from evar.pretraining import pretrain_encoder
from evar.training.team import Team
from tests.pretrain import runs

SIZE = 32
SMALL = {"image_size": SIZE, "patch_mels": 8, "patch_frames": 8, "masking": "random"}


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """A ViT-Tiny is one of two narrow blocks."""
    monkeypatch.setitem(SIZES, "tiny", (64, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of noise in colours."""
    made = tmp_path_factory.mktemp("pictures")
    draws = np.random.default_rng(7)
    for number in range(12):
        noise = draws.integers(0, 256, (3, 3, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((48, 40)).save(made / f"{number:02}.png")
    return made


@pytest.fixture(scope="module")
def store(folder, tmp_path_factory):
    """The store of these pictures."""
    cache = tmp_path_factory.mktemp("cache")
    return prepare_sources([source_of_folder(folder, "image")], SIZE, cache, "image", workers=1)


def crops_of(epochs, epoch=0):
    return epochs.crops(epoch, np.arange(4))


def test_a_step_on_images_is_the_audio_codes_step_on_a_channel_of_the_same_size(monkeypatch):
    """Two of three colours are nothing, the third is what the audio code is given: the network cannot tell."""
    recipes = {"audio": make_recipe("tiny", {"patch_mels": 16, "frames": 80, "mask_ratio": 0.75, "masking": "random"})}
    recipes["image"] = make_recipe("tiny", {"image_size": 80})
    draws = torch.Generator().manual_seed(0)
    channel, noise = torch.randn(4, 80, 80, generator=draws), torch.rand(4, 25, generator=draws)
    inputs = {
        "audio": channel,
        "image": torch.stack([torch.zeros_like(channel), channel, torch.zeros_like(channel)], 1),
    }
    made, found = {}, {}
    for name, recipe in recipes.items():
        made[name] = Trainer(recipe, schedule_of(recipe, 10), torch.device("cpu"), "float32", Team())
    audio, image = made["audio"].model, made["image"].model
    shared = {key: tensor for key, tensor in audio.state_dict().items() if key != "norm_stats"}
    with torch.no_grad():
        image.patch_embed.proj.weight[:, 1:2] = shared.pop("patch_embed.proj.weight")
    image.load_state_dict(shared, strict=False)
    nothing = torch.empty(4, 0)
    for name, trainer in made.items():
        monkeypatch.setattr(trainer, "inputs", lambda crops, name=name: inputs[name])
        found[name] = trainer.step(1, Crops(nothing, nothing, noise, nothing))
    torch.testing.assert_close(found["image"], found["audio"], rtol=1e-6, atol=0)
    theirs = {key: tensor for key, tensor in image.named_parameters() if tensor.requires_grad}
    for key, ours in audio.named_parameters():
        if ours.requires_grad:
            slope, value = theirs[key].grad, theirs[key].detach()
            if key == "patch_embed.proj.weight":
                assert not slope[:, ::2].any()
                slope, value = slope[:, 1:2], value[:, 1:2]
            assert (slope - ours.grad).norm() <= 1e-5 * ours.grad.norm(), key
            assert (value - ours).norm() <= 1e-2 * ours.norm(), key  # AdamW goes by the slope's sign alone


def test_the_masked_patches_of_mae_are_numbers_of_all_colours():
    recipe = make_recipe("tiny", {"image_size": SIZE, "objective": "msm_mae", "predictor_width": 32, "patch_mels": 8,
                                  "patch_frames": 8, "predictor_heads": 2})  # fmt: skip
    model = recipe.model()
    assert model.decoder_pred.out_features == 8 * 8 * 3
    pictures = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    corner = model.patch_embed.cut(pictures)[1, 2, 3].view(3, 8, 8)
    assert torch.equal(corner, pictures[1, :, 16:24, 24:32])
    numbers = torch.arange(16).expand(2, -1)
    assert model.loss(pictures, numbers[:, :4], numbers[:, 4:]).isfinite()


def test_every_epoch_shows_another_part_of_an_image_and_half_of_them_mirrored(store):
    epochs = Epochs(store, runs.recipe(**SMALL))
    views = torch.cat([crops_of(epochs, epoch).views for epoch in range(50)])
    high, wide, mirrored = views[:, 1], views[:, 3], views[:, 4]
    areas, aspects = (high * wide / SIZE**2).numpy(), (wide / high).numpy()
    assert 0.15 < areas.min() < 0.3
    assert 0.85 < areas.max() <= 1
    assert 0.65 < aspects.min() < 0.9 < 1.1 < aspects.max() < 1.5
    assert ((views[:, 0] + high <= SIZE) & (views[:, 2] + wide <= SIZE)).all()
    assert 60 < mirrored.sum() < 140
    assert torch.equal(crops_of(epochs, 3).views, crops_of(epochs, 3).views)
    whole = Epochs(store, runs.recipe(**SMALL, smallest_crop=1.0, flip=False))
    assert (crops_of(whole).views == torch.tensor([0, SIZE, 0, SIZE, 0])).all()


def test_a_view_is_that_part_of_the_image_enlarged(store):
    pictures = images.pixels(crops_of(Epochs(store, runs.recipe(**SMALL))).clips, SIZE)
    assert torch.equal(
        (255 * pictures[1]).round().byte().permute(1, 2, 0).flatten(), torch.tensor(store.samples(1).view(np.uint8))
    )
    boxes = torch.tensor([[0, SIZE, 0, SIZE]] * 2 + [[8, 16, 4, 16]] * 2)
    flips = torch.tensor([False, True, False, True])
    seen = images.resized(pictures, boxes, edges="border", flips=flips)
    assert torch.allclose(seen[0], pictures[0], atol=1e-5)
    assert torch.allclose(seen[1], pictures[1].flip(2), atol=1e-5)
    enlarged = torch.nn.functional.interpolate(pictures[2:3, :, 8:24, 4:20], scale_factor=2, mode="bicubic")
    inner = slice(4, -4)  # at its edges a crop sees what lies beside it
    assert torch.allclose(seen[2, :, inner, inner], enlarged[0, :, inner, inner], atol=1e-5)
    again = images.resized(pictures[3:], boxes[3:], edges="border")
    assert torch.allclose(seen[3], again[0].flip(2), atol=1e-5)


def test_a_run_gives_an_encoder_of_images_and_starts_another(store, folder, tmp_path):
    file = runs.go(store, runs.run(tmp_path / "first", **SMALL, epochs=1, batch_size=12))
    encoder = encoders.open_encoder("m2d", file.with_suffix(".safetensors"))
    assert (encoder.modality, encoder.image_size, encoder.grid.patch_mels) == ("image", SIZE, 8)
    checkpoint = load_checkpoint(file)
    assert checkpoint.norm_stats == pytest.approx(images.NORM_STATS)
    assert checkpoint.configuration.name == "m2d_vit_tiny-32x32p8"
    settings = load_start(file).settings({"patch_mels": 8})
    assert (settings["image_size"], settings["size"], settings["predictor_width"]) == (SIZE, "tiny", 32)
    with pytest.raises(UsageError, match="--image-size is 32 by --from m2d_vit_tiny-32x32p8: leave it out"):
        load_start(file).settings({"image_size": 64})
    again = runs.run(tmp_path / "second", **SMALL, epochs=1, batch_size=12, base_lr=1e-9, start=load_start(file))
    first, second = (load_checkpoint(each).tensors["blocks.1.mlp.fc1.weight"] for each in (file, runs.go(store, again)))
    assert torch.allclose(first, second, atol=1e-6)


def test_sources_and_tasks_are_of_the_recipes_modality(folder, tmp_path):
    with pytest.raises(UsageError, match="task gtzan is of audio, and the recipe of images: leave --image-size out"):
        pretrain_encoder(task="gtzan", recipe=runs.recipe(**SMALL), out=tmp_path / "run")
    with pytest.raises(DataError, match="holds no audio files .*, but 12 images: --image-size PIXELS trains on them"):
        pretrain_encoder([folder], recipe=runs.recipe(), out=tmp_path / "run")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"image_size": 30}, "image_size must be an even number of pixels, at most 4096, and a multiple of the patch"),
        ({"image_size": 32, "patch_mels": 8}, "patches of images are square, not 8 x 16 pixels"),
        ({"image_size": 32, "frames": 80}, "--frames is for audio: leave it out"),
        ({"flip": False}, "--flip is for images: leave it out, or give --image-size"),
        ({"image_size": 32, "smallest_crop": 0}, "--smallest-crop: must be a number above 0, not 0"),
    ],
)
def test_images_that_cannot_be_are_refused(settings, complaint):
    with pytest.raises(UsageError, match=complaint):
        make_recipe("base", settings)


def test_images_are_masked_at_random_to_three_quarters_whatever_the_preset():
    recipe = make_recipe("tiny", {"image_size": "64"})
    assert (recipe.masking, recipe.mask_ratio, recipe.name) == ("random", 0.75, "m2d_vit_tiny-64x64p16")
    assert make_recipe("tiny", {"image_size": "64", "mask_ratio": "0.5"}).mask_ratio == 0.5
