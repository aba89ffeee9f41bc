"""Tasks of images through the whole house: prepared, checked, embedded, scored and shown, by an encoder of images."""

import io
import json
import logging
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
import yaml
from PIL import Image
from pyarrow import parquet as pq

import evar
from evar.base.errors import UsageError
from evar.cli import main
from evar.data.image import pixels_of
from evar.data.manifest import open_reader, read_manifest
from evar.data.readers.hub import HubReader
from evar.data.store import prepare
from evar.data.task import load_task
from evar.embeddings.batches import make_plan
from evar.embeddings.forward import embed_blocks
from evar.encoders import open_encoder
from evar.encoders.checks import CHECKS, OF_LENGTH, ContractBroken, checks_of, describes_itself, ignores_batch_mates
from evar.encoders.contract import Identity, ImageEncoder
from evar.pipeline import of_modality
from tests.data.hub_sets import tar, write

SIZE = 32
COLOURS = {"red": (180, 90, 90), "green": (90, 180, 90), "blue": (90, 90, 180)}
PARTS = {"train": 12, "val": 4, "test": 6}
TASK = {
    "modality": "image",
    "kind": "single-label",
    "reader": "table",
    "folder": "Colours",
    "options": {"files": "(?P<split>train|val|test)/(?P<label>[^/]+)/.+", "values": {"split": {"valid": "val"}}},
    "splits": ["train", "valid", "test"],
    "metric": "accuracy",
}


class Tiles(ImageEncoder):
    """The mean colours of sixteen tiles, and what it was given last."""

    image_size = SIZE
    identity = Identity("tiles", "none")
    mates = False  # whether a clip's embedding takes something of the others

    def encode(self, images):
        self.given = images
        tiles = torch.nn.functional.avg_pool2d(images, SIZE // 4).flatten(1)
        return {"last": tiles + (tiles.mean(0) if self.mates else 0)}


def picture(colour, seed, kind="PNG"):
    noisy = np.array(COLOURS[colour]) + np.random.default_rng([seed, len(colour)]).normal(0, 50, (40, 50, 3))
    file = io.BytesIO()
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(file, kind)
    return file.getvalue()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A data folder with red, green and blue images, and the task beside it."""
    files = {
        f"{part}/{colour}/{number}.png": picture(colour, 100 * len(part) + number)
        for part, count in PARTS.items()
        for colour in COLOURS
        for number in range(count)
    }
    files["test/red/copy.png"] = files["train/red/0.png"]
    files["test/red/cut.png"] = files["train/red/1.png"][:900]
    files["train/red/notes.wav"] = b"no image"
    write(tmp_path / "data" / "Colours", files)
    (tmp_path / "colours.yaml").write_text(yaml.safe_dump(TASK))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVAR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EVAR_DATA", str(tmp_path / "data"))
    return tmp_path


def test_images_are_scored_while_training_and_what_comes_of_them_is_taken_further(here):
    (here / "tasks").mkdir()
    (here / "colours.yaml").rename(here / "tasks" / "colours.yaml")
    (here / "data" / "Colours" / "test" / "red" / "cut.png").unlink()
    (result,) = evar.evaluate("colours", Tiles(), results="results", save_probe=True, device="cpu")
    assert evar.TrainingScorer("colours", 5, device="cpu")(Tiles(), 5) == {"colours": result.score}
    for format in ("embeddings", "model-card", "site"):
        assert main(["export", "--format", format, "--out", format]) == 0
    (folder,) = Path("embeddings").iterdir()
    clips, x = pd.read_csv(folder / "clips.csv"), np.load(folder / "last.npy")
    test = clips["split"] == "test"
    assert evar.load_probe(result.run).score(x[test], clips["label"][test]) == result.score
    (card,) = Path("model-card").glob("*/README.md")
    assert "type: image-classification" in card.read_text()


def test_a_task_of_images_is_scored_and_shown_as_one(here):
    (result,) = evar.evaluate("colours.yaml", Tiles(), data="data", cache="cache", results="results", min_coverage=0.9)
    assert (result.modality, result.n, result.score, result.leaks["duplicates"]) == ("image", 19, 1.0, 1)
    assert main(["leaderboard", "--format", "html"]) == 0
    page = (here / "results" / "leaderboard.html").read_text()
    assert "19 test images, " in page
    assert "Hardest images" in page


def test_an_encoder_gets_the_pixels_of_the_store_on_any_device(here, device):
    names = [f"train/green/{number}.png" for number in range(5)]
    store = prepare(here / "data" / "Colours", names, SIZE, here / "cache", "image", workers=1)
    encoder = Tiles()
    plan = make_plan(store, store.usable, np.ones(5, bool), 0.0)
    (_, values), (_, last) = embed_blocks(encoder, plan, [0, 1], 3, device)
    pixels = torch.tensor(np.stack([pixels_of(store.samples(row), SIZE) for row in range(5)])).permute(0, 3, 1, 2)
    assert torch.equal(encoder.given[:2].cpu(), pixels[3:].float() / 255)  # the third fills the batch up
    expected = encoder.embed(pixels)["last"].numpy()
    np.testing.assert_allclose(np.concatenate([values["last"], last["last"]]), expected, rtol=1e-6)


def test_check_speaks_of_images(here, capsys):
    assert main(["check", "--task", "colours.yaml", "--rate", str(SIZE), "--min-coverage", "0.9"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for said in (
        "train/valid/test, images, in ",
        "67 of 68 images (98.5%) in 3 classes",
        "1: cannot be decoded: image file is truncated: test/red/cut.png",
        "2 images in 1 sets of equal pixels, 0 of contradicting labels; 1 test images equal an image on the other side",
        "blank none",
        "shorter sides of 40 pixels (smallest), 40 (median), 40 (largest); 0 images are enlarged",
        "67 of 3 channels",
        "at 32 x 32 pixels",
        "every image is its own",
    ):
        assert said in out
    assert "Hz" not in out
    assert "clip" not in out
    assert main(["check", "--task", "colours.yaml", "--min-coverage", "0.9", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["modality"], report["store_rate"], report["rates"]) == ("image", 224, {"40": 67})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--task", "colours.yaml", "--encoder", "logmel"],
            "task colours is of images, and logmel an encoder of audio",
        ),
        (["check", "--task", "colours.yaml", "--near-duplicates"], "near-duplicates are looked for in audio alone"),
        (["check", "--task", "colours.yaml", "--rate", "16000"], "must be from 16 to 2048 pixels, not 16000"),
        (["prepare", "--task", "colours.yaml", "--rate", "33"], "an even number of pixels, not 33"),
        (["prepare", "--task", "demo", "--rate", "224"], "must be from 1000 to 192000 Hz, not 224"),
    ],
)
def test_what_is_of_the_other_modality_is_one_line_before_anything_is_prepared(here, capsys, arguments, said):
    assert main(arguments) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (here / "cache" / "stores").exists()


def test_a_dry_run_does_not_estimate_what_is_of_the_other_modality(here, capsys):
    sweep = ["sweep", "--encoder", "logmel, colour_histogram(image_size=32)", "--task", "colours.yaml", "--dry-run"]
    assert main([*sweep, "--json"]) == 0
    said = capsys.readouterr()
    (estimate,) = map(json.loads, said.out.splitlines())
    assert (estimate["encoder"], estimate["decoded"]) == ("colour_histogram(image_size=32)", "208.9 kB")
    assert "logmel is of modality audio, and task colours of image: it cannot be scored" in said.err
    assert main([*sweep[:2], "logmel", *sweep[3:]]) == 0


def test_all_leaves_out_what_the_encoder_cannot_score(here, notes):
    audio, images = load_task("demo"), load_task("colours.yaml")
    logging.getLogger("evar").setLevel(logging.INFO)
    assert of_modality([audio, images], Tiles(), "all") == [images]
    assert notes == ["left out, they are of audio, and tiles an encoder of images: demo"]
    with pytest.raises(UsageError, match="task demo is of audio, and tiles an encoder of images"):
        of_modality([audio, images], Tiles(), "demo, colours.yaml")
    with pytest.raises(UsageError, match="task colours is of images, and logmel an encoder of audio"):
        of_modality([images], open_encoder("logmel"), "all")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seconds": 1.0}, "seconds: an image has none; remove this key"),
        ({"modality": "audio"}, "seconds: missing"),
        ({"modality": "images"}, r"modality: must be 'audio' or 'image', not 'images'\Z"),
    ],
)
def test_a_task_of_images_has_no_seconds(here, changes, said):
    (here / "other.yaml").write_text(yaml.safe_dump(TASK | changes))
    with pytest.raises(UsageError, match=said):
        load_task("other.yaml")


def of_parquet():
    rows = [(colour, part) for part in ("train", "test") for colour in COLOURS for _ in range(2)]
    for part in ("train", "test"):
        own = [colour for colour, each in rows if each == part]
        images = [{"bytes": picture(colour, n), "path": None} for n, colour in enumerate(own)]
        thumbs = [b"\0"] * len(own)
        table = pa.table({"img": images, "thumb": thumbs, "label": own})
        features = {"info": {"features": {"img": {"_type": "Image"}}}}
        file = io.BytesIO()
        pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(features)}), file)
        yield f"data/{part}-00000-of-00001.parquet", file.getvalue()


def of_tars():
    for part in ("train", "test"):
        members = {}
        for n, colour in enumerate([*COLOURS, *COLOURS]):
            members |= {f"{part}{n}.jpg": picture(colour, n, "JPEG"), f"{part}{n}.cls": colour.encode()}
        yield f"{part}-000000.tar", tar(members)


def of_folders():
    for part in ("train", "test"):
        for n, colour in enumerate([*COLOURS, *COLOURS]):
            yield f"{part}/{colour}/{n}.webp", picture(colour, n, "WEBP")


@pytest.mark.parametrize("made", [of_parquet, of_tars, of_folders])
def test_images_of_the_hub_lie_in_parquet_files_tars_and_folders(here, made):
    write(here / "data" / "set", dict(made()))
    hub = {"reader": "hub", "folder": "set", "splits": ["train", "test"], "options": {}}
    (here / "set.yaml").write_text(yaml.safe_dump(TASK | hub))
    task = load_task("set.yaml")
    manifest = read_manifest(task, here / "data")
    assert sorted({names[0] for names in manifest.table["labels"]}) == sorted(COLOURS)
    assert manifest.table["part"].value_counts().to_dict() == {"train": 6, "test": 6}
    store = prepare(manifest.root, manifest.table["path"].tolist(), SIZE, here / "cache", "image", workers=2)
    means = {
        manifest.table["labels"][row][0]: pixels_of(store.samples(row), SIZE).mean((0, 1)).argmax()
        for row in range(len(store.usable))
    }
    assert means == {"red": 0, "green": 1, "blue": 2}
    reader = open_reader(task)
    assert isinstance(reader, HubReader)
    assert reader.modality(manifest.root, reader.layout(manifest.root)) == "image"


def test_the_contract_of_images_is_that_of_audio_without_lengths():
    encoder = Tiles().eval().requires_grad_(False)
    checks = checks_of(encoder)
    assert set(CHECKS) - set(checks) < set(OF_LENGTH)
    for check in checks:
        check(encoder)
    with pytest.raises(ValueError, match=r"images must be \(clip, 3, 32, 32\) uint8 or float32, not \(1, 3, 32, 16\)"):
        encoder.embed(torch.zeros(1, 3, 32, 16))
    with pytest.raises(ValueError, match="not .* torch.float64"):
        encoder.embed(torch.zeros(1, 3, 32, 32, dtype=torch.float64))
    encoder.mates = True
    with pytest.raises(ContractBroken, match="with other batch mates"):
        ignores_batch_mates(encoder)
    encoder.image_size = 33
    with pytest.raises(ContractBroken, match="image_size is 33, no even number"):
        describes_itself(encoder)


def test_without_pillow_one_line_says_what_to_install(here, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "evar.data.image", None)
    monkeypatch.delattr("evar.data.image", raising=False)
    assert main(["prepare", "--task", "colours.yaml"]) == 2
    assert "images need Pillow: pip install 'evar-audio[images]'" in capsys.readouterr().err
    assert Path("cache").exists() is False
