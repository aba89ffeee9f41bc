"""Mean and deviation of the log-mel, padding left out."""

import numpy as np
import pytest
import soundfile
import torch

from evar.base.errors import DataError
from evar.data.store import prepare
from evar.nn.frontend import LogMel
from evar.pretrain.crops import Epochs, measure_norm_stats
from tests.pretrain import runs


def measured(store, **more):
    return measure_norm_stats(Epochs(store, runs.recipe(**more)), LogMel(16_000), torch.device("cpu"))


def test_statistics_are_those_of_the_log_mel_without_padding(tmp_path):
    """Clips shorter than the input: the mean over their own frames, as if nothing had been padded."""
    draws = np.random.default_rng(0)
    clips = [0.1 * draws.standard_normal(3200) for _ in range(8)]
    for number, clip in enumerate(clips):
        soundfile.write(tmp_path / f"{number}.wav", clip, 16_000)
    store = prepare(tmp_path, [f"{n}.wav" for n in range(8)], 16_000, tmp_path / "cache", workers=1)
    waveforms = torch.from_numpy(np.stack([store.samples(row) for row in range(8)])).float() / 2**15
    spectra = LogMel(16_000)(waveforms)[:, :, :-1]  # the last frame is half padding
    mean, deviation = measured(store)
    assert mean == pytest.approx(spectra.mean().item(), abs=0.1)
    assert deviation == pytest.approx(spectra.std().item(), abs=0.1)


def test_statistics_normalise_full_crops(tmp_path):
    soundfile.write(tmp_path / "long.wav", 0.1 * np.random.default_rng(0).standard_normal(16_000 * 20), 16_000)
    store = prepare(tmp_path, ["long.wav"], 16_000, tmp_path / "cache", workers=1)
    spectra = LogMel(16_000)(torch.from_numpy(store.samples(0).copy())[None].float() / 2**15)
    mean, deviation = measured(store)
    assert mean == pytest.approx(spectra.mean().item(), abs=0.05)
    assert deviation == pytest.approx(spectra.std().item(), abs=0.05)


def test_silence_is_refused(tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(16_000 * 8), 16_000)
    store = prepare(tmp_path, ["silence.wav"], 16_000, tmp_path / "cache", workers=1)
    with pytest.raises(DataError, match="the audio is all alike"):
        measured(store)
