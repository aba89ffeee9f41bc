"""Fine-tuning on images, and MAE's linear probe: a frozen encoder whose clips are drawn anew each epoch."""

import copy

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import nn
from torch.nn import functional as F

import evar
from evar.base.errors import UsageError
from evar.encoders.m2d import open_random
from evar.nn import images
from evar.nn.configuration import SIZES
from evar.training.team import Team
from evar.tuning.augment import Draws, draw
from evar.tuning.clips import TrainingBatch
from evar.tuning.network import FineTuned
from evar.tuning.recipe import make_recipe
from evar.tuning.trainer import FineTuner
from tests.tuning import small

SIZE = 32
ENCODER = "vit_tiny-32x32p8"
COLOURS = {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200)}


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """A ViT-Tiny is one of two narrow blocks."""
    monkeypatch.setitem(SIZES, "tiny", (64, 2))


def write_pictures(root):
    """Write root/pictures.yaml and noisy pictures of three colours; gives the task's path."""
    draws, lines = np.random.default_rng(3), ["path,label,split"]
    (root / "data" / "pictures").mkdir(parents=True)
    for part in ("train", "valid", "test"):
        for label, colour in COLOURS.items():
            for number in range(6):
                noise = draws.normal(colour, 60, (40, 40, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(noise).save(root / "data" / "pictures" / f"{part}-{label}-{number}.png")
                lines.append(f"{part}-{label}-{number}.png,{label},{part}")
    (root / "data" / "pictures" / "clips.csv").write_text("\n".join(lines) + "\n")
    task = {"title": "Pictures", "kind": "single-label", "modality": "image", "reader": "table", "folder": "pictures",
            "splits": ["train", "valid", "test"], "metric": "accuracy", "source": "made", "licence": "MIT"}  # fmt: skip
    (root / "pictures.yaml").write_text(yaml.safe_dump(task))
    return root / "pictures.yaml"


def batch_of(recipe, clips):
    """A step's clips, three classes in turn."""
    draws = np.random.default_rng(1)
    stored = torch.from_numpy(draws.integers(0, 256, (clips, SIZE * SIZE * 3), dtype=np.uint8)).view(torch.int16)
    drawn = Draws.of([draw(np.random.default_rng(n), recipe, (SIZE, SIZE), (4, 4)) for n in range(clips)])
    return TrainingBatch(stored, None, drawn, torch.eye(3)[torch.arange(clips) % 3], None)


def test_a_step_of_the_linear_probe_is_the_published_one_and_leaves_the_encoder_alone():
    """BatchNorm1d without an affine map and a linear layer on CLS, cross entropy, LARS on the weight alone."""
    recipe = make_recipe("pictures", "mae_linprobe", {"at_once": 2})
    encoder = open_random(ENCODER, 0)
    before = copy.deepcopy(encoder.vit.state_dict())
    model = FineTuned(encoder, 3, 0, recipe, 43)
    head = nn.Sequential(nn.BatchNorm1d(64, affine=False, eps=1e-6), nn.Linear(64, 3))
    head.load_state_dict(model.head.state_dict())
    assert head[1].weight.std().item() == pytest.approx(0.01, rel=0.2)
    batch = batch_of(recipe, 6)
    tuner = FineTuner(model, recipe, lambda step: 6.4, torch.device("cpu"), "float32", Team(), several=False)
    loss = tuner.step(0, batch)[0]
    seen = images.resized(
        images.pixels(batch.waveforms, SIZE), batch.draws.boxes, edges="border", flips=batch.draws.flips
    )
    features = encoder.vit(images.normalised(seen, encoder.norm_stats))[0][:, 0]
    expected = F.cross_entropy(head(features), torch.arange(6) % 3)
    expected.backward()
    weight, bias = head[1].weight, head[1].bias
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-5, atol=0)
    rate = 6.4 * 0.001 * weight.norm() / weight.grad.norm()
    torch.testing.assert_close(model.head[1].weight, weight - rate * weight.grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(model.head[1].bias, bias - 6.4 * bias.grad, rtol=1e-4, atol=1e-6)
    assert not [key for key, tensor in model.vit.state_dict().items() if not torch.equal(tensor, before[key])]
    boxes = batch.draws.boxes
    assert len({tuple(box) for box in boxes.tolist()}) == 6
    assert 0 < batch.draws.flips.sum() < 6


def test_images_are_fine_tuned_and_probed_from_a_task_to_a_row(tmp_path):
    task, quick = write_pictures(tmp_path), {"epochs": 4, "batch_size": 6, "seeds": 1}
    how = {"data": tmp_path / "data", "cache": tmp_path / "cache", "device": "cpu", "precision": "float32"}
    encoder = f"random(model={ENCODER!r})"
    (probed,) = evar.finetune(
        task,
        encoder,
        recipe="mae_linprobe",
        options={**quick, "epochs": 12, "optimizer": "sgd", "lr": 0.5},
        out=tmp_path / "probe",
        **how,
    )
    assert (probed.output, probed.score) == ("cls", 1.0)
    assert probed.ranked, probed.why_unranked
    (tuned,) = evar.finetune(
        task, encoder, options={**quick, "lr": 1e-3, "patchout": 0.5, "time_mask": 8}, out=tmp_path / "tune", **how
    )
    assert (tuned.output, tuned.score) == ("mean", 1.0)
    assert tuned.ranked, tuned.why_unranked
    (file,) = (tmp_path / "tune").rglob("*.safetensors")
    (frozen,) = evar.evaluate(task, "m2d(layers=1)", weights=file, probe="centroid", **how)[:1]
    assert frozen.output == "layer01-cls"


@pytest.mark.parametrize(
    ("encoder", "options", "complaint"),
    [
        (ENCODER, {"crop": True}, "--crop is for audio, and the encoder is of images: leave it out"),
        (
            "vit_tiny-80x64p16x16",
            {"flip": True, "features": "cls"},
            "--flip, --features are for images, .*: leave them out, or take a --recipe without them",
        ),
        ("vit_tiny-80x64p16x16", {"flip": True}, "--flip is for images, and the encoder is of audio: leave it out"),
        (ENCODER, {"freeze": True, "patchout": 0.5}, "patchout saves gradients of the encoder"),
        (ENCODER, {"features": "clss"}, "--features: must be 'mean' or 'cls', not 'clss'"),
    ],
)
def test_settings_of_the_other_modality_are_refused(tmp_path, encoder, options, complaint):
    task = write_pictures(tmp_path) if encoder == ENCODER else small.write_tones(tmp_path)
    with pytest.raises(UsageError, match=complaint):
        evar.finetune(task, f"random(model={encoder!r})", options=options, data=tmp_path / "data", device="cpu")
