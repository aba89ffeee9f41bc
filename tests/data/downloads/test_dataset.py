"""A task's dataset from a server to its folder: the layout that its reader expects, whole or not there."""

import logging
import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from evar.base.errors import DataError, StorageError, UsageError
from evar.data.downloads import sources
from evar.data.downloads.dataset import download
from evar.data.downloads.fetch import Fetcher
from evar.data.manifest import find_root
from evar.data.task import load_task
from tests.data.downloads.archives import pack
from tests.data.downloads.server import file, status

URBANSOUND = {
    "UrbanSound8K/metadata/UrbanSound8K.csv": b"slice_file_name,fsID,start,end,salience,fold,classID,class\n",
    "UrbanSound8K/audio/fold1/7061-6-0-0.wav": b"RIFF",
    "._UrbanSound8K": b"what a Mac leaves",
}
LAYOUTS = {
    "us8k": ("UrbanSound8K", URBANSOUND, "metadata/UrbanSound8K.csv"),
    "spcv2": (".", {"./testing_list.txt": b"", "./yes/00f0204f_nohash_0.wav": b"RIFF"}, "yes/00f0204f_nohash_0.wav"),
    "gtzan": (".", {"genres/blues/blues.00000.au": b".snd"}, "genres/blues/blues.00000.au"),
}
TABLES = ("balanced_train_segments.csv", "eval_segments.csv", "class_labels_indices.csv")


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def offered(server, tmp_path, monkeypatch):
    """Let the server offer a task's archive; gives its path there."""

    def offer(name, content=None, unpack=None, behaviour=None):
        folder, files, _ = LAYOUTS[name]
        body = pack(tmp_path / "packed", content or files).read_bytes()
        address = server.play("/packed.tar.gz", behaviour or file(body))
        one = {"name": "packed.tar.gz", "address": address, "unpack": unpack or folder, "provenance": "a test"}
        table(tmp_path, monkeypatch, {load_task(name).folder: {"files": [one]}})
        return body

    return offer


@pytest.fixture
def tables(server, tmp_path, monkeypatch):
    """Let the server offer AudioSet's tables."""
    for name in TABLES:
        server.play(f"/{name}", file(name.encode()))
    files = [{"name": name, "address": server.address(f"/{name}"), "provenance": "a test"} for name in TABLES]
    table(tmp_path, monkeypatch, {"AudioSet": {"files": files, "by_hand": "get the audio and put it below {folder}"}})


def table(folder, monkeypatch, content):
    path = folder / "sources.yaml"
    path.write_text(yaml.safe_dump(content))
    monkeypatch.setattr(sources, "TABLE", path)


def visible(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", LAYOUTS)
def test_archive_becomes_the_folder_that_the_reader_finds(offered, data, fetcher, name):
    offered(name)
    task = load_task(name)
    download(task, data, fetcher)
    assert (data / task.folder / LAYOUTS[name][2]).is_file()
    assert find_root(task, data).is_relative_to(data / task.folder)
    assert visible(data) == sorted([task.folder, "downloads"])
    assert visible(data / "downloads") == [f"{task.folder}.lock", "packed.tar.gz.sha256"]


def test_licence_is_said_before_anything_is_fetched(offered, data, fetcher, notes):
    offered("us8k")
    download(load_task("us8k"), data, fetcher)
    assert notes[0] == f"fetching UrbanSound8K into {data / 'UrbanSound8K'}; its licence: CC BY-NC 3.0"


def test_dataset_that_is_there_is_not_fetched_again(offered, server, data, fetcher, notes):
    offered("us8k")
    download(load_task("us8k"), data, fetcher)
    download(load_task("us8k"), data, fetcher)
    assert len(server.requests) == 1
    assert notes[-1] == f"UrbanSound8K: found in {data / 'UrbanSound8K'}, nothing to download"


def test_folder_that_is_not_the_dataset_is_never_overwritten(offered, server, data, fetcher):
    offered("us8k")
    (data / "UrbanSound8K").mkdir(parents=True)
    (data / "UrbanSound8K" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"UrbanSound8K is there, but holds no .*move it away"):
        download(load_task("us8k"), data, fetcher)
    assert server.requests == []
    (data / "UrbanSound8K" / "notes.txt").unlink()
    download(load_task("us8k"), data, fetcher)
    assert find_root(load_task("us8k"), data)


def test_data_folder_on_another_disk_may_be_a_link(offered, data, fetcher, tmp_path):
    offered("us8k")
    (tmp_path / "elsewhere").mkdir()
    data.mkdir()
    (data / "UrbanSound8K").symlink_to(tmp_path / "elsewhere")
    download(load_task("us8k"), data, fetcher)
    assert (tmp_path / "elsewhere" / "metadata").is_dir()


def test_archive_put_there_by_hand_is_used(offered, server, data, fetcher):
    body = offered("us8k", behaviour=status(404))
    with pytest.raises(DataError, match=r"by hand: get .*, put it at .*downloads/packed\.tar\.gz"):
        download(load_task("us8k"), data, fetcher)
    (data / "downloads" / "packed.tar.gz").write_bytes(body)
    download(load_task("us8k"), data, fetcher)
    assert find_root(load_task("us8k"), data)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"UrbanSound8K/readme.txt": b"x"}, "does not hold UrbanSound8K"),
        ({"other/metadata/UrbanSound8K.csv": b"x"}, "does not hold UrbanSound8K"),
        ({**URBANSOUND, "../evil": b"x"}, "outside the destination"),
    ],
)
def test_archive_of_something_else_leaves_no_dataset(offered, data, fetcher, content, said):
    offered("us8k", content)
    with pytest.raises(DataError, match=said):
        download(load_task("us8k"), data, fetcher)
    assert visible(data) == ["downloads"]
    assert not (data.parent / "evil").exists()


def test_interrupted_unpacking_leaves_nothing_half_and_fetches_nothing_twice(
    offered, server, data, fetcher, monkeypatch
):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    offered("us8k")
    with monkeypatch.context() as patched:
        patched.setattr("tarfile.copyfileobj", interrupted)
        with pytest.raises(KeyboardInterrupt):
            download(load_task("us8k"), data, fetcher)
    assert visible(data) == ["downloads"]
    download(load_task("us8k"), data, fetcher)
    assert find_root(load_task("us8k"), data)
    assert len(server.requests) == 1


def test_rest_of_a_killed_run_is_no_dataset_and_is_swept(offered, data, fetcher):
    offered("us8k")
    rest = data / ".UrbanSound8K.unpacking" / "UrbanSound8K" / "metadata"
    rest.mkdir(parents=True)
    (rest / "UrbanSound8K.csv").touch()
    assert find_root(load_task("us8k"), data) is None
    download(load_task("us8k"), data, fetcher)
    assert visible(data) == ["UrbanSound8K", "downloads"]


def test_two_at_once_fetch_it_once(offered, server, data, tmp_path, monkeypatch):
    waits = threading.Event()

    def slow(handler):
        waits.wait(20)
        file((tmp_path / "packed").read_bytes())(handler)

    class Waits(logging.Handler):
        def emit(self, record):
            if record.getMessage().startswith("waiting for a process that fetches"):
                waits.set()

    monkeypatch.setattr(logging.getLogger("evar"), "handlers", [Waits()])
    monkeypatch.setattr(logging.getLogger("evar"), "level", logging.INFO)
    offered("us8k", behaviour=slow)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(download, load_task("us8k"), data, Fetcher()) for _ in range(2)]:
            done.result()
    assert waits.is_set()
    assert len(server.requests) == 1
    assert find_root(load_task("us8k"), data)


def test_room_to_unpack_is_looked_for_before_unpacking(offered, data, fetcher, monkeypatch):
    body = offered("us8k")
    (data / "downloads").mkdir(parents=True)
    (data / "downloads" / "packed.tar.gz").write_bytes(body)
    monkeypatch.setattr("shutil.disk_usage", lambda _: namedtuple("Usage", "free")(len(body)))
    with pytest.raises(StorageError, match=r"unpacking .*packed\.tar\.gz needs"):
        download(load_task("us8k"), data, fetcher)


def test_tables_are_fetched_and_the_paragraph_says_what_is_left_to_a_person(tables, data, fetcher):
    with pytest.raises(DataError, match=f"get the audio and put it below {data / 'AudioSet'}"):
        download(load_task("as20k"), data, fetcher)
    for name in TABLES:
        assert (data / "AudioSet" / name).read_text() == name


def test_with_audio_there_only_the_missing_tables_are_fetched(tables, server, data, fetcher):
    (data / "AudioSet" / "metadata").mkdir(parents=True)
    (data / "AudioSet" / "metadata" / TABLES[0]).write_text("my own")
    (data / "AudioSet" / "eval").mkdir()
    (data / "AudioSet" / "eval" / "Y--4gqARaEJE.flac").write_bytes(b"fLaC")
    download(load_task("as20k"), data, fetcher)
    assert [path for path, _, _ in server.requests] == [f"/{name}" for name in TABLES[1:]]
    download(load_task("as20k"), data, fetcher)
    assert len(server.requests) == 2


def test_without_a_network_the_paragraph_is_said_all_the_same(tables, server, data, fetcher, notes):
    server.play(f"/{TABLES[1]}", status(404))
    with pytest.raises(DataError, match="get the audio"):
        download(load_task("as20k"), data, fetcher)
    assert [note for note in notes if note.startswith(f"{TABLES[1]} could not be fetched")]
    assert not (data / "AudioSet" / TABLES[1]).exists()
    (data / "AudioSet" / "Y--4gqARaEJE.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match="not every table is there"):
        download(load_task("as20k"), data, fetcher)


def test_dataset_without_a_known_address_is_refused_unless_it_is_there(server, data, fetcher, notes):
    with pytest.raises(
        UsageError, match="no address is known for 'demo'; --download can fetch AudioSet, DTD, EuroSAT, GTZAN"
    ):
        download(load_task("demo"), data, fetcher)
    (data / "demo").mkdir(parents=True)
    (data / "demo" / "clips.csv").write_text("path,label,split\n")
    download(load_task("demo"), data, fetcher)
    assert "nothing to download" in notes[-1]
