"""The embedding that finds copies: near its original whatever was done to the copy, and near nothing else."""

import numpy as np
import pytest

from evar.near_duplicates.likeness import DIMENSIONS, analysis, embed, fingerprint
from tests.near_duplicates.sounds import RATE, everything, later, louder, mp3, upside_down


def fingerprints(waveforms) -> np.ndarray:
    return np.stack([fingerprint((each - each.mean()).astype(np.float32), analysis(RATE)) for each in waveforms])


@pytest.fixture(scope="module")
def noises() -> tuple[list[np.ndarray], np.ndarray]:
    """Clips of one spectrum, and their fingerprints."""
    draws = np.random.default_rng(1)
    waveforms = [0.1 * draws.standard_normal(2 * RATE) for _ in range(300)]
    return waveforms, fingerprints(waveforms)


@pytest.mark.parametrize("copied", [louder, upside_down, later, mp3, everything], ids=lambda copied: copied.__name__)
def test_original_is_nearest_among_many_of_the_same_spectrum(noises, copied):
    waveforms, prints = noises
    embeddings = embed(np.concatenate([prints, fingerprints([copied(each) for each in waveforms[:20]])]))
    cosines = embeddings[300:] @ embeddings[:300].T
    assert cosines.argmax(axis=1).tolist() == list(range(20))


def test_embeddings_are_of_unit_length_and_alike_for_alike_clips(noises):
    prints = noises[1]
    embeddings = embed(np.concatenate([prints, prints[:1]]))
    assert embeddings.shape == (301, DIMENSIONS)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1, abs=1e-5)
    assert embeddings[0] @ embeddings[300] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("rate", [1000, 8000, 22_050, 44_100, 96_000])
def test_any_rate_and_any_length_has_a_fingerprint(rate):
    draws = np.random.default_rng(3)
    for samples in (1, 7, rate // 10, rate):
        assert np.isfinite(fingerprint(draws.standard_normal(samples).astype(np.float32), analysis(rate))).all()


def test_clips_of_one_spectrum_are_distinguished(noises):
    embeddings = embed(noises[1].copy())
    cosines = embeddings @ embeddings.T - 2 * np.eye(300)
    assert np.median(cosines.max(axis=1)) < 0.2  # 0.14; by means and deviations over time alone 0.27
