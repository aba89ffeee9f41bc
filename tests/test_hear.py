"""`evar.hear` beyond what `tests/encoders/test_hear.py` shows of every HEAR module: numbers, lengths, gradients."""

from pathlib import Path

import numpy as np
import pytest
import torch

import evar.hear
from evar import encoders
from evar.base.errors import CheckpointError
from evar.hear import HearModel
from tests import recipe

TINY = "m2d_vit_tiny-80x64p16x16"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> HearModel:
    return evar.hear.load_model(str(recipe.write(tmp_path_factory.mktemp(TINY), TINY)))


def sounds(count: int = 3, samples: int = 20_000) -> torch.Tensor:
    return 0.1 * torch.randn(count, samples, generator=torch.Generator().manual_seed(0))


def test_scene_is_the_mean_over_frames(model: HearModel) -> None:
    frames, _ = evar.hear.get_timestamp_embeddings(sounds(), model)
    torch.testing.assert_close(evar.hear.get_scene_embeddings(sounds(), model), frames.mean(1))
    assert torch.equal(evar.hear.get_scene_embeddings(sounds(), model), model(sounds()))
    assert not model.training


@pytest.mark.parametrize("samples", [1, 160, 16_000, 200_000])
def test_sounds_of_any_length_are_embedded(model: HearModel, samples: int) -> None:
    frames, times = evar.hear.get_timestamp_embeddings(sounds(1, samples), model)
    assert torch.isfinite(frames).all()
    assert frames.shape[1] == times.shape[1] >= 1


def test_a_head_can_be_trained_on_the_embeddings(model: HearModel) -> None:
    for embedded in (
        evar.hear.get_scene_embeddings(sounds(), model),
        evar.hear.get_timestamp_embeddings(sounds(), model)[0],
    ):
        assert not embedded.requires_grad
        head = torch.nn.Linear(model.scene_embedding_size, 2)
        head(embedded).sum().backward()
        assert head.weight.grad is not None


def test_audio_of_another_shape_is_refused(model: HearModel) -> None:
    for audio in (torch.zeros(400), torch.zeros(1, 1, 400), torch.zeros(1, 400, dtype=torch.float64)):
        with pytest.raises(ValueError, match="float32"):
            evar.hear.get_scene_embeddings(audio, model)
        with pytest.raises(ValueError, match=r"audio must be \(sound, sample\) float32"):
            evar.hear.get_timestamp_embeddings(audio, model)


def test_missing_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        evar.hear.load_model(str(tmp_path / "none.pth"))


def test_the_authors_timestamp_embeddings_are_reproduced(shared: Path) -> None:
    name = "m2d_vit_base-80x608p16x16"
    reference = np.load(shared / "reference" / "layers_vit_base-80x608p16x16.npz")
    audio = torch.from_numpy(reference["wav"].astype(np.float32) / 32768)
    frames, times = evar.hear.get_timestamp_embeddings(audio, HearModel(recipe.encoder(name)))
    expected = reference["timestamp_embeddings"]
    assert np.linalg.norm(frames.numpy() - expected) <= 1e-4 * np.linalg.norm(expected)
    np.testing.assert_allclose(times.numpy(), reference["timestamps_ms"], rtol=1e-6)


def test_m2d_through_its_own_hear_module_is_m2d(tmp_path: Path) -> None:
    file = recipe.write(tmp_path / TINY, TINY)
    lengths = torch.full((3,), 20_000)
    straight = encoders.open_encoder("m2d", file)
    around = encoders.open_encoder("hear(module='evar.hear')", file)
    assert around.identity.digest == straight.identity.digest
    assert torch.equal(around.embed(sounds(), lengths)["last"], straight.embed(sounds(), lengths)["last"])
