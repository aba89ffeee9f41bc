"""Files that outlive a run: whole or not at all, and one clear error where the disk refuses."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from evar.base.byte_size import read_size, size
from evar.base.errors import StorageError
from evar.base.files import (
    UNFINISHED,
    atomic_path,
    hold,
    locked,
    open_regular,
    read_regular,
    remove_unfinished,
    unheld,
    write_atomic,
)
from evar.base.json_file import read_json, write_json


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


def test_file_where_a_folder_should_be_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write .*file/below"):
        write_atomic(tmp_path / "file" / "below", "text")
    with pytest.raises(StorageError, match="cannot write"), locked(tmp_path / "file" / "below"):
        pass


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "endless").symlink_to("/dev/zero")
    for name in ("pipe", "folder", "loop", "endless"):
        with pytest.raises(OSError, match=r"it is no regular file|symbolic links"):
            read_regular(tmp_path / name, 1000)
    for mode in ("ab", "r+b"):
        with pytest.raises(OSError, match=r"no regular file|No such device"):
            open_regular(tmp_path / "pipe", mode)
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 5) == b"12345"
    with pytest.raises(OSError, match="it has 5 bytes, more than 4"):
        read_regular(tmp_path / "link", 4)


def is_held(path):
    with unheld([path]) as free:
        return not free


def test_a_file_that_is_used_is_held_until_its_last_map_is_gone(tmp_path):
    write_atomic(tmp_path / "file", "x")
    assert not is_held(tmp_path / "file")
    with open_regular(tmp_path / "file") as file:
        hold(file)
        map_of_it = os.dup(file.fileno())
    assert is_held(tmp_path / "file")
    os.close(map_of_it)
    assert not is_held(tmp_path / "file")
    assert not is_held(tmp_path / "none")


def test_none_begins_to_use_a_file_while_it_is_known_to_be_unheld(tmp_path):
    write_atomic(tmp_path / "file", "x")
    with open_regular(tmp_path / "file") as file:
        holder = threading.Thread(target=hold, args=(file,))
        with unheld([tmp_path / "file", tmp_path / "none"]) as free:
            assert free
            holder.start()
            holder.join(0.2)
            assert holder.is_alive()
        holder.join(10)
        assert not holder.is_alive()
        with unheld([tmp_path / "file"]) as free:
            assert not free


def test_sizes_are_read_as_they_are_written_and_in_full():
    assert [read_size(text) for text in ("20GB", "1.5 TB", "500mb", "0", "4096", "7 B")] == [
        20 * 10**9, 1_500 * 10**9, 500 * 10**6, 0, 4096, 7]  # fmt: skip
    assert [read_size(size(count)) for count in (0, 999, 12_300, 5 * 10**12)] == [0, 999, 12_300, 5 * 10**12]
    for wrong in ("", "GB", "20QB", "20 G B", "-1", "1e9", "nan", "1.GB", "२GB"):
        with pytest.raises(ValueError, match="must be bytes, such as 20GB or 500MB"):
            read_size(wrong)


def test_what_a_killed_process_left_is_deleted_and_what_a_living_one_writes_is_not(tmp_path):
    kill = "import sys, os, pathlib; from evar.base.files import atomic_path; p = pathlib.Path(sys.argv[1])\n"
    kill += "with atomic_path(p): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", kill, tmp_path / "killed"])
    (tmp_path / ".mine.part").write_text("")
    with atomic_path(tmp_path / "alive") as temporary:
        temporary.write_text("x")
        assert sum(UNFINISHED.fullmatch(name) is not None for name in names(tmp_path)) == 2
        assert remove_unfinished(tmp_path) == ["killed"]
        assert temporary.exists()
    assert sorted(names(tmp_path)) == [".mine.part", "alive"]
    assert remove_unfinished(tmp_path / "none") == []


def test_of_what_is_remembered_a_changed_digit_is_no_other_fact(tmp_path):
    path = tmp_path / "facts.json"
    write_json(path, {"clips": 3, "of": {"é": [1.5, None]}})
    assert read_json(path) == {"clips": 3, "of": {"é": [1.5, None]}}
    for damaged in (path.read_text().replace("3,", "4,"), "[1]", "3", "{", "", "[" * 100_000, '{"clips": 3}'):
        path.write_text(damaged)
        assert read_json(path) == {}
    assert read_json(tmp_path / "none") == {}


def test_a_disk_that_turns_read_only_is_said_by_the_first_error(tmp_path, monkeypatch):
    def refuse(path, **_):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(type(tmp_path), "unlink", refuse)
    with pytest.raises(RuntimeError, match="in the middle"):
        fail_in_the_middle(tmp_path / "file")


def test_a_left_over_is_held_while_it_is_deleted_so_that_nobody_takes_it_for_its_own(tmp_path, monkeypatch):
    (tmp_path / f".file.{'0' * 32}.part").touch()
    unlink, held = Path.unlink, []

    def watched(path, **options):
        held.append(is_held(path))
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", watched)
    assert remove_unfinished(tmp_path) == ["file"]
    assert held == [True]
