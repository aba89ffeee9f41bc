"""Unpacking: what honest archives hold comes out; everything else is refused with one line and stays inside."""

import contextlib
import gzip
import io
import os
import random
import stat
import tarfile
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evar.base.errors import DataError, StorageError
from evar.base.progress import displayed
from evar.data.downloads.unpack import SLACK_BYTES, Member, _refusal, unpacked
from tests.data.downloads.archives import KINDS, pack, pack_tar, tar_member, zip_link

FILES = {"genres/": b"", "genres/blues/blues.00000.wav": b"RIFF" * 999, "./été.wav": b"", "a b/c\nd.txt": b"x"}


@pytest.fixture
def there(tmp_path):
    """An archive's path; nothing of an archive comes out beside its folder, and nothing stays of a refused one."""
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


@pytest.mark.parametrize("kind", KINDS)
def test_modes_are_not_taken_over(there, kind):
    opened(pack(there, {"a/b.wav": b"x"}, kind))
    assert (there.parents[1] / "out" / "a" / "b.wav").stat().st_mode & (stat.S_ISUID | stat.S_IXUSR) == 0


def test_archive_is_kept_where_what_came_out_is_not_wanted(there):
    pack(there, FILES)
    with pytest.raises(DataError, match="not wanted"), unpacked(there, there.parents[1] / "out"):
        raise DataError("not wanted")
    assert there.exists()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../outside.txt", "leads out of the folder"),
        ("a/../../outside.txt", "leads out of the folder"),
        ("..", "leads out of the folder"),
        ("/etc/evar", "is absolute"),
        ("//host/share", "is absolute"),
        ("C:/outside.txt", "is absolute"),
        ("a\\..\\b", "has a character that no name should have"),
        ("Good.wav", "differs from 'good.wav' in case only"),
        ("GOOD.WAV/b.wav", "differs from 'good.wav' in case only"),
        ("Folder/b.wav", "differs from 'folder' in case only"),
        ("good.wav/a", "stands where another one does"),
        ("folder", "stands where another one does"),
        (".", "stands where another one does"),
    ],
)
def test_name_that_leads_elsewhere_is_refused(there, kind, name, why):
    with pytest.raises(DataError, match=f"is not unpacked: member '.*' {why}; delete it and get another copy"):
        opened(pack(there, {"good.wav": b"x", "folder/a.wav": b"x", name: b"evil"}, kind))


FOLDER = Path("/data/new")
PIECES = ["..", ".", "", "/", "//", "\\", "a", "genres", "C:", "~", "\0", "\n", "é", "\udce9", " ", "x" * 254]
PARTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\\\0:"), min_size=1, max_size=20)
NASTY = st.lists(st.sampled_from(PIECES))


def refusal(name, spellings=None):
    return _refusal(Member(name, False, True, io.BytesIO), {} if spellings is None else spellings)


@given(st.one_of(st.text(), NASTY.map("".join), NASTY.map("/".join)))
@example("a/../../b")
@example("....//")
def test_whatever_a_member_is_called_it_stays_inside_or_is_refused(name):
    if not refusal(name):
        place = os.path.normpath(FOLDER / name)
        assert Path(place) == FOLDER or Path(place).is_relative_to(FOLDER)
        assert place == str(FOLDER / name)


@given(st.lists(PARTS.filter(lambda part: part not in (".", "..")), min_size=1, max_size=5))
def test_plain_relative_name_is_taken_also_twice(parts):
    name, spellings = "/".join(parts), {}
    if len({part.casefold() for part in parts}) == len(parts):
        assert refusal(name, spellings) == refusal(f"./{name}", spellings) == refusal(f"{name}/", spellings) == ""


NOT_PLAIN = "SYMTYPE LNKTYPE FIFOTYPE CHRTYPE BLKTYPE GNUTYPE_SPARSE".split()


@pytest.mark.parametrize("kind", [*(getattr(tarfile, name) for name in NOT_PLAIN), b"Z"])
def test_tar_member_that_is_no_plain_file_is_refused(there, kind):
    member = tar_member("door", kind=kind, target="../../outside.txt")
    with pytest.raises(DataError, match="member 'door' is a link, a device, encrypted or otherwise no plain file"):
        opened(pack_tar(there, [(member, b""), (tar_member("door", 4), b"evil")]))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO])
def test_zip_member_that_is_no_plain_file_is_refused(there, kind):
    with pytest.raises(DataError, match="member 'door' is a link, a device"):
        opened(zip_link(there, "door", "../../outside.txt", kind))


def test_encrypted_zip_is_refused(there):
    pack(there, {"a.wav": b"x"}, "zip")
    content = bytearray(there.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    there.write_bytes(content)
    with pytest.raises(DataError, match=r"member 'a.wav' is .*encrypted"):
        opened(there)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_that_may_ask_for_any_memory_is_refused(there, method):
    with zipfile.ZipFile(there, "w", method) as archive:
        archive.writestr("a.wav", b"x")
    with pytest.raises(DataError, match=r"member 'a.wav' is .*no plain file"):
        opened(there)


BOMB = "is not unpacked: it unpacks to far more bytes than audio does"


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize("sizes", [[30 << 20], [1 << 20] * 30])
def test_bomb_is_stopped_before_it_fills_the_disk(there, kind, sizes, monkeypatch):
    written = []
    monkeypatch.setattr("shutil.rmtree", lambda folder, **_: written.append(on_disk(folder)))
    with pytest.raises(DataError, match=BOMB):
        opened(pack(there, {f"{number}.wav": bytes(size) for number, size in enumerate(sizes)}, kind))
    assert written[-1] <= SLACK_BYTES + 10 * there.stat().st_size
    monkeypatch.undo()
    with pytest.raises(DataError, match=BOMB):
        opened(there)


def on_disk(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


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
    with pytest.raises(DataError, match=BOMB):
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


@pytest.mark.parametrize("kind", KINDS)
def test_damage_anywhere_is_one_line_or_harmless(there, kind):
    generator = random.Random(7)
    whole = pack(there, {"genres/a.wav": generator.randbytes(300), "b.wav": b"x"}, kind).read_bytes()
    for _ in range(200):
        content = bytearray(whole)
        for _ in range(generator.choice((1, 1, 4))):
            content[generator.randrange(len(content))] = generator.randrange(256)
        there.write_bytes(content)
        with contextlib.suppress(DataError, StorageError), unpacked(there, there.parents[1] / "out"):
            pass


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
