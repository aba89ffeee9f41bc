"""Groups of tasks: what their file says, what docs/datasets.md says of it, and what `--task` makes of a name."""

import re
from pathlib import Path

import pytest

from evar.base.errors import DataError, UsageError
from evar.data.groups import group_names, groups
from evar.data.named_tasks import load_tasks
from evar.data.task import load_task, task_files
from tests.data.native_trees import TREES
from tests.tones import write_tones

DOCUMENT = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")


def names(task, data):
    return [each.name for each in load_tasks(task, data)]


@pytest.mark.parametrize("group", groups())
def test_members_of_a_group_are_tasks_whose_scores_may_be_averaged(group):
    given = groups()[group]
    tasks = [load_task(name) for name in given.tasks]
    assert len(set(given.tasks)) == len(tasks) >= 2
    assert {task.metric for task in tasks} <= {"accuracy", "mAP"}
    scored_alike = [re.sub("_(own|hear|tfds)$", "", task.name) for task in tasks]
    assert len(set(scored_alike)) == len(tasks)
    assert set(given.differing) <= set(given.tasks)
    assert not set(given.left_out) & set(task_files())


def test_no_task_has_the_name_of_a_group():
    assert list(groups()) == ["core", "environment", "speech", "music", "hear", "xares"]
    assert not set(group_names()) & set(task_files())


def test_the_document_lists_the_groups_as_they_are():
    rows = re.findall(
        r"^\| `(\w+)` \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", DOCUMENT.split("## Groups of tasks")[1], re.M
    )
    assert [name for name, *_ in rows] == list(groups())
    for name, members, differing, left_out in rows:
        assert tuple(re.findall(r"`(\w+)`", members)) == groups()[name].tasks
        assert set(re.findall(r"`(\w+)`", differing)) == set(groups()[name].differing)
        assert left_out.strip() == ", ".join(groups()[name].left_out)


def test_groups_and_names_mix_and_each_task_is_taken_once(tmp_path):
    core = list(groups()["core"].tasks)
    assert names("core", tmp_path) == core
    assert names("gtzan, core,esc50,core", tmp_path) == ["gtzan", "us8k", "vc1", "as20k", "spcv2", "esc50"]


def test_where_a_group_is_named_tasks_without_data_come_last(tmp_path):
    TREES["cremad"](tmp_path)
    speech = list(groups()["speech"].tasks)
    assert names("esc50,speech", tmp_path) == ["cremad", "esc50", *(name for name in speech if name != "cremad")]
    assert names("vc1,cremad", tmp_path) == ["vc1", "cremad"]  # as they were named


def test_all_is_every_task_whose_data_is_found_and_says_what_is_not(tmp_path, monkeypatch, notes):
    (tmp_path / "tasks").mkdir()
    write_tones(tmp_path).rename(tmp_path / "tasks" / "tones.yaml")
    (tmp_path / "tasks" / "broken.yaml").write_text("kind: none\n")
    (tmp_path / "data" / "demo").mkdir()
    (tmp_path / "data" / "demo" / "clips.csv").touch()
    TREES["cremad"](tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    assert names("all", tmp_path / "data") == ["cremad", "cremad_tfds", "tones"]
    (missing,) = [note for note in notes if "their data is not in" in note]
    assert set(re.findall(r"\w+", missing.partition(": ")[2])) == (
        set(task_files()) - {"cremad", "cremad_tfds", "tones", "demo", "broken"}
    )
    assert [note for note in notes if note.startswith("left out: tasks/broken.yaml: ")]


@pytest.mark.parametrize(
    ("task", "kind", "said"),
    [
        ("all", DataError, "no task's data is found in .*; --task list shows"),
        ("cor", UsageError, r"unknown task 'cor': did you mean core.* a group of tasks: core, environment, .*, all\)"),
        ("core,spech", UsageError, "unknown task 'spech': did you mean speech"),
        ("core,list", UsageError, "--task list stands alone"),
        (",", UsageError, r"',' names no task \(valid: core, .*us8k"),
        ("music", UsageError, "music is a group of tasks, and tasks/music.yaml a task of that name: rename it"),
    ],
)
def test_a_name_that_cannot_be_is_one_line(tmp_path, monkeypatch, task, kind, said):
    (tmp_path / "tasks").mkdir()
    write_tones(tmp_path).rename(tmp_path / "tasks" / "music.yaml")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=said):
        load_tasks(task, tmp_path / "none")
