"""Encoders of images: MAE's and timm's layouts, the families of transformers, the histogram of colours."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from evar import encoders
from evar.base.errors import CheckpointError, UsageError, install_hint
from evar.encoders.contract import ImageEncoder
from evar.nn.vit import Grid, ViT
from tests import recipe
from tests.encoders.examples import OF_IMAGES, save_transformers

SIZE, PATCH, WIDTH, DEPTH, HEADS = 32, 8, 128, 2, 2
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

State = dict[str, Tensor]


def layout() -> State:
    """The keys of MAE's models_vit.py and of timm's vision_transformer.py, which agree, with drawn numbers."""
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, WIDTH),
        "pos_embed": (1, 1 + (SIZE // PATCH) ** 2, WIDTH),
        "patch_embed.proj.weight": (WIDTH, 3, PATCH, PATCH),
        "patch_embed.proj.bias": (WIDTH,),
    }
    linear = {"attn.qkv": (3, 1), "attn.proj": (1, 1), "mlp.fc1": (4, 1), "mlp.fc2": (1, 4)}
    for block in range(DEPTH):
        for name, (outputs, inputs) in linear.items():
            shapes[f"blocks.{block}.{name}.weight"] = (outputs * WIDTH, inputs * WIDTH)
            shapes[f"blocks.{block}.{name}.bias"] = (outputs * WIDTH,)
        for name in ("norm1", "norm2"):
            shapes |= {f"blocks.{block}.{name}.{part}": (WIDTH,) for part in ("weight", "bias")}
    shapes |= {f"norm.{part}": (WIDTH,) for part in ("weight", "bias")}
    return {key: 3 * recipe.tensor(key, shape) for key, shape in shapes.items()}


def by_the_book(state: State, images: Tensor, stats: tuple[tuple[float, ...], ...]) -> Tensor:
    """Tokens after the last norm, as MAE's paper says: by convolution, and attention written out."""
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in stats)
    patches = F.conv2d((images - mean) / deviation, *part(state, "patch_embed.proj"), stride=PATCH)
    tokens = torch.cat([state["cls_token"].expand(len(images), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
    tokens = tokens + state["pos_embed"]
    for block in (f"blocks.{number}" for number in range(DEPTH)):
        normed = F.layer_norm(tokens, (WIDTH,), *part(state, f"{block}.norm1"), eps=1e-6)
        query, key, value = (
            each.unflatten(2, (HEADS, -1)).transpose(1, 2)
            for each in F.linear(normed, *part(state, f"{block}.attn.qkv")).chunk(3, dim=2)
        )
        shares = (query @ key.transpose(2, 3) / (WIDTH // HEADS) ** 0.5).softmax(dim=3)
        tokens = tokens + F.linear((shares @ value).transpose(1, 2).flatten(2), *part(state, f"{block}.attn.proj"))
        normed = F.layer_norm(tokens, (WIDTH,), *part(state, f"{block}.norm2"), eps=1e-6)
        hidden = F.gelu(F.linear(normed, *part(state, f"{block}.mlp.fc1")))
        tokens = tokens + F.linear(hidden, *part(state, f"{block}.mlp.fc2"))
    return F.layer_norm(tokens, (WIDTH,), *part(state, "norm"), eps=1e-6)


def part(state: State, name: str) -> tuple[Tensor, Tensor]:
    return state[f"{name}.weight"], state[f"{name}.bias"]


def images(size: int = SIZE) -> Tensor:
    return torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(0))


def opened(spec: str, weights: Path | None = None) -> ImageEncoder:
    encoder = encoders.open_encoder(spec, weights)
    assert isinstance(encoder, ImageEncoder)
    return encoder


def close(ours: Tensor, expected: Tensor) -> bool:
    return bool((ours - expected).norm() <= 1e-5 * expected.norm())


def test_a_checkpoint_of_maes_layout_needs_no_name_and_gives_the_networks_numbers(tmp_path: Path) -> None:
    state = layout()
    decoder = {"mask_token": torch.zeros(1, 1, 8), "decoder_pos_embed": torch.zeros(1, 17, 8)}
    file = recipe.save(tmp_path / "mae_pretrain_vit_mine.pth", {"model": state | decoder, "args": None})
    encoder = opened("m2d", file)
    assert (encoder.image_size, encoder.outputs) == (SIZE, ("cls", "mean"))
    assert encoder.identity.name == "mae_pretrain_vit_mine-32x32p8"
    tokens = by_the_book(state, images(), IMAGENET)
    embedded = encoder.embed(images())
    assert close(embedded["cls"], tokens[:, 0])
    assert close(embedded["mean"], tokens[:, 1:].mean(dim=1))
    both = opened("m2d(layers=[1, 0])", file).embed(images())
    assert list(both) == ["1+0-cls", "1+0-mean"]
    assert torch.equal(both["1+0-cls"][:, :WIDTH], embedded["cls"])


def test_a_folder_of_timms_layout_is_normalised_as_its_configuration_says(tmp_path: Path) -> None:
    state, half = layout(), ((0.5,) * 3, (0.5,) * 3)
    save_file(
        state | {"head.weight": torch.zeros(5, WIDTH), "head.bias": torch.zeros(5)}, tmp_path / "model.safetensors"
    )
    described: dict[str, Any] = {"architecture": "vit_mine", "pretrained_cfg": {"mean": half[0], "std": half[1]}}
    (tmp_path / "config.json").write_text(json.dumps(described))
    encoder = opened("m2d", tmp_path)
    assert close(encoder.embed(images())["cls"], by_the_book(state, images(), half)[:, 0])
    (tmp_path / "config.json").unlink()
    usual = opened("m2d", tmp_path)
    assert close(usual.embed(images())["cls"], by_the_book(state, images(), IMAGENET)[:, 0])
    assert usual.identity != encoder.identity


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"pos_embed": torch.zeros(1, 20, WIDTH)}, "positions 17 by the name, 20 in the tensors"),
        ({"blocks.0.ls1.gamma": torch.zeros(WIDTH)}, "unknown: blocks.0.ls1.gamma"),
        ({"norm_stats": torch.zeros(2, 3)}, "norm_stats should be a mean and a positive deviation"),
    ],
)
def test_another_kind_of_vit_is_refused(tmp_path: Path, change: State, complaint: str) -> None:
    with pytest.raises(CheckpointError, match=complaint):
        opened("m2d", recipe.save(tmp_path / "mine.pth", layout() | change))


def test_options_of_audio_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="flat and frames are of audio, vit_tiny-32x32p8 .* is of images"):
        opened("random(model='vit_tiny-32x32p8', frames=32)")


def test_a_name_states_the_images_and_heads_of_huge_are_eighty_wide() -> None:
    assert str(Grid.of_image(224, 16)) == "224x224p16"
    with pytest.raises(
        CheckpointError, match="images are of an even number of pixels, at most 4096, and whole patches"
    ):
        opened("random(model='m2d_vit_base-224x224p15')")
    with torch.device("meta"):
        assert ViT(Grid.of_image(224, 14), 1280, 1).blocks[0].attn.heads == 16


def as_the_package_does(folder: Path, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """CLS and the mean over patches, by the package's own image processor and model."""
    import transformers

    processor: Any = transformers.AutoImageProcessor.from_pretrained(folder)
    model: Any = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    given = processor(list(pictures.permute(0, 2, 3, 1).numpy()), return_tensors="pt")["pixel_values"]
    vision = getattr(model, "vision_model", model)
    with torch.inference_mode():
        found = vision(given)
        tokens = found.last_hidden_state
        if vision is not model:
            assert close(vision.post_layernorm(tokens)[:, 0], found.pooler_output)
            tokens = vision.post_layernorm(tokens)
    registers = getattr(model.config, "num_register_tokens", 0)
    return tokens[:, 0], tokens[:, 1 + registers :].mean(dim=1)


@pytest.mark.parametrize("family", OF_IMAGES)
def test_embeddings_are_those_of_the_packages_own_processor_and_model(family: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason=f"transformers is not installed: {install_hint('transformers')}")
    folder = save_transformers(tmp_path / family, family)
    encoder = opened(f"transformers(model={str(folder)!r})")
    pictures = (255 * images()).to(torch.uint8)
    cls, mean = as_the_package_does(folder, pictures)
    embedded = encoder.embed(pictures)
    assert close(embedded["cls"], cls)
    assert close(embedded["mean"], mean)
    layers = opened(f"transformers(model={str(folder)!r}, layers='each')").embed(pictures)
    assert list(layers)[-2:] == ["layer02-cls", "layer02-mean"]
    assert torch.equal(layers["layer02-mean"], embedded["mean"])


def test_a_histogram_counts_colours_wherever_they_are() -> None:
    picture = torch.zeros(1, 3, 4, 4)
    picture[0, 0, :1] = 1.0  # a quarter of it is red
    (found,) = opened("colour_histogram(image_size=4)").embed(torch.cat([picture, picture.flip(2)])[:1])["last"]
    assert found.nonzero().flatten().tolist() == [0, 7 * 64]
    assert found[[0, 7 * 64]].tolist() == pytest.approx([0.75**0.5, 0.5])
