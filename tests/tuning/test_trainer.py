"""A step, its batch, its network and its losses."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from evar.base.errors import UsageError
from evar.nn.vit import Grid
from evar.training.team import Team
from evar.tuning.clips import LabelledClips, TrainingClips, class_weights
from evar.tuning.network import FineTuned, loss_of
from evar.tuning.trainer import FineTuner, clips_at_once
from tests.tuning import small

SIZE, PATCHES = (80, 26), (5, 2)
FAMILIES = {
    "m2d_vit_base-80x608p16x16": (Grid(80, 608, 16, 16), 16_000),
    "m2d_as_vit_base-80x608p16x16p32k": (Grid(80, 608, 16, 16), 32_000),
    "m2d_clap_vit_base-80x1001p16x16": (Grid(80, 1001, 16, 16), 16_000),
    "m2d_s_vit_base-80x400p80x2": (Grid(80, 400, 80, 2), 16_000),
    "m2d_vit_base-80x200p16x4": (Grid(80, 200, 16, 4), 16_000),
    "msm_mae_vit_base-80x208p16x16": (Grid(80, 208, 16, 16), 16_000),
}


def clips_of(tones, recipe):
    (parts,) = tones.clips.rounds()
    return TrainingClips(small.labelled(tones), parts.train, recipe, 43, SIZE, PATCHES)


def tuner(recipe, team=None, several=False):
    model = FineTuned(small.encoder(), 3, SIZE[1], recipe, 43)
    return FineTuner(model, recipe, lambda step: 1e-3, torch.device("cpu"), "float32", team or Team(), several=several)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("seconds", [1.0, 10.0])
@pytest.mark.parametrize("patchout", [0.5, 0.0])
def test_every_family_takes_short_and_long_clips_with_and_without_patchout(name, seconds, patchout):
    grid, rate = FAMILIES[name]
    frames = round(seconds * 100) + 1
    encoder = small.encoder(grid, rate, name)
    model = FineTuned(encoder, 7, frames, small.recipe(patchout=patchout), 0)
    waveforms = torch.zeros(2, round(seconds * rate))
    spectra = model.spectra(waveforms)
    assert spectra.shape == (2, 80, frames)
    kept = torch.tensor([[0, model.columns - 1]] * 2)
    seen = []
    model.vit.blocks[0].register_forward_pre_hook(lambda module, given: seen.append(given[0].shape[1]))
    width = 64 if patchout else 64 * grid.rows
    features = model.features(spectra) if not patchout else model.features(spectra, kept)
    assert features.shape == (2, width)
    assert model.logits(features).shape == (2, 7)
    columns = min(-(-frames // grid.patch_frames), model.grid.columns)
    assert seen == [1 + 2] if patchout else [1 + grid.rows * columns]
    assert model.features(spectra).shape == (2, width)  # what is scored sees every patch, in features of the same kind
    assert model.grid.frames == max(frames, grid.frames)


def test_encoder_sees_the_kept_patches_alone():
    model = FineTuned(small.encoder(), 3, 64, small.recipe(patchout=0.5), 0).eval()
    spectra = torch.randn(1, 80, 64, generator=torch.Generator().manual_seed(0))
    kept = torch.tensor([[0, 1, 8, 9]])  # rows 0 and 2, columns 0 and 1
    changed = spectra.clone()
    changed[:, 16:32] += 1
    changed[:, :, 32:] += 1
    assert torch.equal(model.features(spectra, kept), model.features(changed, kept))
    assert not torch.equal(model.features(spectra), model.features(changed))


def test_untuned_features_are_the_frozen_encoders_embedding():
    encoder = small.encoder()
    waveforms = torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0)) / 10
    expected = encoder.encode(waveforms[:, :9600])["last"]
    model = FineTuned(encoder, 3, 61, small.recipe(patchout=0.0), 0)
    torch.testing.assert_close(model.features(model.spectra(waveforms[:, :9600])), expected)


def test_head_is_a_normalisation_without_weights_and_a_linear_layer_of_small_ones():
    head = FineTuned(small.encoder(), 200, 64, small.recipe(), 0).head
    assert [name for name, _ in head.named_parameters()] == ["1.weight", "1.bias"]
    assert head[1].weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert (head[1].bias == 0).all()


def test_frozen_patch_embedding_and_positions_stay(tones):
    made = tuner(small.recipe(freeze_patches=True))
    before = {key: tensor.clone() for key, tensor in made.model.weights().items()}
    clips = clips_of(tones, made.recipe)
    made.step(0, clips.batch(0, 0, clips.order(0)[0], slice(None)))
    same = {key for key, tensor in made.model.weights().items() if torch.equal(tensor, before[key])}
    assert same == {"pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias", "norm_stats"}


def test_loss_of_one_label_is_the_mean_over_clips_and_classes():
    logits, numbers = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 4, 2, 2])
    ours = loss_of(logits, F.one_hot(numbers, 5).float(), None, several=False)
    torch.testing.assert_close(ours, F.cross_entropy(logits, numbers) / 5)


def test_loss_of_several_labels_is_torchs_over_what_is_known():
    logits, targets = (
        torch.randn(2, 3, generator=torch.Generator().manual_seed(0)),
        torch.tensor([[1.0, 0, 1], [0, 1, 0]]),
    )
    whole = loss_of(logits, targets, None, several=True)
    torch.testing.assert_close(whole, F.binary_cross_entropy_with_logits(logits, targets))
    known = torch.tensor([[1.0, 1, 0], [0, 1, 0]])
    partly = loss_of(logits, targets, known, several=True)
    torch.testing.assert_close(partly, F.binary_cross_entropy_with_logits(logits[known == 1], targets[known == 1]))


def gradients(made):
    return {name: tensor.grad for name, tensor in made.model.named_parameters() if tensor.grad is not None}


def test_parts_of_a_step_give_the_whole_batchs_gradients(tones):
    clips = clips_of(tones, small.recipe(mixup=0.5))
    batch = clips.batch(0, 0, clips.order(0)[0], slice(None))
    whole, parts = tuner(small.recipe(mixup=0.5)), tuner(small.recipe(mixup=0.5, at_once=3))
    losses = [made.gradients(batch).item() for made in (whole, parts)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    plain = tuner(small.recipe(mixup=0.5))
    loss = loss_of(plain.model.logits(plain._features(batch, slice(None))), batch.targets, None, several=False)
    loss.backward()
    for name, expected in gradients(plain).items():
        for made in (whole, parts):
            torch.testing.assert_close(gradients(made)[name], expected, atol=1e-7, rtol=1e-4)


def test_gradient_is_clipped_where_the_recipe_says_so_and_its_norm_is_the_one_before(tones):
    norms, changes = [], []
    for clip in (None, 1e-3):
        made = tuner(small.recipe(optimizer="sgd", momentum=0.0, clip=clip))
        clips, before = clips_of(tones, made.recipe), made.model.head[1].weight.clone()
        norms.append(made.step(0, clips.batch(0, 0, clips.order(0)[0], slice(None)))[1].item())
        changes.append((made.model.head[1].weight - before).norm().item())
    assert norms[0] == norms[1] > 1e-3
    assert changes[1] == pytest.approx(changes[0] * 1e-3 / norms[0], rel=1e-3)


def test_processes_share_a_step(tones):
    """Two of them, one after the other: each has the other's features, and their gradients add up."""
    recipe = small.recipe(mixup=0.5)
    clips, alone = clips_of(tones, recipe), tuner(recipe)
    rows = clips.order(0)[0]
    alone.gradients(clips.batch(0, 0, rows, slice(None)))
    shares = [clips.batch(0, 0, rows, share) for share in (slice(0, 4), slice(4, 8))]
    with torch.no_grad():
        features = [tuner(recipe)._features(share, slice(None)) for share in shares]

    class Half(Team):
        def gather(self, tensor):
            return torch.cat([tensor if rank == self.rank else features[rank] for rank in range(2)])

    halves = [tuner(recipe, Half(rank, 2)) for rank in range(2)]
    for made, share in zip(halves, shares, strict=True):
        made.gradients(share)
    for name, expected in gradients(alone).items():
        found = [gradients(made)[name] for made in halves]
        total = found[0] if name.startswith("head") else found[0] + found[1]
        torch.testing.assert_close(total, expected, atol=1e-7, rtol=1e-4)


def test_batch_hangs_on_seed_epoch_and_place_alone(tones):
    clips = clips_of(tones, small.recipe(mixup=0.3))
    rows = clips.order(1)[2]
    whole, part = clips.batch(1, 2, rows, slice(None)), clips.batch(1, 2, rows, slice(2, 5))
    assert torch.equal(part.waveforms, whole.waveforms[2:5])
    assert torch.equal(part.partners, whole.partners[2:5])
    assert torch.equal(part.draws.boxes, whole.draws.boxes[2:5])
    assert torch.equal(part.targets, whole.targets)
    other = clips.batch(2, 2, rows, slice(None))
    assert not torch.equal(other.draws.boxes, whole.draws.boxes)


def test_mixed_targets_are_the_mixed_clips(tones):
    """Of every clip a share of its own class and the rest of its partner's: known by the partner's samples."""
    clips = clips_of(tones, small.recipe(mixup=0.3))
    rows = clips.order(0)[0]
    batch, data = clips.batch(0, 0, rows, slice(None)), clips.clips
    whole = {heard.numpy().tobytes(): row for heard, row in zip(batch.waveforms, rows, strict=True)}
    for place, row in enumerate(rows):
        partner = whole.get(batch.partners[place].numpy().tobytes())
        assert partner is not None
        share, expected = batch.draws.shares[place].item(), np.zeros(3)
        expected[data.targets[row]] += share
        expected[data.targets[partner]] += 1 - share
        np.testing.assert_allclose(batch.targets[place], expected, atol=1e-6)


def test_unknown_labels_stay_unknown_in_a_mixture(tones):
    data = small.labelled(tones)
    targets = np.ones((len(data.targets), 3), dtype=np.int8)
    targets[::4, 0] = -1
    partly = dataclasses.replace(data, targets=targets)
    (parts,) = tones.clips.rounds()
    clips = TrainingClips(partly, parts.train, small.recipe(mixup=0.3), 43, SIZE, PATCHES)
    rows = clips.order(0)[0]
    known = clips.batch(0, 0, rows, slice(None)).known
    assert (known[:, 1:] == 1).all()
    assert (known[targets[rows, 0] == -1, 0] == 0).all()
    assert 0 < known[:, 0].sum() < (targets[rows, 0] == 1).sum()  # a partner's label may be unknown too


def test_epoch_has_each_clip_once_or_is_drawn_by_class(tones):
    (parts,) = tones.clips.rounds()
    clips = clips_of(tones, small.recipe())
    assert sorted(clips.order(0).ravel()) == parts.train.tolist()
    assert clips.order(0).tolist() != clips.order(1).tolist()
    drawn = clips_of(tones, small.recipe(sampling="by_class", epoch_clips=4000))
    rare = np.isin(drawn.rows, drawn.rows[:1])
    drawn.weights = np.where(rare, 0.5, 0.5 / (~rare).sum())
    assert (drawn.order(0) == drawn.rows[0]).mean() == pytest.approx(0.5, abs=0.03)


def test_classes_are_drawn_as_often_whatever_their_size():
    shares = np.array([[1, 0, 0]] * 6 + [[0, 1, 0]] * 2 + [[1, 1, 0]], dtype=np.float32)
    weights = class_weights(shares)
    by_hand = np.array([1 / 7] * 6 + [1 / 3] * 2 + [1 / 7 + 1 / 3])
    np.testing.assert_allclose(weights, by_hand / by_hand.sum())
    single = class_weights(np.eye(2, dtype=np.float32)[[0, 0, 0, 1]])
    np.testing.assert_allclose([single[:3].sum(), single[3]], 0.5)


def test_two_clips_a_step_are_the_least(tones):
    (parts,) = tones.clips.rounds()
    with pytest.raises(UsageError, match="needs at least two a step"):
        TrainingClips(small.labelled(tones), parts.train[:1], small.recipe(), 43, SIZE, PATCHES)


def test_a_cpu_takes_as_many_clips_at_once_as_fit_into_its_share():
    base = FineTuned(small.encoder(*FAMILIES["m2d_vit_base-80x608p16x16"], width=768), 3, 1001, small.recipe(), 0)
    assert clips_at_once(base, 0.5, torch.device("cpu")) == (4 << 30) // (157 * 768 * 2 * 128)
    assert clips_at_once(base, 0.0, torch.device("cpu")) < clips_at_once(base, 0.5, torch.device("cpu"))


def test_longer_clips_are_cropped_anywhere_anew_each_epoch_where_the_protocol_crops(tones):
    data = small.labelled(tones)
    row = int(np.argmax(data.store.index["length"].to_numpy()[data.store_rows] * data.crops))
    clips = clips_of(tones, small.recipe())
    found = {
        clips.batch(epoch, 0, np.array([row, row]), slice(None)).waveforms[0].numpy().tobytes() for epoch in range(5)
    }
    assert len(found) > 1
    fixed = LabelledClips(data.store, data.store_rows, np.zeros_like(data.crops), data.targets, 3, data.samples)
    still = TrainingClips(fixed, clips.rows, small.recipe(), 43, SIZE, PATCHES)
    assert (
        len({still.batch(e, 0, np.array([row, row]), slice(None)).waveforms[0].numpy().tobytes() for e in range(5)})
        == 1
    )
