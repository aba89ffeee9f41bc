"""Fitting clips to the task's length: crops, padding, blocks of one shape."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evar.data.store import prepare
from evar.embeddings.batches import crop_start, make_plan, to_float
from tests.tones import write_tones


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("batches")
    write_tones(root, clips=3, lengths=(0.1, 0.25, 0.6))
    folder = root / "data" / "tones"
    return prepare(folder, sorted(f.name for f in folder.glob("*.wav")), 16000, root / "c", workers=2)


def plan_of(store, random=False, seconds=0.25):
    rows = store.usable
    return make_plan(store, rows, np.full(len(rows), random), seconds)


def test_short_clips_are_padded_with_zeros_and_long_ones_cut_from_the_start(store):
    plan = plan_of(store)
    batch = plan.batch(0, 3)
    assert batch.waveforms.shape == (3, 4000)
    assert (batch.waveforms[0, 1600:] == 0).all()
    np.testing.assert_array_equal(batch.waveforms[0, :1600], store.samples(0))
    np.testing.assert_array_equal(batch.waveforms[2], store.samples(2)[:4000])


def test_padding_counts_as_signal(store):
    assert plan_of(store).batch(0, 3).lengths.tolist() == [4000, 4000, 4000]


def test_training_crop_is_inside_the_clip_and_the_same_every_time(store):
    first, again = plan_of(store, random=True), plan_of(store, random=True)
    assert first.starts.tolist() == again.starts.tolist()
    long = first.starts[2::3]
    assert len(set(long.tolist())) > 1
    assert (long <= 9600 - 4000).all()
    assert (first.starts[0::3] == 0).all()
    np.testing.assert_array_equal(first.batch(0, 3).waveforms[2], store.samples(2)[long[0] :][:4000])


@given(st.text(), st.integers(1, 10**6), st.integers(0, 10**6))
def test_crop_start_depends_on_the_content_alone_and_stays_inside(content, samples, more):
    start = crop_start(content, samples + more, samples)
    assert 0 <= start <= more
    assert start == crop_start(content, samples + more, samples)


def test_renamed_and_moved_clip_is_cropped_at_the_same_place(store, tmp_path):
    files = sorted(store.index["path"])
    folder = tmp_path / "elsewhere"
    (folder / "deep").mkdir(parents=True)
    renamed = [f"deep/other-{number:02}.wav" for number in range(len(files))]
    for old, new in zip(files, renamed, strict=True):
        shutil.copyfile(Path(json.loads((store.folder / "key.json").read_text())["root"]) / old, folder / new)
    copy = prepare(folder, renamed, 16000, tmp_path / "c", workers=2)
    assert plan_of(copy, random=True).starts.tolist() == plan_of(store, random=True).starts.tolist()


def test_crop_starts_are_spread_over_the_clip():
    starts = [crop_start(f"{number}", 2000, 1000) for number in range(500)]
    assert min(starts) < 50
    assert max(starts) > 950
    assert 450 < np.mean(starts) < 550


@pytest.mark.parametrize("size", [1, 4, 27, 40])
def test_blocks_hold_every_clip_once_in_one_shape(store, size):
    plan = plan_of(store)
    batches = [plan.batch(block, size) for block in range(plan.blocks(size))]
    assert np.concatenate([batch.rows for batch in batches]).tolist() == list(range(len(plan)))
    assert {tuple(batch.waveforms.shape) for batch in batches} == {(size, 4000)}


def test_last_batch_is_filled_up_with_silence(store):
    plan = plan_of(store)
    batch = plan.batch(plan.blocks(20) - 1, 20)
    assert len(batch.rows) == len(plan) % 20
    assert (batch.waveforms[len(batch.rows) :] == 0).all()


def test_sixteen_bits_become_shares_of_full_scale():
    floats = to_float(torch.tensor([[-32768, 0, 16384]], dtype=torch.int16), torch.device("cpu"))
    assert floats.dtype == torch.float32
    assert floats.tolist() == [[-1.0, 0.0, 0.5]]
