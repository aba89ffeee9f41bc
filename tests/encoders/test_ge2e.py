"""GE2E: Resemblyzer's numbers, and what is said where its weights are not there."""

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest
import torch

from evar import encoders
from evar.base.errors import CheckpointError, UsageError
from evar.encoders.ge2e import GE2E, partial_starts
from tests.encoders.examples import ge2e_checkpoint, ge2e_installed
from tests.encoders.make_ge2e import CLIPS, GOLDEN, clip


def test_golden_numbers_are_there() -> None:
    assert set(np.load(GOLDEN)) == {"mel", *(f"{seconds}" for seconds, _ in CLIPS)}


def test_mel_powers_are_those_of_the_original(tmp_path: Path) -> None:
    encoder = encoders.open_encoder("ge2e", ge2e_checkpoint(tmp_path))
    assert isinstance(encoder, GE2E)
    expected = np.load(GOLDEN)["mel"]
    ours = encoder.mel(torch.from_numpy(clip(*CLIPS[1]))[None])[0].numpy()
    assert np.linalg.norm(ours - expected) <= 1e-6 * np.linalg.norm(expected)


@pytest.mark.parametrize(("seconds", "level"), CLIPS)
def test_embeddings_are_those_of_the_original(tmp_path: Path, seconds: float, level: float) -> None:
    encoder = encoders.open_encoder(ge2e_installed(tmp_path)[0])
    expected = np.load(GOLDEN)[f"{seconds}"]
    waveform = torch.from_numpy(clip(seconds, level))[None]
    ours = encoder.embed(waveform, torch.tensor([waveform.shape[1]]))["last"][0].numpy()
    assert np.linalg.norm(ours - expected) <= 1e-5 * np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("seconds", "starts"), [(0.1, [0]), (1.6, [0]), (2.1, [0, 77]), (2.9, [0, 77, 154]), (3.2, [0, 77, 154])]
)
def test_partial_utterances_cover_the_clip(seconds: float, starts: list[int]) -> None:
    found = partial_starts(round(16_000 * seconds))
    assert found == starts[: len(found)]
    assert seconds * 100 - (found[-1] + 160) <= 0.75 * 160


def test_level_below_the_target_does_not_matter(tmp_path: Path) -> None:
    encoder = encoders.open_encoder("ge2e", ge2e_checkpoint(tmp_path))
    soft = 0.01 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([16_000, 16_000])
    first, second = (encoder.embed(level * soft, lengths)["last"] for level in (1.0, 0.1))
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)


def test_missing_package_says_how_to_get_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(UsageError, match="pip install --no-deps Resemblyzer==0.1.4"):
        encoders.open_encoder("ge2e")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"state": {}}, "is no GE2E checkpoint: it holds no model_state"),
        (
            {"model_state": {"lstm.weight_ih_l0": torch.zeros(2, 2)}},
            "is no GE2E of 3 LSTM layers of 256: .*Missing key",
        ),
    ],
)
def test_another_checkpoint_is_refused(tmp_path: Path, content: dict[str, object], said: str) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=said):
        encoders.open_encoder("ge2e", tmp_path / "other.pt")
