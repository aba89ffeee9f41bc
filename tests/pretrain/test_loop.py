"""The loop: bit-identical after interruptions, atomic checkpoints, a log, alarms."""

import os
import shutil
import signal

import pytest
import torch

from evar.base.errors import CheckpointError, TrainingError, UsageError
from evar.pretrain.journal import journal_in
from evar.pretrain.trainer import Trainer
from evar.training import checkpoint
from evar.training.optimizers import weight_groups
from evar.training.steps import STEPS_A_LOOK
from tests.pretrain import runs

NAME = "m2d_vit_tiny-80x64p16x16"


@pytest.fixture(scope="module")
def whole(store, tmp_path_factory):
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    runs.go(store, runs.run(folder))
    return folder


def stop_after(steps):
    """A bar that asks for a stop, as a terminal does, in the step `steps`."""

    class Bar:
        def __init__(self, stage, *, total, unit, initial):
            self.done = initial

        def __enter__(self):
            return self.advance

        def __exit__(self, *_):
            pass

        def advance(self, count, shown):
            self.done += count
            if self.done == steps:
                os.kill(os.getpid(), signal.SIGINT)

    return Bar


def losses(folder):
    return [(row.step, row.loss, row.gradient_norm) for row in journal_in(folder).read()]


def test_loss_falls(whole):
    found = [loss for _, loss, _ in losses(whole)]
    assert len(found) >= 6
    assert found[-1] < 0.9 * found[0]


def test_log_has_a_row_a_step_with_rate_decay_and_epoch(whole):
    rows = journal_in(whole).read()
    assert [row.step for row in rows] == list(range(len(rows)))
    assert (rows[0].learning_rate, rows[0].ema_decay, rows[0].epoch) == (0, 0.998, 0)
    assert max(row.epoch for row in rows) < 2
    assert all(row.clips_per_second > 0 and row.gradient_norm > 0 for row in rows)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_interrupted_run_goes_on_bit_identically(store, whole, tmp_path, device, precision, notes):
    look = STEPS_A_LOOK[device.type]  # a run stops at the look after the one that noticed the wish
    how = {"device": device, "precision": precision, "epochs": 2 if look == 1 else 6}
    if (device.type, precision) != ("cpu", "float32"):
        whole = tmp_path / "whole"
        runs.go(store, runs.run(whole, **how))
    parts = tmp_path / "parts"
    with pytest.raises(KeyboardInterrupt, match="is saved: the same command with --resume goes on"):
        runs.go(store, runs.run(parts, **how), bar=stop_after(look))
    stopped = len(losses(parts))
    assert 0 < stopped < len(losses(whole))
    runs.go(store, runs.run(parts, **how, resume=True))
    assert any(f"going on after step {stopped}" in note for note in notes)
    assert losses(parts) == losses(whole)
    runs.assert_equal(parts / f"{NAME}.pth", whole / f"{NAME}.pth")


def test_run_goes_on_from_a_checkpoint_that_lies_behind_the_log(store, whole, tmp_path):
    """As after kill -9: the log has steps that the last checkpoint has not, and a line cut off in the middle."""

    class Killed(Exception):
        pass

    def die(saved):
        if saved.steps == 3:
            raise Killed

    with pytest.raises(Killed):
        runs.go(store, runs.run(tmp_path, minutes=1e-9), on_checkpoint=die)
    log = tmp_path / "log.csv"
    log.write_text(log.read_text() + "3,0.6,0.123,0,1,1,0.9\n4,0.8,0.0")
    runs.go(store, runs.run(tmp_path, resume=True))
    assert losses(tmp_path) == losses(whole)
    runs.assert_equal(tmp_path / f"{NAME}.pth", whole / f"{NAME}.pth")


def test_accumulated_parts_give_the_whole_batchs_losses(store, whole, tmp_path):
    runs.go(store, runs.run(tmp_path, accumulate=4))
    for (_, loss, norm), (_, expected, expected_norm) in zip(losses(tmp_path), losses(whole), strict=True):
        assert loss == pytest.approx(expected, rel=1e-5)
        assert norm == pytest.approx(expected_norm, rel=1e-4)


def test_another_seed_is_another_run(store, whole, tmp_path):
    runs.go(store, runs.run(tmp_path, seed=1, epochs=1))
    assert losses(tmp_path)[0] != losses(whole)[0]


def test_run_is_never_overwritten(store, whole):
    with pytest.raises(UsageError, match="is there already: --resume goes on with it, --out names another folder"):
        runs.go(store, runs.run(whole))


def test_finished_run_goes_on_to_nothing(store, whole):
    before = runs.tensors(whole / f"{NAME}.pth")
    runs.go(store, runs.run(whole, resume=True))
    after = runs.tensors(whole / f"{NAME}.pth")
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_run_goes_on_as_itself_alone(store, whole, tmp_path):
    with pytest.raises(UsageError) as caught:
        runs.go(store, runs.run(whole, resume=True, base_lr=1e-4, precision="bfloat16"))
    assert "--base-lr 0.1, not 0.0001; --precision float32, not bfloat16" in str(caught.value)
    other = runs.make_store(tmp_path, files=12)
    with pytest.raises(UsageError, match="other audio"):
        runs.go(other, runs.run(whole, resume=True))


def test_folder_of_another_model_is_left_alone(store, whole):
    before = losses(whole)
    with pytest.raises(UsageError, match=f"holds another run, {NAME}.pth, .*: give another --out"):
        runs.go(store, runs.run(whole, resume=True, frames=96))
    assert losses(whole) == before


def test_resume_without_a_checkpoint_begins_and_says_so(store, tmp_path, notes):
    with pytest.raises(KeyboardInterrupt):
        runs.go(store, runs.run(tmp_path, resume=True), bar=stop_after(1))
    assert "no checkpoint in" in notes[0]


def test_checkpoint_of_something_else_is_refused(store, tmp_path):
    torch.save({"model": {}}, tmp_path / f"{NAME}.pth")
    with pytest.raises(CheckpointError, match="no checkpoint that a run can go on from"):
        runs.go(store, runs.run(tmp_path, resume=True))


def test_encoders_of_evaluations_are_written_and_their_use_changes_no_bit(store, whole, tmp_path):
    recorded = []

    def evaluate(saved):
        recorded.append(saved)
        torch.manual_seed(saved.steps)
        torch.randn(10) @ torch.randn(10)

    runs.go(store, runs.run(tmp_path, every_epochs=1), on_checkpoint=evaluate)
    first, last = recorded
    assert (first.epoch, last.epoch, last.steps) == (1, 2, last.total)
    assert first.encoder.name == f"{NAME}-step{first.steps:07}.safetensors"
    assert last.encoder.name == f"{NAME}.safetensors"
    runs.assert_equal(tmp_path / f"{NAME}.pth", whole / f"{NAME}.pth")


def test_numbers_that_are_lost_stop_the_run_and_leave_the_last_checkpoint(store, tmp_path, monkeypatch):
    step = Trainer.step

    def poisoned(self, number, crops, *, stop=False):
        if number == 2:
            with torch.no_grad():
                self.model.cls_token += torch.nan
        return step(self, number, crops, stop=stop)

    monkeypatch.setattr(Trainer, "step", poisoned)
    with pytest.raises(TrainingError, match=r"the loss is nan, the gradient's norm nan at step 2 \(learning rate 0.0"):
        runs.go(store, runs.run(tmp_path, minutes=1e-9))
    content, training = checkpoint.load(tmp_path / f"{NAME}.pth")
    assert training.steps == 2
    assert all(torch.isfinite(tensor).all() for tensor in content["model"].values())


def test_checkpoint_is_never_half_written(whole, tmp_path, monkeypatch):
    """A disk that fails in the middle of writing leaves the checkpoint of before, and no other file."""
    shutil.copy(whole / f"{NAME}.pth", tmp_path)
    before = (tmp_path / f"{NAME}.pth").read_bytes()

    def half(content, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", half)
    state, training = checkpoint.load(tmp_path / f"{NAME}.pth")
    with pytest.raises(Exception, match="no space left"):
        checkpoint.save(tmp_path / f"{NAME}.pth", state, training)
    assert (tmp_path / f"{NAME}.pth").read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_biases_and_norms_do_not_decay():
    model = runs.recipe().model()
    names = {id(tensor): name for name, tensor in model.named_parameters()}
    decayed, others = ([names[id(tensor)] for tensor in group["params"]] for group in weight_groups(model, 0.05))
    assert all(name.endswith("bias") or "norm" in name for name in others)
    assert not [name for name in decayed if name.endswith("bias") or "norm" in name]
    assert not [name for name in (*decayed, *others) if name.startswith("target_") or "pos_embed" in name]
    assert {"mask_token", "cls_token"} <= set(decayed)
