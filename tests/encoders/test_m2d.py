"""M2D as an encoder: identity, rates, lengths, precision."""

import hashlib
from pathlib import Path

import pytest
import torch

from evar import encoders
from evar.errors import CheckpointError, UsageError
from tests import recipe

TINY = "m2d_vit_tiny-80x64p16x16"


def clips(samples: int) -> torch.Tensor:
    return 0.1 * torch.randn(2, samples, generator=torch.Generator().manual_seed(0))


def test_a_checkpoint_gives_its_name_and_digest(tmp_path: Path) -> None:
    file = recipe.write(tmp_path / f"{TINY}-221006", TINY)
    encoder = encoders.open_encoder("m2d", file.parent)
    assert encoder.identity.name == TINY
    assert encoder.identity.weights == f"{TINY}.pth"
    assert encoder.identity.digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert encoder.identity.random is False
    assert encoder.embed(clips(8000), torch.tensor([8000, 8000]))["last"].shape == (2, 5 * 192)


def test_without_weights_it_says_that_it_is_random() -> None:
    identity = encoders.open_encoder("m2d").identity
    assert identity.random
    assert "random" in identity.name
    assert identity.weights == "random weights, seed 0"


def test_the_checkpoints_statistics_normalise(tmp_path: Path) -> None:
    state = recipe.state(TINY)
    opened = [
        encoders.open_encoder("m2d", recipe.save(tmp_path / f"{TINY}.pth", state | {"norm_stats": torch.tensor(stats)}))
        for stats in ([-7.1, 4.2], [-8.0, 4.5])
    ]
    lengths = torch.tensor([4000, 4000])
    first, second = (encoder.embed(clips(4000), lengths)["last"] for encoder in opened)
    assert not torch.allclose(first, second)


@pytest.mark.parametrize(
    "name", ["m2d_vit_tiny-80x64p16x16p32k", "m2d_s_vit_tiny-80x50p80x2", "m2d_vit_tiny-80x100p16x16"]
)
@pytest.mark.parametrize("frames", [1, 15, 49, 50, 51, 63, 64, 65, 95, 97, 99, 100, 101, 111, 129, 200])
def test_every_number_of_frames_gives_an_embedding(name: str, frames: int) -> None:
    encoder = _tiny(name)
    samples = (frames - 1) * encoder.sample_rate // 100 + 1
    embedding = encoder.embed(clips(samples), torch.tensor([samples, samples]))["last"]
    assert torch.isfinite(embedding).all()


_OPENED: dict[str, encoders.Encoder] = {}


def _tiny(name: str) -> encoders.Encoder:
    if name not in _OPENED:
        _OPENED[name] = encoders.open_encoder(f"random(model={name!r})")
    return _OPENED[name]


@pytest.mark.parametrize("spec", ["m2d", "recipe"])
def test_bfloat16_stays_close_to_float32(spec: str) -> None:
    encoder = recipe.encoder("m2d_vit_base-80x608p16x16") if spec == "recipe" else encoders.open_encoder(spec)
    lengths = torch.tensor([8000, 8000])
    exact = encoder.embed(clips(8000), lengths)["last"]
    encoder.set_precision(torch.bfloat16)
    quick = encoder.embed(clips(8000), lengths)["last"]
    assert quick.dtype == torch.float32
    assert (torch.cosine_similarity(exact, quick) >= 0.9995).all()


def test_rounded_weights_never_pass_for_float32() -> None:
    encoder = encoders.open_encoder(f"random(model={TINY!r})")
    assert encoder.set_precision(torch.float32) == torch.float32
    assert encoder.set_precision(torch.bfloat16) == encoder.set_precision(torch.bfloat16) == torch.bfloat16
    with pytest.raises(ValueError, match="were rounded to torch.bfloat16: open the encoder anew for torch.float32"):
        encoder.set_precision(torch.float32)


def test_random_seeds_are_different_encoders() -> None:
    lengths = torch.tensor([4000, 4000])
    first, again, other = (
        encoders.open_encoder(f"random(seed={seed}, model={TINY!r})").embed(clips(4000), lengths)["last"]
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_a_random_model_must_be_named_wholly() -> None:
    with pytest.raises(CheckpointError, match="does not state a model"):
        encoders.open_encoder("random(model='80x608p16x16')")


def test_options_in_force_include_defaults() -> None:
    options = encoders.open_encoder(f"random(model={TINY!r})").identity.options
    assert options == {"seed": 0, "model": TINY}


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("m2b", "unknown encoder 'm2b': did you mean m2d?"),
        ("random(sede=1)", "unknown option of encoder random 'sede': did you mean seed?"),
        ("m2d(flat=1)", "unknown option of encoder m2d 'flat': .valid: none"),
        ("random(seed='1')", "encoder random: option seed cannot be '1'"),
        ("random(seed=-1)", "encoder random: option seed cannot be -1"),
        ("random(seed=exit())", "seed must be a Python literal"),
        ("contract", "unknown encoder 'contract'"),
        ("os.path", "unknown encoder 'os.path'"),
    ],
)
def test_mistakes_in_the_name_or_options_are_explained(spec: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        encoders.open_encoder(spec)


def test_weights_are_refused_by_encoders_that_take_none(tmp_path: Path) -> None:
    for name in ("logmel", "random"):
        with pytest.raises(UsageError, match=f"encoder {name} takes no weights"):
            encoders.open_encoder(name, tmp_path)
