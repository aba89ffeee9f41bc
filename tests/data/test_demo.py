"""The demo dataset: reproducible, complete, neither trivial nor impossible."""

import wave
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from evar.base.errors import StorageError
from evar.data import demo
from evar.nn.frontend import LogMel


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return demo.write_demo(tmp_path_factory.mktemp("demo") / "sounds", seed=0).parent


@pytest.fixture(scope="module")
def table(folder):
    return pd.read_csv(folder / "clips.csv")


@pytest.fixture(scope="module")
def waveforms(folder, table):
    def read(path):
        with wave.open(str(folder / path)) as file:
            assert file.getparams()[:4] == (1, 2, demo.RATE, demo.RATE)
            return np.frombuffer(file.readframes(demo.RATE), "<i2") / 32768

    return np.stack([read(path) for path in table["path"]])


def test_has_eight_classes_in_three_splits_of_equal_shares(table):
    assert table.columns.tolist() == ["path", "label", "split", "group"]
    assert len(demo.CLASSES) == 8
    for split, recordings in demo.RECORDINGS.items():
        assert Counter(table.loc[table["split"] == split, "label"]) == dict.fromkeys(demo.CLASSES, recordings)


def test_no_group_straddles_splits(table):
    assert (table.groupby("group")["split"].nunique() == 1).all()
    assert table["group"].nunique() == sum(demo.RECORDINGS.values())


def test_no_clip_is_silent_clipped_or_repeated(waveforms):
    peaks = np.abs(waveforms).max(1)
    assert peaks.min() > 0.04
    assert peaks.max() < 0.55
    assert len(np.unique(waveforms, axis=0)) == len(waveforms)


def test_the_oracle_hears_the_classes(table, waveforms):
    right = [demo.oracle(waveform) == label for waveform, label in zip(waveforms, table["label"], strict=True)]
    assert np.mean(right) > 0.95


def test_log_mel_statistics_hear_a_part(table, waveforms):
    log_mel = LogMel(demo.RATE)(torch.from_numpy(waveforms).float()).numpy()
    features = np.concatenate([log_mel.mean(2), log_mel.std(2)], axis=1)
    train, valid, test = (table["split"] == split for split in demo.RECORDINGS)

    def probe(strength):
        return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000)).fit(
            features[train], table["label"][train]
        )

    best = max(
        (probe(strength) for strength in (1e-3, 1e-2, 1e-1, 1)),
        key=lambda fit: fit.score(features[valid], table["label"][valid]),
    )
    assert 0.25 < best.score(features[test], table["label"][test]) < 0.75


@pytest.fixture
def few(monkeypatch):
    """A demo dataset of one recording a split."""
    monkeypatch.setattr(demo, "RECORDINGS", dict.fromkeys(demo.RECORDINGS, 1))


def test_the_seed_alone_decides_the_bytes(few, tmp_path):
    folder, again = (demo.write_demo(tmp_path / name, seed=0).parent for name in ("one", "again"))
    other = demo.write_demo(tmp_path / "other", seed=1).parent
    one = "audio/train-00-up-slow-odd.wav"
    assert (again / one).read_bytes() == (folder / one).read_bytes()
    assert (other / one).read_bytes() != (folder / one).read_bytes()
    assert (again / "clips.csv").read_bytes() == (folder / "clips.csv").read_bytes()


def test_a_complete_set_is_left_and_a_damaged_one_mended(few, tmp_path, monkeypatch):
    table = demo.write_demo(tmp_path / "a", seed=0)
    clip = table.parent / "audio" / "test-00-up-slow-odd.wav"
    content = clip.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(demo, "recording", None)
        assert demo.write_demo(tmp_path / "a", seed=0) == table
    clip.unlink()
    demo.write_demo(tmp_path / "a", seed=0)
    assert clip.read_bytes() == content
    demo.write_demo(tmp_path / "a", seed=1)
    assert clip.read_bytes() != content


def test_a_folder_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write"):
        demo.write_demo(tmp_path / "file" / "demo", seed=0)
