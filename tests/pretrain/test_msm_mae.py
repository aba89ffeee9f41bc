"""MSM-MAE: the masked patches of the spectrogram are reconstructed, and nothing else."""

import torch

from evar.nn.vit import Grid
from evar.pretrain.masked_model import PredictorShape
from evar.pretrain.masking import split_patches
from evar.pretrain.msm_mae import MsmMae
from tests.pretrain import step

GRID = Grid(80, 208, 16, 16)


def made():
    model = MsmMae(GRID, 64, 2, PredictorShape(32, 1, 2))
    model.draw_weights(seed=0)
    return model


def test_loss_is_the_mean_squared_error_of_the_masked_patches():
    model = made()
    log_mel, noise = step.seeded_inputs()
    visible, masked = split_patches(noise, 0.75)
    predicted = model.predict(model.patches(log_mel), visible, masked)
    errors = [
        (predicted[clip, place] - log_mel[clip, 16 * (number // 13) :, 16 * (number % 13) :][:16, :16].flatten()) ** 2
        for clip in range(4)
        for place, number in enumerate(masked[clip].tolist())
    ]
    assert torch.isclose(model.loss(log_mel, visible, masked), torch.stack(errors).mean(), rtol=1e-6)


def test_there_is_no_target_network():
    model = made()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    model.after_step(0.5)
    assert not [key for key in before if key.startswith("target_")]
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
