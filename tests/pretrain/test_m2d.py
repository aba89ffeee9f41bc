"""The method: golden numbers, and what must hold of masks, targets and gradients."""

import numpy as np
import torch

from evar.pretrain.m2d import distance, standardised
from evar.pretrain.masking import select, split_patches
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


def targets_with(changed):
    """Targets of the seeded step, after the log-mel of the `changed` patches was made another."""
    made = step.model()
    log_mel, noise = step.seeded_inputs()
    visible, masked = split_patches(noise, 0.7)
    patches = made.patches(log_mel).detach()
    numbers = {"visible": visible, "masked": masked}[changed]
    other = patches.scatter_add(1, numbers[:, :, None].expand(-1, -1, 192), torch.ones(4, numbers.shape[1], 192))
    return made.targets(patches, masked), made.targets(other, masked)


def test_target_network_sees_no_visible_patch():
    before, after = targets_with("visible")
    assert torch.equal(before, after)


def test_target_network_sees_masked_patches():
    before, after = targets_with("masked")
    assert not torch.allclose(before, after)


def test_encoder_sees_no_masked_patch():
    made = step.model()
    log_mel, noise = step.seeded_inputs()
    visible, masked = split_patches(noise, 0.7)
    patches = made.patches(log_mel)
    other = patches.scatter_add(1, masked[:, :, None].expand(-1, -1, 192), torch.ones(4, masked.shape[1], 192))
    assert torch.equal(made.predict(patches, visible, masked), made.predict(other, visible, masked))


def test_no_gradient_reaches_the_target_network():
    made = step.model()
    log_mel, noise = step.seeded_inputs()
    made.loss(log_mel, *split_patches(noise, 0.7)).backward()
    with_gradient = {key for key, tensor in made.named_parameters() if tensor.grad is not None}
    assert not {key for key in with_gradient if key.startswith(("target_", "pos_embed", "decoder_pos_embed"))}
    assert {"cls_token", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "mask_token"} <= with_gradient


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


def test_average_is_its_closed_form():
    """With an encoder that stands still: target_n = encoder + decay^n (target_0 - encoder)."""
    made, decay, steps = step.model(), 0.9, 7
    online, first = made.blocks[1].mlp.fc1.weight.detach(), made.target_blocks[1].mlp.fc1.weight.clone()
    for _ in range(steps):
        made.after_step(decay)
    closed = online + decay**steps * (first - online)
    assert torch.allclose(made.target_blocks[1].mlp.fc1.weight, closed, atol=1e-7)


def test_average_leaves_the_encoder_alone():
    made = step.model()
    before = {key: tensor.clone() for key, tensor in made.state_dict().items()}
    made.after_step(0.5)
    changed = {key for key, tensor in made.state_dict().items() if not torch.equal(tensor, before[key])}
    assert changed == {key for key in before if key.startswith("target_")}


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
