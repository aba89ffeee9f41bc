"""Published checkpoints by name, fetched from a real server on this machine."""

import io
import zipfile
from pathlib import Path

import pytest

from evar.base.errors import CheckpointError, DataError, UsageError
from evar.data.downloads.fetch import Fetcher
from evar.nn import releases
from evar.nn.configuration import configuration_of_name
from tests import recipe
from tests.data.downloads.server import file, running

NAME = "m2d_vit_tiny-80x64p16x16-000000"


def zipped(folder: Path, inside: str) -> bytes:
    """A release's archive: a folder with one checkpoint."""
    checkpoint = recipe.write(folder, NAME).read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"{inside}checkpoint-300.pth", checkpoint)
    return packed.getvalue()


@pytest.fixture
def fetcher(notes):
    return Fetcher(stall=0.5, tries=2, sleep=lambda seconds: None)


@pytest.fixture
def release(tmp_path, monkeypatch):
    """Serves one release; gives a function that says what its archive holds, and the server."""
    with running() as server:

        def serve(inside=f"{NAME}/", body=None):
            address = server.play(f"/{NAME}.zip", file(body or zipped(tmp_path / "made", inside)))
            known = releases.Releases(terms="read the terms", releases={NAME: {"address": address, "what": "tiny"}})
            monkeypatch.setattr(releases, "releases", lambda: known)
            return server

        yield serve


def test_table_lists_releases_whose_names_state_their_models():
    known = releases.releases()
    assert len(known.releases) == 16
    for name, each in known.releases.items():
        assert configuration_of_name(name).width in (768, 1024)
        assert each.address.startswith("https://github.com/nttcslab/m2d/releases/download/")
        assert each.address.endswith(f"/{name}.zip")


@pytest.mark.parametrize("inside", [f"{NAME}/", ""])
def test_release_is_fetched_once_unpacked_and_opened_by_its_name(release, fetcher, notes, tmp_path, inside):
    server = release(inside)
    first = releases.checkpoint_of(NAME, tmp_path / "cache", fetcher)
    again = releases.checkpoint_of(NAME, tmp_path / "cache", fetcher)
    assert first == again == tmp_path / "cache" / "weights" / NAME / "checkpoint-300.pth"
    assert len(server.requests) == 1
    assert any("read the terms" in note for note in notes)
    assert any("no checksum is published; its sha256" in note for note in notes)
    assert not list((tmp_path / "cache" / "weights" / "downloads").glob("*.zip"))


def test_checkpoint_that_changed_since_it_was_fetched_is_refused(release, fetcher, tmp_path):
    release()
    path = releases.checkpoint_of(NAME, tmp_path, fetcher)
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is not what was fetched: its checksum is .* recorded"):
        releases.checkpoint_of(NAME, tmp_path, fetcher)


def test_archive_without_a_checkpoint_leaves_nothing_behind(release, fetcher, tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("readme.txt", "nothing here")
    release(body=packed.getvalue())
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        releases.checkpoint_of(NAME, tmp_path, fetcher)
    assert not (tmp_path / "weights" / NAME).exists()
    assert not list((tmp_path / "weights").glob(".*"))


def test_release_that_cannot_be_had_says_what_to_do_by_hand(release, fetcher, tmp_path):
    server = release()
    server.shutdown()
    server.server_close()
    with pytest.raises(DataError, match=r"could not be fetched: .* by hand: get http"):
        releases.checkpoint_of(NAME, tmp_path, fetcher)


def test_unknown_release_names_the_near_one(fetcher, tmp_path):
    with pytest.raises(UsageError, match="did you mean m2d_vit_base-80x608p16x16-221006-mr7"):
        releases.checkpoint_of("m2d_vit_base-80x608p16x16-221006-mr", tmp_path, fetcher)
