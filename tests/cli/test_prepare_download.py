"""`evar prepare --download` as a user runs it: what it prints, what it leaves, and its exit codes."""

import socket
import tarfile
from pathlib import Path

import pytest
import yaml

from evar.cli import main
from evar.data.downloads import sources
from tests.data.downloads.server import file, running
from tests.tones import write_tones


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder whose data folder is empty, and no way out to any network but this machine's own."""
    real = socket.getaddrinfo

    def only_here(host, *arguments, **options):
        if host != "127.0.0.1":
            raise socket.gaierror(-2, "Name or service not known")
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", only_here)
    return tmp_path


def errors(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("evar: error: ")]


def test_fetched_dataset_is_unpacked_and_decoded(here, capsys, monkeypatch):
    write_tones(here)
    with tarfile.open("tones.tar.gz", "w:gz") as archive:
        archive.add("data/tones", "tones")
    Path("data").rename("packed")
    with running() as server:
        address = server.play("/tones.tar.gz", file(Path("tones.tar.gz").read_bytes()))
        one = {"name": "tones.tar.gz", "address": address, "unpack": "tones", "provenance": "a test"}
        Path("sources.yaml").write_text(yaml.safe_dump({"tones": {"files": [one]}}))
        monkeypatch.setattr(sources, "TABLE", Path("sources.yaml"))
        for _ in range(2):
            assert main(["prepare", "--task", "tones.yaml", "--download"]) == 0
        assert len(server.requests) == 1
    out, err = capsys.readouterr()
    assert out.count("tones  108 of 108 clips (100.0%) at 16000 Hz") == 2
    assert "no checksum is published" in err
    assert "found in data/tones, nothing to download" in err


@pytest.mark.parametrize(
    ("task", "host", "said"),
    [
        ("us8k", "zenodo.org", "(md5 9aa69802bbf37fb986f71ec1483a196e), put it at data/downloads/UrbanSound8K.tar.gz"),
        ("spcv2", "storage.googleapis.com", "put it at data/downloads/speech_commands_v0.02.tar.gz"),
        ("gtzan", "opihi.cs.uvic.ca", "put it at data/downloads/genres.tar.gz and run the same command again"),
    ],
)
def test_without_a_network_one_line_says_what_to_do_by_hand(here, capsys, task, host, said):
    assert main(["prepare", "--task", task, "--download"]) == 2
    (line,) = errors(capsys)
    assert f"{host}: no connection (Name or service not known)" in line
    assert said in line


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("vc1", "vox1_dev_wav_partaa, _partab, _partac and _partad"),
        ("as20k", "name each file by the 11 characters of its YouTube id"),
    ],
)
def test_audio_that_nobody_may_hand_out_is_one_clear_paragraph(here, capsys, task, said):
    assert main(["prepare", "--task", task, "--download"]) == 2
    (line,) = errors(capsys)
    assert said in line
    assert "run the same command again" in line


def test_task_that_cannot_be_fetched_does_not_stop_the_others(here, capsys):
    write_tones(here)
    assert main(["prepare", "--task", "vc1,tones.yaml", "--download"]) == 2
    assert "tones  108 of 108 clips" in capsys.readouterr().out
