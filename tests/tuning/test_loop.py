"""A run: its epoch by validation, its test clips once, the same bits however often it was interrupted."""

import os
import signal

import numpy as np
import pytest
import torch

from evar.base.errors import TrainingError, UsageError
from evar.base.progress import displayed
from evar.nn.checkpoint import load_checkpoint
from evar.nn.safe_load import load_file_safely
from evar.training import checkpoint
from evar.training.journal import Journal, StepRow
from evar.tuning.clips import LabelledClips
from evar.tuning.trainer import FineTuner
from tests.pretrain.test_loop import stop_after
from tests.tuning import small


@pytest.fixture(scope="module")
def whole(tones, tmp_path_factory):
    """(folder, what came) of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, small.run(tones, folder)


def files(folder):
    """The run's checkpoint and its best epoch's file."""
    (stem,) = {file.stem for file in folder.glob("m2d*")}
    return folder / f"{stem}.pth", folder / f"{stem}.safetensors"


def losses(folder):
    return [(row.step, row.loss, row.gradient_norm) for row in Journal(folder, StepRow).read()]


def assert_same(one, other):
    for first, second in zip(files(one), files(other), strict=True):
        left, right = load_file_safely(first), load_file_safely(second)
        left, right = (each.get("model", each) for each in (left, right))
        assert left.keys() == right.keys()
        assert not [key for key in left if not torch.equal(left[key], right[key])]
    momenta = [checkpoint.load(files(folder)[0])[0]["optimizer"]["state"] for folder in (one, other)]
    for number, state in momenta[0].items():
        assert all(torch.equal(torch.as_tensor(value), torch.as_tensor(momenta[1][number][name]))
                   for name, value in state.items())  # fmt: skip
    assert losses(one) == losses(other)


def test_tones_are_learned_in_a_few_epochs(tones, tmp_path):
    how = small.recipe(epochs=15, warmup_epochs=1, lr=3e-3, mixup=0.0, crop=False, freq_mask=0, time_mask=0)
    came = small.run(tones, tmp_path, how)
    (parts,) = tones.clips.rounds()
    right = (came.logits.argmax(axis=1) == tones.clips.targets[parts.test]).mean()
    assert right > 0.6  # chance is a third
    assert losses(tmp_path)[-1][1] < 0.8 * losses(tmp_path)[0][1]


def test_epoch_with_the_best_validation_score_is_tested_and_the_latest_of_equals_taken(tones, tmp_path, monkeypatch):
    found = iter([0.3, 0.5, 0.5, 0.4])
    monkeypatch.setattr("evar.scoring.metrics.metric", lambda name: lambda logits, targets: next(found))
    came = small.run(tones, tmp_path, small.recipe(epochs=4))
    assert (came.epoch, came.curve) == (3, (0.3, 0.5, 0.5, 0.4))
    pth, best = files(tmp_path)
    last, third = load_file_safely(pth)["model"], load_file_safely(best)
    assert not torch.equal(last["head.1.weight"], third["head.1.weight"])
    assert checkpoint.load(pth)[1].steps == 12
    again = small.run(tones, tmp_path, small.recipe(epochs=4), small.place(resume=True))
    np.testing.assert_array_equal(again.logits, came.logits)


def test_test_clips_are_read_once_after_all_training(tones, tmp_path, monkeypatch):
    (parts,) = tones.clips.rounds()
    read, order = LabelledClips.read, []

    def noted(self, rows, starts, *, pinned=False):
        order.append(bool(np.isin(rows, parts.test).any()))
        return read(self, rows, starts, pinned=pinned)

    monkeypatch.setattr(LabelledClips, "read", noted)
    small.run(tones, tmp_path)
    assert order.index(True) == len(order) - order.count(True)
    assert order.count(True) == 1  # all fit into one part


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_interrupted_run_goes_on_bit_identically(tones, whole, tmp_path, device, precision, notes):
    place = {"device": device, "precision": precision}
    how, folder = small.recipe(epochs=2 if device.type == "cpu" else 8), whole[0]
    if (device.type, precision) != ("cpu", "float32"):
        folder = tmp_path / "whole"
        small.run(tones, folder, how, small.place(**place))
    parts = tmp_path / "parts"
    stop = 2 if device.type == "cpu" else 12
    with pytest.raises(KeyboardInterrupt, match="--resume goes on"), displayed(stop_after(stop)):
        small.run(tones, parts, how, small.place(**place))
    stopped = len(losses(parts))
    assert stop <= stopped < len(losses(folder))
    small.run(tones, parts, how, small.place(**place, resume=True))
    assert any(f"going on after step {stopped}" in note for note in notes)
    assert_same(parts, folder)


def test_run_killed_between_its_two_files_goes_on_to_the_same_bits(tones, whole, tmp_path, monkeypatch):
    """Killed when the best epoch's file is newer than the checkpoint, with steps in the log that are not in it."""
    save, count = checkpoint.save, iter(range(100))

    def killed(*given):
        if next(count) == 4:
            os.kill(os.getpid(), signal.SIGALRM)
        save(*given)

    class Killed(BaseException):
        pass

    def die(number, frame):
        raise Killed

    before = signal.signal(signal.SIGALRM, die)
    monkeypatch.setattr(checkpoint, "save", killed)
    try:
        with pytest.raises(Killed):
            small.run(tones, tmp_path, where=small.place(minutes=1e-9))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert checkpoint.load(files(tmp_path)[0])[1].steps == 4
    small.run(tones, tmp_path, where=small.place(resume=True))
    assert_same(tmp_path, whole[0])


def test_lost_numbers_stop_the_run_at_its_last_good_checkpoint(tones, tmp_path, monkeypatch):
    step = FineTuner.step

    def poisoned(self, number, batch, *, stop=False):
        if number == 4:
            with torch.no_grad():
                self.model.vit.cls_token += torch.nan
        return step(self, number, batch, stop=stop)

    monkeypatch.setattr(FineTuner, "step", poisoned)
    with pytest.raises(TrainingError, match=r"the loss is nan.*at step 4.*try a lower --lr.*pth is the last good"):
        small.run(tones, tmp_path, where=small.place(minutes=1e-9))
    state, training = checkpoint.load(files(tmp_path)[0])
    assert training.steps == 4
    assert all(torch.isfinite(tensor).all() for tensor in state["model"].values())


def test_run_goes_on_as_itself_alone(tones, whole):
    with pytest.raises(UsageError, match="is there already: --resume goes on with it"):
        small.run(tones, whole[0])
    where = small.place(resume=True, precision="bfloat16")
    with pytest.raises(UsageError) as caught:
        small.run(tones, whole[0], small.recipe(lr=0.1), where, what={"weights": "other"})
    assert "--lr 0.001, not 0.1; --weights none, not other; --precision float32, not bfloat16" in str(caught.value)


def test_folder_of_another_encoder_is_left_alone(tones, whole, tmp_path):
    (tmp_path / "m2d-80x608p16x16-else.pth").touch()
    with pytest.raises(UsageError, match=r"holds another run, m2d-80x608p16x16-else.pth: give another --out"):
        small.run(tones, tmp_path)


def test_result_is_a_checkpoint_of_the_encoder_with_its_head(whole):
    for file in files(whole[0]):
        loaded = load_checkpoint(file)
        assert str(loaded.configuration.grid) == "80x64p16x16"
        assert loaded.norm_stats == pytest.approx((-7.1, 4.2))
    assert load_file_safely(files(whole[0])[1])["head.1.weight"].shape == (3, 64)


def test_longer_input_is_stated_by_the_name(tmp_path):
    long = small.prepared(tmp_path, clips=2, seconds=0.9, lengths=(0.9,))
    folder = tmp_path / "run"
    small.run(long, folder, small.recipe(epochs=1, warmup_epochs=0))
    assert str(load_checkpoint(folder / "m2d-80x91p16x16-run.safetensors").configuration.grid) == "80x91p16x16"
