"""Encoders on every device: the contract, the numbers, the bits."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from evar import encoders
from evar.embeddings.device import fix_numerics
from evar.encoders.checks import CHECKS, TOLERANCE
from evar.encoders.contract import Encoder

SPECS = (
    "m2d",
    "logmel",
    'random(model="m2d_vit_tiny-80x200p16x4")',
    'random(model="m2d_s_vit_tiny-80x512p80x2")',
    'random(model="m2d_as_vit_tiny-80x608p16x16p32k")',
    'random(model="msm_mae_vit_tiny-80x208p16x16")',
)
CLIPS, SECONDS = 5, 2.5  # the shortest inputs among these take two chunks
AGAINST_CPU = 1e-4  # relative; TF32 would be off by 1e-3
BFLOAT16_COSINE = 0.9995


@pytest.fixture(params=SPECS)
def encoder(request: pytest.FixtureRequest, device: torch.device) -> Encoder:
    fix_numerics()
    return encoders.open_encoder(request.param).to(device)


def clips(encoder: Encoder, device: torch.device) -> Tensor:
    """(clip, sample) of noise."""
    noise = torch.randn(CLIPS, round(SECONDS * encoder.sample_rate), generator=torch.Generator().manual_seed(0))
    return (0.1 * noise).clamp(-1, 1).to(device)


def embedded(encoder: Encoder, waveforms: Tensor) -> Tensor:
    return encoder.embed(waveforms, torch.full((len(waveforms),), waveforms.shape[1]))["last"].cpu()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("spec", SPECS[:3])
def test_contract_is_kept(spec: str, check: Callable[[Encoder], None], device: torch.device) -> None:
    check(encoders.open_encoder(spec).to(device))


def test_batch_has_the_numbers_of_each_clip_alone_on_the_cpu(encoder: Encoder, device: torch.device) -> None:
    found = embedded(encoder, clips(encoder, device))
    encoder.to("cpu")
    expected = torch.cat([embedded(encoder, clip[None]) for clip in clips(encoder, torch.device("cpu"))])
    apart = (found - expected).norm(dim=1) / expected.norm(dim=1)
    assert apart.max() <= (AGAINST_CPU if device.type == "cuda" else 5 * TOLERANCE)


def test_same_bits_again_and_beside_other_clips(encoder: Encoder, device: torch.device) -> None:
    together = clips(encoder, device)
    first = embedded(encoder, together)
    assert torch.equal(embedded(encoder, together), first)
    beside = torch.cat([together[:1], together[1:].flip(0, 1)])
    found = embedded(encoder, beside)
    assert torch.equal(found[0], first[0])
    assert not torch.equal(found[1], first[1])


def test_bfloat16_keeps_near_float32(encoder: Encoder, device: torch.device) -> None:
    exact = embedded(encoder, clips(encoder, device))
    in_force = encoder.set_precision(torch.bfloat16)
    rounded = embedded(encoder, clips(encoder, device))
    assert torch.equal(rounded, exact) == (in_force == torch.float32)
    assert torch.nn.functional.cosine_similarity(rounded, exact, dim=1).min() >= BFLOAT16_COSINE
