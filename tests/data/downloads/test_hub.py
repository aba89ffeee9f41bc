"""Datasets of the Hugging Face Hub by their names, from a server on this machine to a row."""

import csv
import json
import re
import shutil
from collections import namedtuple
from pathlib import Path

import pandas as pd
import pytest
from huggingface_hub import constants

from evar.base.errors import DataError, EvarError, UsageError
from evar.cli import main
from evar.data.downloads import hub as door
from evar.data.hub_tasks import MtebTask, hub_task, mteb_tasks
from evar.data.manifest import read_manifest
from evar.data.named_tasks import load_tasks
from evar.data.readers.hub import open_reader
from evar.data.task import load_task
from evar.preparation import prepare
from tests.data import hub_sets
from tests.data.downloads.hub_server import COMMIT, Dataset, hub
from tests.data.hub_sets import clips, two_splits

CARD = b"---\nlicense: mit\n---\n"
DiskUsage = namedtuple("DiskUsage", ["total", "used", "free"])
PINNED = f"hub:owner/tones@{COMMIT}"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A hub with one dataset, owner/tones; the working folder and the cache are empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVAR_CACHE", str(tmp_path / "evar"))
    with hub(monkeypatch, tmp_path / "hub") as server:
        server.sets["owner/tones"] = Dataset({"README.md": CARD, "big.zip": b"PK", **two_splits(24, 16)})
        yield server


@pytest.fixture
def no_network(monkeypatch):
    """A function that takes the hub away."""
    return lambda: monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


def error_of(task, **more):
    with pytest.raises(EvarError, match="^[^\n]*$") as caught:
        prepare(task, cache="cache", **more)
    return str(caught.value)


def test_a_dataset_is_fetched_scored_and_checked_by_its_name_and_then_without_network(server, no_network, capsys):
    assert main(["prepare", "--download", "--task", "hub:owner/tones"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("hub:owner/tones@01234567  40 of 40 clips (100.0%) at 16000 Hz")
    assert f"hub:owner/tones: revision main is commit {COMMIT}: hub:owner/tones@{COMMIT} pins it" in err
    assert not any("big.zip" in request for request in server.requests)  # what no row needs is not fetched
    fetched = len([request for request in server.requests if request.startswith("GET /datasets/")])
    assert fetched == 4
    no_network()
    assert main(["--task", f"{PINNED}(seconds=0.2, group='speaker')", "--encoder", "logmel"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("hub:owner/tones@01234567(seconds=0.2, group='speaker')  logmel  logistic  accuracy ")
    assert "pins it" not in err
    (row,) = pd.read_csv("results/leaderboard.csv").itertuples()
    assert (row.dataset_revision, row.n, row.groups) == (f"owner/tones@{COMMIT}", 16, 8)
    assert main(["check", "--json", "--task", PINNED]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["found"], report["title"], report["parts"][0]["name"]) == (40, "owner/tones", "train")
    assert main(["prepare", "--download", "--task", PINNED]) == 0
    assert "the Hugging Face Hub cannot be reached" in capsys.readouterr().err


def test_a_download_that_breaks_off_is_finished_by_the_next(server):
    path = "data/train-00001-of-00002.parquet"
    server.sets["owner/tones"].lost.add(path)
    assert "owner/tones could not be fetched" in error_of(PINNED, download=True)
    assert "1 of 2 files of split train are there: fetch the others" in error_of(PINNED)
    server.sets["owner/tones"].lost.clear()
    server.requests.clear()
    (prepared,) = prepare(PINNED, download=True, cache="cache")
    assert prepared.coverage == 1
    assert [request for request in server.requests if "/resolve/" in request and "GET" in request] == [
        f"GET /datasets/owner/tones/resolve/{COMMIT}/{path}"
    ]


def test_what_cannot_be_had_is_one_line_that_says_what_to_do(server, no_network):
    server.sets["owner/gated"] = Dataset({"train.parquet": b"PAR1"}, gated=True)
    fetched = {"download": True}
    assert 'is not in the Hub\'s cache: `evar prepare --download --task "hub:owner/tones"` fetches it' in error_of(
        "hub:owner/tones"
    )
    assert "did you mean owner/tones or owner/gated? or it is private: log in" in error_of("hub:owner/tone", **fetched)
    assert "accept its terms at https://huggingface.co/datasets/owner/gated" in error_of("hub:owner/gated", **fetched)
    assert "has no revision 'v2': give a branch, a tag or a commit" in error_of("hub:owner/tones@v2", **fetched)
    assert "no config 'nosiy'" in error_of("hub:owner/tones(config='nosiy')", **fetched)
    assert "did you mean label?" in error_of("hub:owner/tones(lable='x')", **fetched)
    assert "seconds must be a number" in error_of("hub:owner/tones(seconds='x')", **fetched)
    assert "did you mean seconds or config?" in error_of("hub:owner/tones(second=1)", **fetched)
    assert "is not hub:OWNER/NAME" in error_of("hub:owner", **fetched)
    no_network()
    assert "the Hugging Face Hub cannot be reached" in error_of("hub:owner/other", **fetched)


def test_too_little_room_is_found_before_anything_large_comes(server, monkeypatch):
    monkeypatch.setattr("evar.base.files.shutil.disk_usage", lambda folder: DiskUsage(0, 0, 10_000))
    assert "fetching owner/tones" in error_of(PINNED, download=True)
    assert not [request for request in server.requests if "parquet" in request]


def test_a_task_file_pins_its_commit_and_fetches_it(server, tmp_path):
    text = f"""
kind: single-label
reader: hub
folder: copy
options: {{repo: owner/tones, revision: {COMMIT}, group: speaker}}
seconds: 0.2
splits: [train, test]
metric: accuracy
"""
    (tmp_path / "tones.yaml").write_text(text)
    assert f"owner/tones@{COMMIT} in the Hub's cache, or Parquet files" in error_of("tones.yaml")
    (prepared,) = prepare("tones.yaml", download=True, cache="cache")
    assert (prepared.coverage, prepared.manifest.task.revision) == (1, f"owner/tones@{COMMIT}")
    (by_name,) = prepare(PINNED, cache="cache")
    assert (by_name.store.digest, by_name.decoded) == (prepared.store.digest, 0)
    shutil.copytree(prepared.manifest.root, tmp_path / "data" / "copy")
    shutil.rmtree(tmp_path / "hub")
    (copied,) = prepare("tones.yaml", cache="cache")
    assert copied.store.digest == prepared.store.digest
    assert copied.manifest.remarks == (f"taken from data/copy: nothing says that it is owner/tones at {COMMIT}",)


def test_a_list_of_tasks_may_hold_datasets_with_options(server):
    prepare("hub:owner/tones", download=True, cache="cache")
    listed = f"gtzan,{PINNED}(seconds=1.5, splits={{'train': 'test', 'test': 'train'}})"
    names = [task.name for task in load_tasks(listed, Path("data"))]
    assert names == ["gtzan", "hub:owner/tones@01234567(seconds=1.5, splits={'train': 'test', 'test': 'train'})"]


def test_tasks_of_mteb_are_pinned_and_scored_by_evars_protocol(server, notes):
    entry = mteb_tasks()["ESC50"]
    rows = clips(30)
    folds = hub_sets.pa.array([1 + n // 2 % 5 for n in range(30)])
    audio = hub_sets.parquet(rows, more={"fold": folds, "target": hub_sets.pa.array([n % 2 for n in range(30)])})
    server.sets[entry.repo] = Dataset({"data/train-00000-of-00001.parquet": audio}, commit=entry.revision)
    (prepared,) = prepare("mteb:ESC50", download=True, cache="cache")
    task = prepared.manifest.task
    assert (task.name, task.folds, task.seconds) == ("mteb:ESC50", ["1", "2", "3", "4", "5"], 5.0)
    assert (task.revision, task.licence) == (f"mteb/esc50@{entry.revision}", "cc-by-nc-sa-3.0")
    assert "the protocol is evar's" in task.pitfalls[0]
    assert hub_task("mteb:ESC50(label='label', seconds=1)").name == "mteb:ESC50(label='label', seconds=1)"
    assert "unknown task mteb:ESC51: did you mean ESC50?" in error_of("mteb:ESC51")
    assert not [note for note in notes if "pins it" in note]


def test_the_table_of_mteb_holds_what_its_reader_takes_and_what_the_survey_found(shared):
    known = mteb_tasks()
    for entry in known.values():
        assert isinstance(entry, MtebTask)
        open_reader(entry.repo, entry.revision, label=entry.label, **entry.options)
    with (shared / "survey" / "mteb_audio_tasks.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if re.fullmatch("Audio(Multilabel)?Classification", row["type"])]
    assert len(rows) == 48
    found = {row["name"]: (row["hf_path"], row["revision"], row["licence"]) for row in rows}
    assert {name: (known[name].repo, known[name].revision, known[name].licence) for name in found} == found
    assert known.keys() - found.keys() == {"CAMEOEmotionClassification"}


def test_without_the_package_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(door, "installed", lambda: False)
    with pytest.raises(UsageError, match=r"need huggingface_hub: pip install 'evar-audio\[hub\]'"):
        hub_task("hub:a/b")
    options = {"reader": "hub", "options": {"repo": "a/b", "revision": COMMIT}, "folder": "no"}
    with pytest.raises(DataError, match="looked for a/b@"):
        read_manifest(load_task("gtzan").model_copy(update=options), Path("nowhere"))
