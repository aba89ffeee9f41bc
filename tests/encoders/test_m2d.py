"""M2D as an encoder: identity, rates, lengths, precision."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from evar import encoders
from evar.base.errors import CheckpointError, UsageError
from evar.encoders.contract import Encoder
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


def test_random_weights_say_that_they_are_random() -> None:
    identity = encoders.open_encoder(f"random(model={TINY!r})").identity
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


_OPENED: dict[str, Encoder] = {}


def _tiny(name: str) -> Encoder:
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


def test_options_in_force_include_defaults() -> None:
    options = encoders.open_encoder(f"random(model={TINY!r})").identity.options
    assert options == {"seed": 0, "model": TINY, "layers": None, "flat": False, "frames": None}


def test_every_layer_of_the_reference_is_reproduced_in_one_pass(shared: Path) -> None:
    model = "m2d_vit_base-80x608p16x16"
    reference = np.load(shared / "reference" / "layers_vit_base-80x608p16x16.npz")
    encoder = recipe.encoder(model, layers="each")
    waveforms = torch.from_numpy(reference["wav"].astype(np.float32) / 32768)
    embedded = encoder.embed(waveforms, torch.full((2,), waveforms.shape[1]))
    assert list(embedded) == list(encoder.outputs) == [f"layer{number:02}" for number in range(12)]
    for output, scene in embedded.items():
        expected = reference[f"{output}_scene"]
        assert np.linalg.norm(scene.numpy() - expected) <= 1e-4 * np.linalg.norm(expected), output


def test_several_layers_are_one_output_in_the_order_asked_for() -> None:
    lengths = torch.tensor([4000, 4000])
    spec = f"random(model={TINY!r}, layers="
    together = encoders.open_encoder(spec + "[7, 3])").embed(clips(4000), lengths)
    each = encoders.open_encoder(spec + "'each')").embed(clips(4000), lengths)
    assert list(together) == ["7+3"]
    assert torch.equal(together["7+3"], torch.cat([each["layer07"], each["layer03"]], dim=1))
    assert torch.equal(encoders.open_encoder(spec + "3)").embed(clips(4000), lengths)["layer03"], each["layer03"])


def test_single_tokens_are_the_frames_taken_apart() -> None:
    lengths = torch.tensor([4000, 4000])
    flat = encoders.open_encoder(f"random(model={TINY!r}, flat=True)").embed(clips(4000), lengths)["last"]
    frames = encoders.open_encoder(f"random(model={TINY!r})").embed(clips(4000), lengths)["last"]
    torch.testing.assert_close(flat, frames.view(2, 5, 192).mean(1), rtol=1e-5, atol=1e-5)


def test_input_length_of_its_own_is_no_change_and_longer_clips_need_no_chunks() -> None:
    lengths = torch.tensor([16000, 16000])
    own, plain, long = (
        encoders.open_encoder(f"random(model={TINY!r}{more})").embed(clips(16000), lengths)["last"]
        for more in (", frames=64", "", ", frames=101")
    )
    assert torch.equal(own, plain)
    assert not torch.allclose(long, plain)


def test_options_that_change_every_number_show_in_the_name() -> None:
    spec = f"random(model={TINY!r}, flat=True, frames=101)"
    assert encoders.open_encoder(spec).identity.name == f"{TINY} (random weights) flat frames=101"


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("m2b", "unknown encoder 'm2b': did you mean m2d?"),
        ("random(sede=1)", "unknown option of encoder random 'sede': did you mean seed?"),
        ("m2d(flatt=True)", "unknown option of encoder m2d 'flatt': did you mean flat?"),
        ("random(seed='1')", "encoder random: option seed must be a whole number, not '1'"),
        ("random(seed=-1)", "encoder random: option seed must be a number of at least 0, not -1"),
        ("random(seed=exit())", "seed must be a Python literal"),
        ("random(model='80x608p16x16')", "does not state a model"),
        ("contract", "contract.py is no encoder: it defines no function open_encoder"),
        ("os.path", "unknown encoder 'os.path'"),
        (f"random(model={TINY!r}, layers=[12])", r"layers must be from 0 to 11, at least one of them, not \[12\]"),
        (f"random(model={TINY!r}, layers=[])", "at least one of them"),
        (f"random(model={TINY!r}, layers=-1)", "layers must be from 0 to 11"),
        (
            f"random(model={TINY!r}, layers='all')",
            "option layers must be 'each' or a list or a whole number, not 'all'",
        ),
        (f"random(model={TINY!r}, frames=15)", "frames must be at least 16, one patch, and at most 60000"),
        (f"random(model={TINY!r}, frames=100_000_000)", "at most 60000, not 100000000"),
        (f"random(model={TINY!r}, flat=1)", "option flat must be true or false, not 1"),
    ],
)
def test_mistakes_in_the_name_or_options_are_explained(spec: str, complaint: str) -> None:
    with pytest.raises((UsageError, CheckpointError), match=complaint):
        encoders.open_encoder(spec)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("logmel", "logmel"),
        ("random", "random"),
        ("transformers(model='x')", "transformers"),
        ("xares(file='x.py')", "xares"),
    ],
)
def test_weights_are_refused_by_encoders_that_take_none(tmp_path: Path, spec: str, name: str) -> None:
    with pytest.raises(UsageError, match=f"encoder {name} takes no weights"):
        encoders.open_encoder(spec, tmp_path)
