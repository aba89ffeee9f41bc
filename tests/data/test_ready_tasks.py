"""The tasks that come with evar, each on a small copy of its dataset in its native layout, `evar check` included."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from evar.base.errors import DataError
from evar.cli import main
from evar.data.containers import outer
from evar.data.manifest import read_manifest
from evar.data.task import CORE, load_task, task_files
from evar.testing.trees import touch
from tests.data import native_trees
from tests.data.image_trees import IMAGE_TREES, imagenet

TREES = native_trees.TREES | IMAGE_TREES
READY = sorted(set(task_files()) - {*CORE, "demo"})


@pytest.fixture
def small(tmp_path):
    """Write a tree; gives its truth and the task's file for it: that of the task, but for how many clips it expects."""

    def write(name):
        truth = TREES[name](tmp_path / "data")
        content = yaml.safe_load(task_files()[name].read_text(encoding="utf-8"))
        content.pop("expects", None)
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump(content))
        return truth, file

    return write


def test_each_ready_task_has_a_tree():
    assert sorted(TREES) == READY
    assert len(READY) >= 20


@pytest.mark.parametrize("name", READY)
def test_a_small_copy_in_the_native_layout_is_read_as_it_is_and_can_be_scored(
    small, tmp_path, monkeypatch, capsys, name
):
    truth, file = small(name)
    task = load_task(str(file))
    manifest = read_manifest(task, tmp_path / "data")
    found = {
        row.path: (row.labels if task.kind == "multi-label" else row.labels[0], row.part, row.group)
        for row in manifest.table.itertuples()
    }
    assert found == truth
    assert set(manifest.table["part"]) == set(task.parts)
    assert all(Path(outer(str(manifest.root / path))).is_file() for path in found)
    assert not [remark for remark in manifest.remarks if "nothing says that it is mteb/" not in remark]
    monkeypatch.setenv("EVAR_CACHE", str(tmp_path / "cache"))
    assert main(["check", "--task", str(file), "--data", str(tmp_path / "data")]) == 0
    assert f"{len(truth)} of {len(truth)} {task.noun} (100.0%)" in capsys.readouterr().out


@pytest.mark.parametrize("name", task_files())
def test_a_task_says_where_it_is_from_what_to_beware_of_and_whose_its_split_is(name):
    task = load_task(name)
    assert task.name == name
    assert task.source
    assert task.licence
    if name == "demo":
        return
    assert task.pitfalls
    assert task.title != name
    assert task.expects or "not known here" in " ".join(task.pitfalls)
    ours = bool(task.options.get("deal")) or "own" in task.title
    assert name.endswith("_own") == ours
    assert ("of evar" in task.source) == bool(task.options.get("deal"))


@pytest.mark.parametrize("name", ["cremad", "cremad_tfds"])
def test_cremad_has_the_published_numbers(shared, tmp_path, name):
    with (shared / "survey" / "cremad_files.csv").open() as lines:
        paths = [row["path"] for row in csv.DictReader(lines)]
    touch(tmp_path / "CREMA-D", paths)
    table = read_manifest(load_task(name), tmp_path).table
    assert len(table) == 7438
    assert table["part"].value_counts().to_dict() == load_task(name).expects.parts
    labels = Counter(label for (label,) in table["labels"])
    assert labels == {"ANG": 1271, "DIS": 1270, "FEA": 1270, "HAP": 1271, "NEU": 1086, "SAD": 1270}
    assert (table.groupby("group")["part"].nunique() == 1).all()


def test_speakers_of_cremad_tfds_are_those_of_its_rule(shared, tmp_path):
    speakers = [str(number) for number in range(1001, 1092)]
    touch(tmp_path / "CREMA-D" / "AudioWAV", [f"{speaker}_IEO_ANG_HI.wav" for speaker in speakers])
    task = load_task("cremad_tfds").model_copy(update={"expects": None})
    table = read_manifest(task, tmp_path).table
    shuffled = sorted(speakers)
    np.random.RandomState(0).shuffle(shuffled)
    ends = {"train": (0, int(0.7 * 91)), "valid": (int(0.7 * 91), int(0.8 * 91)), "test": (int(0.8 * 91), 91)}
    for part, (start, end) in ends.items():
        assert set(table.loc[table["part"] == part, "group"]) == set(shuffled[start:end])


def test_instruments_of_openmic_that_nobody_was_asked_about_are_unknown(small, tmp_path):
    _, file = small("openmic")
    manifest = read_manifest(load_task(str(file)), tmp_path / "data")
    asked = manifest.table.set_index("path")[["labels", "absent"]].to_dict("index")
    assert asked["audio/010/010139_119040.ogg"] == {"labels": ("flute", "voice"), "absent": ("piano",)}
    assert asked["audio/000/000046_3840.ogg"] == {"labels": ("piano",), "absent": ("voice",)}
    assert (manifest.targets == -1).sum() == 5 * 20 - 10


def test_imagenet_of_kaggle_and_sorted_is_the_same(small, tmp_path):
    truth, file = small("imagenet1k")
    kaggle = read_manifest(load_task(str(file)), imagenet(tmp_path / "kaggle", kaggle=True) and tmp_path / "kaggle")
    for path, (label, _, _) in truth.items():
        if path.startswith("val/"):
            (tmp_path / "data" / "ImageNet" / "val" / label).mkdir(exist_ok=True)
            (tmp_path / "data" / "ImageNet" / path).rename(tmp_path / "data" / "ImageNet" / "val" / label / path[4:])
    by_folder = read_manifest(load_task(str(file)), tmp_path / "data")
    assert kaggle.root == tmp_path / "kaggle" / "ImageNet" / "ILSVRC" / "Data" / "CLS-LOC"
    assert {row.path: row.labels[0] for row in kaggle.table.itertuples()} == {path: t[0] for path, t in truth.items()}
    assert {Path(row.path).name: row.labels[0] for row in by_folder.table.itertuples()} == {
        Path(path).name: label for path, (label, _, _) in truth.items()
    }
    (tmp_path / "kaggle" / "ImageNet" / "LOC_val_solution.csv").write_text("ImageId,PredictionString\nimage,n0 1 1\n")
    with pytest.raises(DataError, match=r"LOC_val_solution.csv: not the list that it is called"):
        read_manifest(load_task(str(file)), tmp_path / "kaggle")


def test_folds_of_hear_have_the_sizes_that_its_rule_gives():
    for name in READY:
        task = load_task(name)
        if task.folder == "HEAR" and name != "gunshot":  # whose folds are its firearms
            sizes = [len(part) for part in np.array_split(np.arange(task.expects.rows), len(task.folds))]
            assert list(task.expects.parts.values()) == sizes


def test_fsdd_is_read_from_the_real_recordings(shared):
    if not Path(shared / "data" / "FSDD" / "recordings").is_dir():
        pytest.skip("no FSDD among the reference files")
    manifest = read_manifest(load_task("fsdd"), shared / "data")
    assert manifest.table["part"].value_counts().to_dict() == {"train": 2700, "test": 300}
    assert Counter(manifest.groups.tolist()) == dict.fromkeys(
        ["george", "jackson", "lucas", "nicolas", "theo", "yweweler"], 500
    )
