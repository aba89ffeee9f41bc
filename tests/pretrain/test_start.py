"""Further pre-training: what a run takes from a checkpoint, what it makes, and plans that grow."""

import dataclasses

import pytest
import torch

from evar.base.errors import UsageError
from evar.nn.checkpoint import load_checkpoint
from evar.nn.initial import sincos_positions
from evar.nn.releases import bundled_checkpoint
from evar.pretrain.journal import journal_in
from evar.pretrain.recipe import make_recipe
from evar.pretrain.start import load_start
from evar.training import checkpoint
from tests.pretrain import runs
from tests.pretrain.test_loop import stop_after

NAME = "m2d_vit_tiny-80x64p16x16"


@pytest.fixture(scope="module")
def whole(store, tmp_path_factory):
    """A finished run."""
    return runs.go(store, runs.run(tmp_path_factory.mktemp("first")))


def filled(path, **given):
    """(what is started from, the model of its recipe with its weights)."""
    start = load_start(path)
    model = make_recipe("tiny", start.settings({"batch_size": 4, **given})).model()
    start.fill(model)
    return start, model.state_dict()


def test_public_checkpoint_gives_encoder_and_target_and_the_predictor_is_new(notes):
    """As public ones are: an encoder alone, here the bundled one; other crops, another ratio."""
    _, held = filled(bundled_checkpoint(), frames=304, mask_ratio=0.8)
    encoder = load_checkpoint(bundled_checkpoint())
    for key, tensor in encoder.tensors.items():
        if key != "pos_embed":
            assert torch.equal(held[key], tensor)
        if key.startswith(("blocks", "norm")):
            assert torch.equal(held[f"target_{key}"], tensor)
    assert torch.equal(held["pos_embed"][0], torch.from_numpy(sincos_positions(192, 5, 19)))
    assert held["norm_stats"].tolist() == pytest.approx(encoder.norm_stats)
    new = make_recipe("tiny", {"frames": 304}).model().state_dict()
    assert torch.equal(held["decoder_embed.weight"], new["decoder_embed.weight"])
    assert any("no predictor of this shape, a new one" in note for note in notes)


def test_own_checkpoint_gives_predictor_and_target_too(whole, notes):
    start, held = filled(whole)
    before = torch.load(whole, weights_only=True)["model"]
    assert not [key for key, tensor in before.items() if not torch.equal(held[key], tensor)]
    assert any("target network taken on" in note for note in notes)
    shape = start.settings({})
    assert (shape["predictor_width"], shape["predictor_depth"], shape["predictor_heads"]) == (32, 1, 1)
    other = filled(whole, predictor_width=64)[1]
    assert other["decoder_embed.weight"].shape[0] == 64


def test_other_objective_starts_from_the_same_encoder(whole):
    held = filled(whole, objective="msm_mae", predictor_width=32, predictor_depth=1, predictor_heads=1)[1]
    before = torch.load(whole, weights_only=True)["model"]
    assert torch.equal(held["blocks.3.attn.qkv.weight"], before["blocks.3.attn.qkv.weight"])
    assert held["decoder_pred.weight"].shape == (256, 32)


def test_resampled_positions_are_cut_or_resampled(whole):
    start = load_start(whole)
    tensors = {**start.checkpoint.tensors, "pos_embed": start.checkpoint.tensors["pos_embed"] + 1}
    moved = dataclasses.replace(start, checkpoint=dataclasses.replace(start.checkpoint, tensors=tensors))
    for frames, columns in ((32, 2), (128, 8)):
        model = make_recipe("tiny", moved.settings({"frames": frames})).model()
        moved.fill(model)
        table = model.pos_embed[:, 1:].view(5, columns, 192)
        if frames == 32:
            assert torch.equal(table, tensors["pos_embed"][:, 1:].view(5, 4, 192)[:, :2])
        assert table.mean() == pytest.approx(tensors["pos_embed"][:, 1:].mean().item(), abs=0.3)


def test_encoders_shape_cannot_be_another(whole):
    with pytest.raises(UsageError, match="--size is tiny by --from m2d_vit_tiny-80x64p16x16: leave it out"):
        load_start(whole).settings({"size": "base"})
    with pytest.raises(UsageError, match="--sample-rate is 16000 by --from"):
        load_start(whole).settings({"sample_rate": "32000"})
    with pytest.raises(UsageError, match="--from m2d_vit_tiny-80x64p16x16 is an encoder of audio: leave --image-size"):
        load_start(whole).settings({"image_size": "64"})


def test_run_from_a_checkpoint_trains_on_and_resumes_as_itself_alone(store, whole, tmp_path):
    start = load_start(whole)
    runs.go(store, runs.run(tmp_path, start=start, epochs=1))
    first = journal_in(tmp_path).read()[0].loss
    assert first < 0.9 * journal_in(whole.parent).read()[0].loss
    with pytest.raises(UsageError, match=f"--from {NAME}#[0-9a-f]+, not nothing"):
        runs.go(store, runs.run(tmp_path, resume=True, epochs=1))


def test_more_epochs_are_a_plan_of_their_own_that_is_taken_up_to_the_bit(store, whole, tmp_path):
    """Rate and decay begin anew where the first plan ended; a stop in the second changes nothing."""
    one, parts = tmp_path / "one", tmp_path / "parts"
    for folder in (one, parts):
        runs.go(store, runs.run(folder))
    runs.go(store, runs.run(one, resume=True, epochs=4, warmup_epochs=1))
    with pytest.raises(KeyboardInterrupt):
        runs.go(store, runs.run(parts, resume=True, epochs=4, warmup_epochs=1), bar=stop_after(13))
    assert checkpoint.load(parts / f"{NAME}.pth")[1].plan_start == 10
    runs.go(store, runs.run(parts, resume=True, epochs=4, warmup_epochs=1))
    runs.assert_equal(one / f"{NAME}.pth", parts / f"{NAME}.pth")
    rates = [row.learning_rate for row in journal_in(one).read()]
    decays = [row.ema_decay for row in journal_in(one).read()]
    assert len(rates) == 20
    assert rates[10:] == pytest.approx(rates[:10])
    assert decays[10:] == pytest.approx(decays[:10])
    with pytest.raises(UsageError, match="--epochs 4, not 3"):
        runs.go(store, runs.run(one, resume=True, epochs=3))
