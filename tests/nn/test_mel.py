"""Mel powers: equal to the front end that was checked against the authors', and independent of the batch."""

import pytest
import torch

from evar.nn.frontend import EPS, LogMel
from evar.nn.mel import Edges, MelPower, slaney_filters

RATE = 16_000


def waveforms(clips: int = 3, samples: int = 4000) -> torch.Tensor:
    return 0.1 * torch.randn(clips, samples, generator=torch.Generator().manual_seed(0))


def mel(edges: Edges, preemphasis: float = 0.0) -> MelPower:
    filters = slaney_filters(RATE, 400, 80, 50.0, 8000.0)
    return MelPower(torch.hann_window(400), 400, 160, filters, edges=edges, preemphasis=preemphasis)


def test_slaney_filters_are_those_of_m2ds_front_end() -> None:
    torch.testing.assert_close(slaney_filters(RATE, 400, 80, 50.0, 8000.0).T, LogMel(RATE).mel_filters)


def test_powers_are_those_of_m2ds_front_end() -> None:
    ours = (mel("reflect")(waveforms()) + EPS).log().transpose(1, 2)
    torch.testing.assert_close(ours, LogMel(RATE)(waveforms()), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("edges", "frames"), [("reflect", 26), ("constant", 26), (None, 23)])
def test_frames_are_centred_on_every_hop_or_lie_within_the_signal(edges: Edges, frames: int) -> None:
    assert mel(edges)(waveforms()).shape == (3, frames, 80)


def test_preemphasis_takes_the_mean_and_low_frequencies_off() -> None:
    powers = mel(None, 0.97)
    torch.testing.assert_close(powers(waveforms() + 0.5), powers(waveforms()), rtol=1e-3, atol=1e-6)
    assert (powers(waveforms())[:, :, :5] < 0.1 * mel(None)(waveforms())[:, :, :5].mean()).all()


@pytest.mark.parametrize("edges", ["reflect", "constant", None])
def test_a_clip_has_the_same_bits_in_any_batch(edges: Edges) -> None:
    whole = mel(edges)(waveforms(7))
    assert torch.equal(whole[2:3], mel(edges)(waveforms(7)[2:3]))


@pytest.mark.parametrize("edges", ["reflect", "constant", None])
def test_a_clip_of_one_sample_has_a_frame(edges: Edges) -> None:
    powers = mel(edges)(torch.ones(1, 1))
    assert powers.shape[1] >= 1
    assert torch.isfinite(powers).all()
