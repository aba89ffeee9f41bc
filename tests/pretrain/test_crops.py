"""What an epoch reads: drawn from seed, epoch and sample alone; and the statistics of its log-mel."""

import numpy as np
import pytest
import soundfile
import torch

from evar.base.errors import DataError, UsageError
from evar.data.store import prepare
from evar.nn.frontend import LogMel
from evar.pretrain.crops import Epochs, measure_norm_stats
from tests.pretrain import runs


@pytest.fixture(scope="module")
def epochs(store):
    return Epochs(store, runs.recipe())


def test_a_clip_gives_as_many_samples_as_whole_inputs_fit_into_it(store, epochs):
    lengths = store.index["length"].to_numpy()
    counts = np.bincount(epochs.rows, minlength=len(lengths))
    assert counts.tolist() == [max(1, length // 10240) for length in lengths]


def test_order_is_a_new_permutation_every_epoch(epochs):
    first, second = epochs.order(0).ravel(), epochs.order(1).ravel()
    assert len(set(first.tolist())) == len(first) == epochs.steps * 4
    assert first.tolist() != second.tolist()
    assert first.tolist() == epochs.order(0).ravel().tolist()


def test_crop_is_a_piece_of_its_clip_and_padded_with_silence_at_the_end(store, epochs):
    crops = epochs.crops(3, np.arange(len(epochs.rows)))
    for waveform, length, row in zip(crops.clips, crops.lengths.tolist(), epochs.rows, strict=True):
        clip = store.samples(int(row))
        assert length == min(len(clip), 10240)
        pieces = np.lib.stride_tricks.sliding_window_view(clip, length)
        assert (pieces == waveform[:length].numpy()).all(axis=1).any()
        assert not waveform[length:].any()


def test_short_clip_is_filled_up_with_itself_where_asked(store):
    crops = Epochs(store, runs.recipe(short_clips="repeat")).crops(0, np.array([0]))
    clip = store.samples(0)
    assert crops.lengths.tolist() == [10240]
    assert (crops.clips[0, : len(clip)].numpy() == clip).all()
    assert (crops.clips[0, len(clip) : 2 * len(clip)].numpy() == clip).all()


def test_crop_depends_on_its_sample_and_epoch_and_not_on_its_batch(epochs):
    longest = len(epochs.rows) - 1
    alone = epochs.crops(3, np.array([longest]))
    among = epochs.crops(3, np.array([0, longest, 5]))
    assert torch.equal(alone.clips[0], among.clips[1])
    assert torch.equal(alone.noise[0], among.noise[1])
    later = epochs.crops(4, np.array([longest]))
    assert not torch.equal(alone.clips, later.clips)
    assert not torch.equal(alone.noise, later.noise)


def test_processes_read_the_parts_of_one_batch(epochs):
    whole = list(epochs.batches(1, 4, 0, 1, pinned=False))
    parts = [list(epochs.batches(1, 4, rank, 2, pinned=False)) for rank in (0, 1)]
    assert len(whole) == 3
    for step, batch in enumerate(whole):
        joined = torch.cat([parts[0][step].clips, parts[1][step].clips])
        assert torch.equal(batch.clips, joined)


def test_reading_may_begin_at_any_step(epochs):
    all_steps = list(epochs.batches(0, 2 * epochs.steps, 0, 1, pinned=False))
    later = list(epochs.batches(epochs.steps + 1, 2 * epochs.steps, 0, 1, pinned=False))
    for batch, again in zip(all_steps[epochs.steps + 1 :], later, strict=True):
        assert torch.equal(batch.clips, again.clips)
        assert torch.equal(batch.noise, again.noise)


def test_parts_of_a_batch_are_equal_and_in_order(epochs):
    batch = epochs.crops(0, np.arange(8))
    parts = list(batch.parts(4))
    assert [len(part.clips) for part in parts] == [2, 2, 2, 2]
    assert torch.equal(torch.cat([part.noise for part in parts]), batch.noise)


def test_too_little_audio_for_a_step_is_said(store):
    with pytest.raises(UsageError, match=r"fewer than the 2,048 of a step: add audio, or give a smaller --batch-size"):
        Epochs(store, runs.recipe(batch_size=2048))


def measured(folder, clips):
    """(store, mean, deviation) of these clips at 16 kHz."""
    for number, clip in enumerate(clips):
        soundfile.write(folder / f"{number}.wav", clip, 16_000)
    store = prepare(folder, [f"{number}.wav" for number in range(len(clips))], 16_000, folder / "cache", workers=1)
    return store, *measure_norm_stats(Epochs(store, runs.recipe()), LogMel(16_000), torch.device("cpu"))


@pytest.mark.parametrize(
    ("clips", "samples", "tolerance"),
    [(8, 3200, 0.1), (1, 16_000 * 20, 0.05)],
    ids=["clips shorter than the input, as if nothing were padded", "full crops"],
)
def test_statistics_are_those_of_the_log_mel_without_padding(tmp_path, clips, samples, tolerance):
    store, mean, deviation = measured(tmp_path, 0.1 * np.random.default_rng(0).standard_normal((clips, samples)))
    waveforms = torch.from_numpy(np.stack([store.samples(row) for row in range(clips)])).float() / 2**15
    spectra = LogMel(16_000)(waveforms)[:, :, :-1]  # the last frame is half padding
    assert mean == pytest.approx(spectra.mean().item(), abs=tolerance)
    assert deviation == pytest.approx(spectra.std().item(), abs=tolerance)


def test_silence_is_refused(tmp_path):
    with pytest.raises(DataError, match="the audio is all alike"):
        measured(tmp_path, np.zeros((1, 16_000 * 8)))
