"""The table of addresses: complete for what is promised, strict about everything else."""

import hashlib

import pytest
import yaml

from evar.base.errors import UsageError
from evar.data.downloads import sources
from evar.data.downloads.sources import read_sources
from evar.data.task import CORE, load_task

FILE = {"name": "a.tar.gz", "address": "https://host/a.tar.gz", "unpack": ".", "provenance": "loader 1.0"}


def test_of_the_core_tasks_three_are_one_archive_with_a_published_checksum_and_the_others_are_tables():
    known, archives = read_sources(), {"UrbanSound8K", "SpeechCommands", "GTZAN", "DTD", "EuroSAT"}
    assert set(known) == {load_task(name).folder for name in [*CORE, "dtd", "eurosat_own"]}
    assert {name for name, source in known.items() if source.archive} == archives
    for source in known.values():
        if source.archive:
            assert source.archive.checksum
            assert source.archive.unpack
            assert len(source.files) == 1
        else:
            assert "{folder}" in source.by_hand
            assert not any(file.unpack for file in source.files)


def test_every_file_names_a_package_and_its_version_as_provenance():
    files = [file for source in read_sources().values() for file in source.files]
    assert len(files) == 9
    for file in files:
        assert any(part[0].isdigit() and "." in part for part in file.provenance.split()), file.name


def test_tables_of_audioset_are_the_ones_at_hand(shared):
    for file in read_sources()["AudioSet"].files:
        content = (shared / "metadata" / "audioset" / file.name).read_bytes()
        assert f"sha256:{hashlib.sha256(content).hexdigest()}" == file.checksum


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"files": [{**FILE, "adress": "https://host"}]}, "Set.files.0.adress"),
        ({"files": [{**FILE, "address": "ftp://host/a"}]}, "Set.files.0.address"),
        ({"files": [{**FILE, "name": "../a"}]}, "Set.files.0.name"),
        ({"files": [{**FILE, "checksum": "9aa69802bbf37fb986f71ec1483a196e"}]}, "Set.files.0.checksum"),
        ({"files": [{**FILE, "unpack": "../up"}]}, "Set.files.0.unpack"),
        ({"files": [{key: value for key, value in FILE.items() if key != "provenance"}]}, "Set.files.0.provenance"),
        ({"files": []}, "Set.files"),
    ],
)
def test_table_that_says_something_else_is_refused_with_the_place(tmp_path, monkeypatch, source, said):
    table = tmp_path / "sources.yaml"
    table.write_text(yaml.safe_dump({"Set": source}))
    monkeypatch.setattr(sources, "TABLE", table)
    with pytest.raises(UsageError, match=rf"sources\.yaml: .*{said}"):
        read_sources()
