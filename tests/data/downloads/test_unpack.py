"""Unpacking: what honest archives hold comes out; everything else is refused with one line and stays inside."""

import contextlib
import gzip
import io
import os
import stat
import tarfile
import zipfile

import pytest

from evar.base.errors import DataError, StorageError
from evar.base.progress import silent
from evar.data.downloads.unpack import Bounds, unpack
from tests.data.downloads.archives import KINDS, pack, pack_tar, tar_member, zip_link

FILES = {"genres/": b"", "genres/blues/blues.00000.wav": b"RIFF" * 999, "./été.wav": b"", "a b/c\nd.txt": b"x"}


@pytest.fixture
def there(tmp_path):
    """An archive's path, in a folder whose other content must not change."""
    folder = tmp_path / "there"
    folder.mkdir()
    (tmp_path / "outside.txt").write_text("untouched")
    yield folder / "archive"
    assert (tmp_path / "outside.txt").read_text() == "untouched"
    assert {path.name for path in tmp_path.iterdir()} <= {"there", "out", "outside.txt"}


def opened(archive, **more):
    out = archive.parents[1] / "out"
    unpack(archive, out, progress=silent, **more)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_honest_archive_comes_out_as_it_went_in_whatever_it_is_called(there, kind):
    expected = {name.removeprefix("./"): content for name, content in FILES.items() if not name.endswith("/")}
    assert opened(pack(there, FILES, kind)) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_modes_are_not_taken_over(there, kind):
    opened(pack(there, {"a/b.wav": b"x"}, kind))
    assert (there.parents[1] / "out" / "a" / "b.wav").stat().st_mode & (stat.S_ISUID | stat.S_IXUSR) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["../outside.txt", "a/../../outside.txt", "/etc/evar", "..", "C:/outside.txt", "a\\..\\b", "a" * 300]
)
def test_name_that_leads_elsewhere_is_refused(there, kind, name):
    with pytest.raises(DataError, match=r"is not unpacked: member '.*': it .*delete it and get another copy"):
        opened(pack(there, {"good.wav": b"x", name: b"evil"}, kind))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "a link to '../../outside.txt'"),
        (tarfile.LNKTYPE, "a link to '../../outside.txt'"),
        (tarfile.FIFOTYPE, "a device"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file"),
        (b"Z", "of an unknown kind"),
    ],
)
def test_tar_member_that_is_no_plain_file_is_refused(there, kind, said):
    member = tar_member("door", kind=kind, target="../../outside.txt")
    with pytest.raises(DataError, match=f"member 'door' is {said}"):
        opened(pack_tar(there, [(member, b""), (tar_member("door", 4), b"evil")]))


@pytest.mark.parametrize(("kind", "said"), [(stat.S_IFLNK, "a link"), (stat.S_IFIFO, "a device")])
def test_zip_member_that_is_no_plain_file_is_refused(there, kind, said):
    with pytest.raises(DataError, match=f"member 'door' is {said}"):
        opened(zip_link(there, "door", "../../outside.txt", kind))


def test_encrypted_zip_is_refused(there):
    pack(there, {"a.wav": b"x"}, "zip")
    content = bytearray(there.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    there.write_bytes(content)
    with pytest.raises(DataError, match=r"member 'a.wav' is encrypted"):
        opened(there)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_that_may_ask_for_any_memory_is_refused(there, method):
    with zipfile.ZipFile(there, "w", method) as archive:
        archive.writestr("a.wav", b"x")
    with pytest.raises(DataError, match=r"member 'a.wav' is compressed in an unusual way"):
        opened(there)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_bomb_is_stopped_before_it_fills_the_disk(there, kind):
    zeros = {f"{number}.wav": bytes(1 << 20) for number in range(40)}
    with pytest.raises(DataError, match="far more bytes than audio"):
        opened(pack(there, zeros, kind))
    assert on_disk(there) <= Bounds().slack + 10 * there.stat().st_size


def on_disk(archive):
    return sum(path.stat().st_size for path in (archive.parents[1] / "out").rglob("*") if path.is_file())


def test_bomb_in_one_member_is_stopped_by_what_it_promises(there):
    with pytest.raises(DataError, match="it promises far more bytes"):
        opened(pack(there, {"zeros.wav": bytes(30 << 20)}))
    assert on_disk(there) == 0


@pytest.mark.parametrize("where", ["in a header", "behind the end"])
def test_bomb_that_is_no_member_is_stopped_as_it_comes_out(there, where):
    tail = io.BytesIO()
    with tarfile.open(fileobj=tail, mode="w") as tar:
        if where == "in a header":
            tar.format = tarfile.PAX_FORMAT
            member = tar_member("a.wav")
            member.pax_headers = {"comment": "0" * (30 << 20)}
            tar.addfile(member)
    with gzip.open(there, "wb") as packed:
        packed.write(tail.getvalue())
        packed.write(bytes(30 << 20))
    with pytest.raises(DataError, match="it unpacks to far more bytes than audio does"):
        opened(there)


@pytest.mark.parametrize("kind", KINDS)
def test_number_of_members_is_bounded(there, kind):
    pack(there, {f"{number}.wav": b"" for number in range(11)}, kind)
    assert len(opened(there, bounds=Bounds(members=11))) == 11
    os.rename(there.parents[1] / "out", there.parents[1] / "there" / "before")  # noqa: PTH104
    with pytest.raises(DataError, match="it has more than 10 members"):
        opened(there, bounds=Bounds(members=10))


@pytest.mark.parametrize(("promised", "said"), [(3, "is damaged"), (5, "has 4 bytes instead of 5")])
def test_zip_that_lies_about_a_size_is_refused(there, promised, said):
    pack(there, {"a.wav": b"four"}, "zip")
    content = bytearray(there.read_bytes())
    content[content.index(b"PK\x01\x02") + 24] = promised
    there.write_bytes(content)
    with pytest.raises(DataError, match=said):
        opened(there)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_archive_is_damaged(there, kind, share):
    noise = os.urandom(60_000)
    pack(there, {f"{number}.wav": noise for number in range(3)}, kind)
    there.write_bytes(there.read_bytes()[: int(there.stat().st_size * share)])
    with pytest.raises(DataError, match="is damaged, or no zip, tar or tar.gz archive"):
        opened(there)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_flipped_bit_is_damage(there, kind):
    content = bytearray(pack(there, {"a.wav": os.urandom(60_000)}, kind).read_bytes())
    content[len(content) // 2] ^= 1
    there.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        opened(there)


def test_checksum_at_the_end_of_gzip_is_read(there):
    content = bytearray(pack(there, {"a.wav": b"x"}).read_bytes())
    content[-6] ^= 1
    there.write_bytes(content)
    with pytest.raises(DataError, match="CRC check failed"):
        opened(there)


def test_text_is_no_archive(there):
    there.write_text("<html>Sign in to continue</html>" * 100)
    with pytest.raises(DataError, match="is damaged, or no zip, tar or tar.gz archive"):
        opened(there)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a")])
def test_file_and_folder_of_one_name_are_refused(there, kind, names):
    with pytest.raises(DataError, match="stands where another one does"):
        opened(pack(there, dict.fromkeys(names, b"x"), kind))


def test_full_disk_is_one_line(there, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(StorageError, match="no space left for"):
        opened(pack(there, FILES))


@pytest.mark.parametrize("kind", KINDS)
def test_progress_counts_the_archives_own_bytes(there, kind):
    came = []

    @contextlib.contextmanager
    def progress(stage, *, total, unit, initial=0):
        assert (stage, total, unit) == ("unpack archive", there.stat().st_size, "byte")
        yield came.append

    pack(there, {f"{number}.wav": os.urandom(50_000) for number in range(9)}, kind)
    unpack(there, there.parent / "out", progress=progress)
    assert 0.9 < sum(came) / there.stat().st_size <= 1
