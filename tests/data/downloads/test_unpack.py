"""Unpacking: what honest archives hold comes out; everything else is refused with one line or stays inside."""

import contextlib
import os
import random
import stat
import tarfile
from collections import namedtuple

import pytest

from evar.base.errors import DataError, StorageError
from evar.base.progress import displayed
from evar.data.downloads.unpack import SLACK_BYTES, unpacked
from tests.data.downloads.archives import KINDS, pack, pack_tar, tar_member, zip_link

FILES = {"genres/": b"", "genres/blues/blues.00000.wav": b"RIFF" * 999, "./été.wav": b"", "a b/c\nd.txt": b"x"}
DAMAGED = "is damaged, or no zip, tar or tar.gz archive .*; delete it and get another copy"


@pytest.fixture
def there(tmp_path):
    """An archive's path; nothing of an archive comes out beside its folder, and nothing is left of a refused one."""
    (tmp_path / "outside.txt").write_text("untouched")
    (tmp_path / "there").mkdir()
    yield tmp_path / "there" / "archive"
    assert (tmp_path / "outside.txt").read_text() == "untouched"
    assert {path.name for path in tmp_path.iterdir()} <= {"there", "out", "outside.txt", "disk"}


def opened(archive):
    """What comes out, by name."""
    out = archive.parents[1] / "out"
    with unpacked(archive, out) as folder:
        folder.rename(out)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_honest_archive_comes_out_as_it_went_in_whatever_it_is_called_and_is_removed(there, kind):
    expected = {name.removeprefix("./"): content for name, content in FILES.items() if not name.endswith("/")}
    assert opened(pack(there, FILES, kind)) == expected
    assert not there.exists()
    for path in (there.parents[1] / "out").rglob("*.wav"):  # modes are not taken over
        assert path.stat().st_mode & (stat.S_ISUID | stat.S_IXUSR) == 0


def test_archive_is_kept_where_what_came_out_is_not_wanted(there):
    pack(there, FILES)
    with pytest.raises(DataError, match="not wanted"), unpacked(there, there.parents[1] / "out"):
        raise DataError("not wanted")
    assert there.exists()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["../outside.txt", "a/../../outside.txt", "/outside.txt", "//outside.txt"])
def test_name_that_leads_elsewhere_is_refused_or_stays_inside(there, kind, name):
    with contextlib.suppress(DataError):
        assert sorted(opened(pack(there, {"good.wav": b"x", name: b"evil"}, kind)).values()) == [b"evil", b"x"]


@pytest.mark.parametrize("kind", ["SYMTYPE", "LNKTYPE", "FIFOTYPE", "CHRTYPE", "BLKTYPE"])
def test_tar_member_that_is_no_plain_file_is_refused(there, kind):
    member = tar_member("door", kind=getattr(tarfile, kind), target="../../outside.txt")
    with pytest.raises(DataError, match=r"\(member 'door' is a link or a device\)"):
        opened(pack_tar(there, [(member, b""), (tar_member("door", 4), b"evil")]))


def test_link_in_a_zip_is_a_file_with_its_target(there):
    assert opened(zip_link(there, "door", "../../outside.txt")) == {"door": b"../../outside.txt"}


def test_encrypted_zip_is_one_line(there):
    content = bytearray(pack(there, {"a.wav": b"x"}, "zip").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    there.write_bytes(content)
    with pytest.raises(DataError, match="'a.wav'.* is encrypted"):
        opened(there)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize("sizes", [[30 << 20], [1 << 20] * 30])
def test_bomb_is_stopped_before_it_fills_the_disk(there, kind, sizes, monkeypatch):
    written = []
    monkeypatch.setattr("shutil.rmtree", lambda folder, **_: written.append(on_disk(folder)))
    with pytest.raises(DataError, match="is not unpacked: it unpacks to far more bytes than a dataset does"):
        opened(pack(there, {f"{number}.wav": bytes(size) for number, size in enumerate(sizes)}, kind))
    assert written[-1] <= SLACK_BYTES + 10 * there.stat().st_size
    monkeypatch.undo()
    with pytest.raises(DataError, match="far more bytes"):
        opened(there)


def on_disk(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_archive_is_damaged(there, kind, share):
    noise = os.urandom(60_000)
    pack(there, {f"{number}.wav": noise for number in range(3)}, kind)
    there.write_bytes(there.read_bytes()[: int(there.stat().st_size * share)])
    with pytest.raises(DataError, match=DAMAGED):
        opened(there)


@pytest.mark.parametrize("kind", KINDS)
def test_damage_anywhere_is_one_line_or_harmless(there, kind):
    generator = random.Random(7)
    whole = pack(there, {"genres/a.wav": generator.randbytes(300), "b.wav": b"x"}, kind).read_bytes()
    for _ in range(50):
        content = bytearray(whole)
        for _ in range(generator.choice((1, 1, 4))):
            content[generator.randrange(len(content))] = generator.randrange(256)
        there.write_bytes(content)
        with contextlib.suppress(DataError, StorageError), unpacked(there, there.parents[1] / "out"):
            pass


def test_text_is_no_archive(there):
    there.write_text("<html>Sign in to continue</html>" * 100)
    with pytest.raises(DataError, match=DAMAGED):
        opened(there)


def test_full_disk_is_one_line(there, small_disk, monkeypatch):
    folder, _ = small_disk
    monkeypatch.setattr("shutil.disk_usage", lambda _: namedtuple("Usage", "free")(1 << 30))
    pack(there, {"a.wav": os.urandom(200_000)})
    there.rename(folder.parent / "there" / "packed")
    with pytest.raises(StorageError, match="no space left for"), unpacked(there.with_name("packed"), folder / "out"):
        pass
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_progress_counts_the_archives_own_bytes(there, kind):
    came = []

    @contextlib.contextmanager
    def progress(stage, *, total, unit, initial=0):
        assert (stage, total, unit) == ("unpack archive", size, "byte")
        yield came.append

    size = pack(there, {f"{number}.wav": os.urandom(50_000) for number in range(9)}, kind).stat().st_size
    with displayed(progress):
        opened(there)
    assert min(came) >= 0
    assert 0.9 < sum(came) / size <= 1
