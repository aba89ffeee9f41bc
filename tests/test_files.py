"""Files that outlive a run: whole or not at all, and one clear error where the disk refuses."""

import pytest

from evar.base.errors import StorageError
from evar.base.files import atomic_path, locked, write_atomic


def names(folder):
    return [path.name for path in folder.iterdir()]


def fail_in_the_middle(path):
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        raise RuntimeError("in the middle")


def test_file_is_replaced_whole(tmp_path):
    write_atomic(tmp_path / "below" / "file", "one")
    write_atomic(tmp_path / "below" / "file", b"two")
    assert (tmp_path / "below" / "file").read_bytes() == b"two"
    assert names(tmp_path / "below") == ["file"]


def test_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    write_atomic(tmp_path / "file", "old")
    with pytest.raises(RuntimeError, match="in the middle"):
        fail_in_the_middle(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_file_where_a_folder_should_be_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write .*file/below"):
        write_atomic(tmp_path / "file" / "below", "text")
    with pytest.raises(StorageError, match="cannot write"), locked(tmp_path / "file" / "below"):
        pass
