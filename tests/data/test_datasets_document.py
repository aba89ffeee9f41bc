"""docs/datasets.md: what it tells people to write is what works."""

import inspect
import re
from pathlib import Path

import pytest

from evar.cli import main
from evar.data.readers import hub, webdataset
from evar.data.readers.table import open_reader
from evar.data.task import CORE, load_task, task_files

DOCUMENT = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")


def block(language):
    (found,) = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, flags=re.DOTALL)
    return found


@pytest.fixture
def here(tmp_path, shared, monkeypatch):
    """The documented YAML beside the real dataset."""
    if not (shared / "data" / "FSDD" / "clips.csv").is_file():
        pytest.skip("no FSDD among the reference files")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVAR_CACHE", str(tmp_path / "cache"))
    (tmp_path / "FSDD").symlink_to(shared / "data" / "FSDD")
    (tmp_path / "my.yaml").write_text(block("yaml"))
    return tmp_path


def test_the_documented_task_is_checked(here, capsys):
    assert main(["check", "--task", "my.yaml"]) == 0
    out = capsys.readouterr().out
    assert "3,000 of 3,000 clips (100.0%) in 10 classes" in out
    assert "6 of 6 straddle splits, with 300 test clips: " in " ".join(out.split())


def test_the_documented_table_is_the_real_one(here):
    lines = (here / "FSDD" / "clips.csv").read_text().splitlines()
    assert set(block("text").splitlines()) <= set(lines)


def test_it_is_no_longer_than_it_promises():
    assert len(block("yaml").splitlines()) == 10


def test_every_task_is_in_a_table_with_its_folder_and_numbers():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", DOCUMENT, flags=re.MULTILINE))
    for name in task_files():
        if name == "demo":
            continue
        task = load_task(name)
        assert f"`{task.folder}/`" in rows[name]
        if task.expects and name not in CORE:
            assert f"{task.expects.rows:,} / {task.expects.classes:,} | {task.seconds or ''}" in rows[name]


def test_every_option_of_the_table_reader_is_explained():
    section = DOCUMENT.split("## Any table, any paths")[1].split("\n## ")[0]
    first_cells = " ".join(re.findall(r"^\| (.*?) \|", section, flags=re.MULTILINE))
    assert set(re.findall(r"`(\w+): ", first_cells)) == set(inspect.signature(open_reader).parameters)


def test_every_option_of_the_readers_of_the_hub_is_explained():
    section = DOCUMENT.split("## Datasets of the Hugging Face Hub")[1].split("\n## A folder")[0]
    cells = " ".join(re.findall(r"^\| (.*?) \|", section, flags=re.MULTILINE))
    own = {*inspect.signature(hub.open_reader).parameters, "seconds"}
    assert set(re.findall(r"`(\w+)=", cells)) == own - {"repo", "revision"}
    assert "`repo` and `revision`" in section
    assert set(inspect.signature(webdataset.open_reader).parameters) < own
