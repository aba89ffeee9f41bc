"""Fitting clips to the task's length: crops, padding, blocks of one shape; and feeding them to the device."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evar.base.errors import StorageError
from evar.data import sample_file
from evar.data.store import prepare
from evar.data.store_writer import content_hash
from evar.embeddings.batches import crop_starts, make_plan, to_float
from evar.embeddings.feed import feed
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


def test_training_crop_is_inside_the_clip_and_the_same_every_time(store):
    first, again = plan_of(store, random=True), plan_of(store, random=True)
    assert first.starts.tolist() == again.starts.tolist()
    long = first.starts[2::3]
    assert len(set(long.tolist())) > 1
    assert (long <= 9600 - 4000).all()
    assert (first.starts[0::3] == 0).all()
    np.testing.assert_array_equal(first.batch(0, 3).waveforms[2], store.samples(2)[long[0] :][:4000])


@given(st.lists(st.tuples(st.binary(min_size=16, max_size=16), st.integers(1, 10**6)), min_size=1))
def test_crop_depends_on_the_content_alone_and_stays_inside(clips):
    contents, more = [content.hex() for content, _ in clips], np.array([more for _, more in clips])
    starts = crop_starts(contents, 1000 + more, 1000)
    assert ((starts >= 0) & (starts <= more)).all()
    alone = [
        crop_starts([content], np.array([1000 + room]), 1000)[0] for content, room in zip(contents, more, strict=True)
    ]
    assert starts.tolist() == alone


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
    contents = [content_hash(np.array([number], np.int16)) for number in range(500)]
    starts = crop_starts(contents, np.full(500, 2000), 1000)
    assert starts.min() < 50
    assert starts.max() > 950
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
    floats = to_float(torch.tensor([[-32768, 0, 16384]], dtype=torch.int16))
    assert floats.dtype == torch.float32
    assert floats.tolist() == [[-1.0, 0.0, 0.5]]


@pytest.mark.parametrize("readers", [0, 1, 3])
def test_feed_gives_every_batch_in_order_however_many_read(store, readers):
    plan = plan_of(store, random=True)
    blocks = [5, 0, 2, 1, 4]
    fed = [
        (batch.block, batch.rows.tolist(), batch.waveforms.clone()) for batch in feed(plan, blocks, 4, readers=readers)
    ]
    assert [block for block, _, _ in fed] == blocks
    for block, rows, waveforms in fed:
        expected = plan.batch(block, 4)
        assert rows == expected.rows.tolist()
        assert torch.equal(waveforms, expected.waveforms)


@pytest.mark.parametrize("readers", [0, 1, 3])
def test_fed_batch_stays_until_the_next_but_one_is_asked_for_and_its_memory_is_used_again(store, readers):
    plan, places, before = plan_of(store), set(), None
    for batch in feed(plan, list(range(plan.blocks(1))) * 3, 1, readers=readers):
        if before is not None:
            assert torch.equal(*before)
        before = batch.waveforms, batch.waveforms.clone()
        places.add(batch.waveforms.data_ptr())
    assert len(places) == readers + 2


def test_damaged_clip_ends_the_feed(store, tmp_path):
    shutil.copytree(store.folder, tmp_path / "copy")
    (data,) = (tmp_path / "copy").glob("samples-*.bin")
    content = bytearray(data.read_bytes())
    content[-1] ^= 1
    data.write_bytes(content)
    damaged = replace(store, _samples=sample_file.read(tmp_path / "copy", len(store.index)))
    with pytest.raises(StorageError, match="is damaged"):
        list(feed(plan_of(damaged), range(7), 4, readers=2))
