"""Synthetic datasets: in the shape of the tasks, the same every time, learnable."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.synthetic import Synthesiser, in_shape_of, write_table
from evar.data.manifest import read_manifest
from evar.data.task import CORE, load_task


@pytest.mark.parametrize("name", CORE)
@pytest.mark.parametrize("scale", [1.0, 0.08])
def test_manifest_has_the_tasks_parts_classes_and_protocol(tmp_path: Path, name: str, scale: float) -> None:
    task = load_task(name)
    small = in_shape_of(task, scale)
    assert task.expects is not None
    write_table(small, task.expects.of_class, tmp_path / name, seed=0)
    manifest = read_manifest(small, tmp_path)  # refuses parts, classes or numbers that are not the task's
    counts = manifest.table["part"].value_counts().to_dict()
    assert counts == {part: max(round(scale * count), 10) for part, count in task.expects.parts.items()}
    assert len(manifest.table) == manifest.expected
    assert (len(manifest.classes), small.protocol, small.seconds) == (task.expects.classes, task.protocol, task.seconds)
    assert manifest.table.groupby("group")["part"].nunique().max() == 1
    used = {label for labels in manifest.table["labels"] for label in labels}
    assert used == set(manifest.classes)


def test_small_scale_keeps_clips_enough_of_each_class(tmp_path: Path) -> None:
    task = load_task("vc1")
    small = in_shape_of(task, 0.01)
    table = write_table(small, None, tmp_path / "vc1", seed=0)
    counts = table.loc[table["part"] == "train", "labels"].value_counts()
    assert small.expects is not None
    assert len(counts) == small.expects.classes == 173
    assert counts.min() >= 7  # 8 to within one


def test_classes_have_their_own_shares_of_every_part(tmp_path: Path) -> None:
    task = load_task("spcv2")
    assert task.expects is not None
    assert task.expects.of_class is not None
    write_table(in_shape_of(task), task.expects.of_class, tmp_path / "spcv2", seed=0)
    counts = read_manifest(in_shape_of(task), tmp_path).table["labels"].map(lambda names: names[0]).value_counts()
    assert all(abs(counts[name] - count) <= 3 for name, count in task.expects.of_class.items())


@pytest.mark.parametrize(("name", "groups"), [("us8k", 1297), ("vc1", 22_496), ("spcv2", 2618)])
def test_about_as_many_groups_as_the_dataset_has(tmp_path: Path, name: str, groups: int) -> None:
    task = load_task(name)
    assert task.expects is not None
    table = write_table(in_shape_of(task), task.expects.of_class, tmp_path / name, seed=0)
    assert table["group"].nunique() == pytest.approx(groups, rel=0.25)


def test_clip_is_the_same_every_time_and_tells_its_class(tmp_path: Path) -> None:
    task = in_shape_of(load_task("us8k"), 0.05)
    table = write_table(task, None, tmp_path / "us8k", seed=0)
    make = Synthesiser(table, task.seconds, seed=0)
    clips = np.array([make(Path(path), 16_000).samples for path in table["path"][:200]], dtype=np.float64)
    again = Synthesiser(table, task.seconds, seed=0)(Path("000007.wav"), 16_000)
    assert (again.samples == clips[7]).all()
    assert clips.shape == (200, 64_000)
    assert 0.01 < np.abs(clips).max() / 32768 < 1
    spectra = np.log(np.square(np.abs(np.fft.rfft(clips))).reshape(-1)[: 200 * 32_000].reshape(200, 100, -1).mean(2))
    labels = np.array([numbers[0] for numbers in table["labels"][:200]])
    near = np.corrcoef(spectra) - 2 * np.eye(200)
    assert 0.5 < (labels[near.argmax(axis=1)] == labels).mean() < 1
