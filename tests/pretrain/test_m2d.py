"""The method: golden numbers, and what must hold of masks, targets and gradients."""

import numpy as np
import torch

from evar.nn.vit import select
from evar.pretrain.m2d import distance, standardised
from evar.pretrain.masking import split_patches
from tests.pretrain import step


def test_seeded_golden_numbers_are_reproduced(device):
    with np.load(step.GOLDEN) as golden:
        step.check(step.numbers(*step.seeded_inputs(), device), {key: golden[key] for key in golden.files})


def test_reference_step_is_reproduced(shared):
    step.check(*step.reference(shared))


def test_keys_are_those_of_the_public_training_checkpoints(shared):
    with np.load(shared / step.REFERENCE) as file:
        expected = dict(zip(file["state_names"].tolist(), file["state_shapes"].tolist(), strict=True))
    assert {key: str(tuple(tensor.shape)) for key, tensor in step.model().state_dict().items()} == expected


def changed(patches, numbers):
    """The patches (clip, patch, width), those of these numbers moved."""
    moves = torch.ones(*numbers.shape, patches.shape[2])
    return patches.scatter_add(1, numbers[:, :, None].expand_as(moves), moves)


def test_target_network_sees_no_visible_patch():
    made = step.model()
    log_mel, noise = step.seeded_inputs()
    visible, masked = split_patches(noise, 0.7)
    patches = made.patches(log_mel).detach()
    targets = made.targets(patches, masked)
    assert torch.equal(made.targets(changed(patches, visible), masked), targets)
    assert not torch.allclose(made.targets(changed(patches, masked), masked), targets)


def test_encoder_sees_no_masked_patch():
    made = step.model()
    log_mel, noise = step.seeded_inputs()
    visible, masked = split_patches(noise, 0.7)
    patches = made.patches(log_mel)
    predicted = made.predict(patches, visible, masked)
    assert torch.equal(made.predict(changed(patches, masked), visible, masked), predicted)


def test_masked_patches_send_no_gradient_through_the_target():
    """The patch embedding is shared: its gradient is that of the visible patches alone."""
    made = step.model()
    log_mel, noise = step.seeded_inputs()
    visible, masked = split_patches(noise, 0.7)
    log_mel.requires_grad_()
    made.loss(log_mel, visible, masked).backward()
    gradients = made.patch_embed.cut(log_mel.grad).flatten(1, 2)
    assert (select(gradients, masked) == 0).all()
    assert (select(gradients, visible) != 0).any(dim=2).all()


def test_average_is_its_closed_form_and_leaves_the_encoder_alone():
    """With an encoder that stands still: target_n = encoder + decay^n (target_0 - encoder)."""
    made, decay, steps = step.model(), 0.9, 7
    before = {key: tensor.clone() for key, tensor in made.state_dict().items()}
    for _ in range(steps):
        made.after_step(decay)
    for key, tensor in made.state_dict().items():
        online = before[key.removeprefix("target_")]
        closed = online + decay**steps * (before[key] - online)
        assert torch.allclose(tensor, closed, atol=1e-7) if key.startswith("target_") else torch.equal(tensor, online)


def test_target_has_an_initialisation_of_its_own():
    made = step.model()
    made.draw_weights(seed=3)
    assert not torch.allclose(made.blocks[0].attn.qkv.weight, made.target_blocks[0].attn.qkv.weight, atol=1e-3)


def test_same_seed_draws_the_same_weights():
    first, second, other = step.model(), step.model(), step.model()
    first.draw_weights(seed=3)
    second.draw_weights(seed=3)
    other.draw_weights(seed=4)
    assert all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))
    assert not torch.equal(first.mask_token, other.mask_token)


def test_standardised_targets_have_mean_0_and_unbiased_variance_1():
    vectors = 5 * torch.randn(3, 7, 64, generator=torch.Generator().manual_seed(0)) + 2
    made = standardised(vectors)
    assert torch.allclose(made.mean(dim=2), torch.zeros(3, 7), atol=1e-6)
    assert torch.allclose(made.var(dim=2), torch.ones(3, 7), atol=1e-5)


def test_distance_is_0_for_equal_directions_and_4_for_opposite_ones():
    vectors = torch.randn(2, 3, 16, generator=torch.Generator().manual_seed(0))
    assert torch.isclose(distance(vectors, 3 * vectors), torch.tensor(0.0), atol=1e-6)
    assert torch.isclose(distance(vectors, -0.1 * vectors), torch.tensor(4.0), atol=1e-6)
