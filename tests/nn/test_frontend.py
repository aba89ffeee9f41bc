"""The log-mel: the reference numbers, its lengths, and what it leaves alone."""

from pathlib import Path

import numpy as np
import pytest
import torch

from evar.encoders.logmel import LogMelStatistics
from evar.nn.frontend import EPS, MELS, SAMPLE_RATES, LogMel


@pytest.fixture(scope="module", params=SAMPLE_RATES)
def log_mel(request: pytest.FixtureRequest) -> LogMel:
    return LogMel(request.param)


def test_reference_log_mels_are_reproduced(shared: Path, log_mel: LogMel) -> None:
    reference = np.load(shared / "reference" / f"frontend_{log_mel.sample_rate // 1000}k.npz")
    ours = log_mel(torch.from_numpy(reference["wav"].astype(np.float32) / 32768)).numpy()
    assert np.linalg.norm(ours - reference["log_mel"]) <= 1e-5 * np.linalg.norm(reference["log_mel"])


def test_a_frame_stands_every_10_ms(log_mel: LogMel) -> None:
    assert log_mel(torch.zeros(2, log_mel.sample_rate)).shape == (2, MELS, 101)


@pytest.mark.parametrize("samples", [1, 2, 200, 201, 400])
def test_short_clips_are_those_padded_with_zeros(log_mel: LogMel, samples: int) -> None:
    clip = torch.linspace(-1, 1, samples + 1)[None, 1:]
    padded = torch.nn.functional.pad(clip, (0, max(0, log_mel.shortest - samples)))
    assert torch.equal(log_mel(clip), log_mel(padded))


def test_silence_is_the_log_of_eps(log_mel: LogMel) -> None:
    assert torch.allclose(log_mel(torch.zeros(1, 1000)), torch.tensor(EPS).log())


def test_a_tone_is_loudest_in_the_mel_of_its_pitch(log_mel: LogMel) -> None:
    time = torch.arange(log_mel.sample_rate) / log_mel.sample_rate
    low, high = (log_mel(torch.sin(2 * torch.pi * hz * time)[None]).mean(2).argmax() for hz in (200, 4000))
    assert low < high


def test_tables_stay_out_of_checkpoints(log_mel: LogMel) -> None:
    assert not log_mel.state_dict()
    assert not list(log_mel.parameters())


def test_a_clip_is_the_same_in_any_batch(log_mel: LogMel) -> None:
    clips = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (6, 4000)).astype(np.float32))
    alone = torch.cat([log_mel(clip[None]) for clip in clips])
    torch.testing.assert_close(log_mel(clips), alone, rtol=1e-6, atol=1e-6)


def test_other_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="not at 44100"):
        LogMel(44_100)


def written_out(waveform: np.ndarray) -> np.ndarray:
    """The log-mel (mel, frame) of a waveform (sample,) at 16 kHz, in float64, as docs/protocols.md has it."""
    padded = np.pad(waveform, 200, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.stack([padded[start : start + 400] * hann for start in range(0, len(waveform) + 1, 160)])
    power = np.abs(np.fft.rfft(frames)) ** 2

    def hertz(mel: np.ndarray) -> np.ndarray:
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))

    def mel(hz: float) -> float:
        return hz * 3 / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)

    corners, bins = hertz(np.linspace(mel(50), mel(8000), 82)), np.arange(201) * 40.0
    low, middle, high = (corners[start : start + 80, None] for start in range(3))
    filters = np.maximum(0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))
    return np.log(power @ (filters * 2 / (high - low)).T + 2**-23).T


def test_log_mel_is_that_of_the_document() -> None:
    waveform = np.random.default_rng(0).uniform(-0.5, 0.5, 5000).astype(np.float32)
    ours = LogMel(16_000)(torch.from_numpy(waveform)[None])[0].numpy()
    np.testing.assert_allclose(ours, written_out(waveform.astype(float)), atol=2e-4)


def test_statistics_are_means_then_biased_deviations_over_frames() -> None:
    waveform = np.random.default_rng(1).uniform(-0.5, 0.5, 5000).astype(np.float32)
    log_mel = written_out(waveform.astype(float))
    found = LogMelStatistics().encode(torch.from_numpy(waveform)[None])["last"][0].numpy()
    np.testing.assert_allclose(found, np.concatenate([log_mel.mean(axis=1), log_mel.std(axis=1)]), atol=2e-4)
