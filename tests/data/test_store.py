"""The prepared store: what it holds, that it survives every end of a run, and that it notices every change."""

import contextlib
import errno
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile

from evar.base.errors import StorageError
from evar.base.progress import displayed
from evar.data import audio, sample_file, store, store_writer
from evar.data.opening import MISSING, Unreadable
from evar.data.promised import Promised, short_clips
from evar.data.store import prepare

RATE = 16_000
OPEN = Path("/proc/self/fd")


@pytest.fixture(autouse=True)
def _small_groups(monkeypatch):
    monkeypatch.setattr(sample_file, "GROUP_CLIPS", 4)
    monkeypatch.setattr(sample_file, "GROUP_SECONDS", float("inf"))


class Counted:
    """A progress that remembers where it began and how far it came."""

    def __init__(self, on_clip=lambda: None):
        self.initial, self.total, self.done, self.on_clip = None, None, 0, on_clip

    @contextlib.contextmanager
    def __call__(self, stage, *, total, unit, initial=0):
        assert (stage, unit) == ("prepare", "clip")
        self.initial, self.total = initial, total

        def advance(amount):
            self.done += amount
            self.on_clip()

        yield advance


def write_clip(path, seed, frames=800, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (np.random.default_rng(seed).standard_normal(frames) * 3000).astype(np.int16)
    with path.open("wb") as file:
        soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
    return samples


@pytest.fixture
def root(tmp_path):
    """Ten clips of different length; with four a group, three groups."""
    folder = tmp_path / "sounds"
    for number in range(10):
        write_clip(folder / f"{number}.wav", number, 500 + 100 * number)
    return folder


def names(count=10):
    return [f"{number}.wav" for number in range(count)]


def made(root, paths=None, *, workers=2, progress=None, rate=RATE):
    with displayed(progress) if progress else contextlib.nullcontext():
        return prepare(root, paths or names(), rate, root.parent / "cache", workers=workers)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def coverage(prepared):
    return len(prepared.usable) / len(prepared.index)


def checked(prepared, row):
    """The clip's samples, copied and checked as they are for embedding."""
    out = np.empty((1, prepared.index["length"].iloc[row]), np.int16)
    prepared.copy(np.array([row]), np.array([0]), out)
    return out[0]


def assert_same_clips(one, other):
    """The same rows and the same samples; where they lie in the file may differ after changes."""
    pd.testing.assert_frame_equal(one.index, other.index)
    for row in range(len(one.index)):
        np.testing.assert_array_equal(checked(one, row), checked(other, row))


def finished(folder):
    """How many clips the journal holds."""
    return sum(
        len(sample_file._parsed(line)["clip"])
        for line in (folder / sample_file.JOURNAL).read_bytes().split(b"\n")[1:]
        if line
    )


def test_holds_every_clip_in_the_order_asked_for(root):
    paths = [*reversed(names()), "3.wav"]
    prepared = made(root, paths)
    assert prepared.index["path"].tolist() == paths
    for row, path in enumerate(paths):
        number = int(path[0])
        expected = write_clip(root.parent / "again.wav", number, 500 + 100 * number)
        np.testing.assert_array_equal(prepared.samples(row), expected)
        assert prepared.index["length"].iloc[row] == len(expected)
        assert prepared.index["duration"].iloc[row] == len(expected) / RATE
        assert prepared.index["peak"].iloc[row] == np.abs(expected.astype(float)).max() / 32768
    assert (prepared.index["original_rate"] == RATE).all()
    assert (prepared.index["channels"] == 1).all()
    assert prepared.index["content"].iloc[6] == prepared.index["content"].iloc[10]
    assert prepared.index["content"].nunique() == 10
    assert (len(prepared.usable), len(prepared.quarantined)) == (11, 0)


@pytest.mark.parametrize("whole", [False, True], ids=["read-where-it-lies", "with-its-samples"])
def test_a_part_for_another_machine_gives_the_same_clips(root, whole):
    there, rows = made(root), np.array([7, 2, 3])
    part = pickle.loads(pickle.dumps(there.part(rows, whole=whole)))
    if whole:
        there.folder.rename(root / "elsewhere")
    out = np.empty((4, 700), np.int16)
    part.open().copy(np.arange(3), np.zeros(3, np.int64), out)
    for place, row in enumerate(rows.tolist()):
        assert (out[place] == there.samples(row)[:700]).all()
    assert not out[3].any()
    assert part.paths == [names()[row] for row in rows.tolist()]


def test_a_part_whose_store_is_another_one_there_is_noticed(root):
    there = made(root)
    part = there.part(np.array([1]), whole=False)
    content = bytearray(part.data.read_bytes())
    content[int(part.columns["offset"][0])] ^= 1
    part.data.write_bytes(content)
    with pytest.raises(StorageError, match="is damaged"):
        part.open().copy(np.array([0]), np.array([0]), np.empty((1, 100), np.int16))
    part.data.unlink()
    with pytest.raises(StorageError, match="is not there"):
        part.open()


def test_samples_cannot_be_written_to(root):
    with pytest.raises(ValueError, match="read-only"):
        made(root).samples(0)[0] = 1


def test_the_key_is_readable(root):
    prepared = made(root)
    key = json.loads((prepared.folder / "key.json").read_text())
    assert (key["root"], key["rate"], key["clips"]) == (str(root), RATE, 10)
    assert prepared.folder.parent == root.parent / "cache" / "stores"
    assert prepared.folder.name.startswith("sounds-16000-")
    assert store.store_folder(root, names(), RATE, root.parent / "cache") == prepared.folder


def test_any_number_of_threads_gives_the_same_bits(root):
    stores = []
    for workers in (1, 2, 7):
        cache = root.parent / f"cache-{workers}"
        stores.append(prepare(root, names(), 8000, cache, workers=workers))
    assert contents(stores[0].folder) == contents(stores[1].folder) == contents(stores[2].folder)
    assert len({prepared.digest for prepared in stores}) == 1


def test_a_broken_clip_is_quarantined_with_its_reason_and_the_others_go_on(root):
    (root / "1.wav").write_bytes(b"")
    (root / "2.wav").write_text("not audio")
    (root / "3.wav").unlink()
    (root / "4.wav").unlink()
    (root / "4.wav").mkdir()
    content = (root / "5.wav").read_bytes()
    (root / "5.wav").write_bytes(content[: len(content) // 2])
    soundfile.write(root / "6.wav", np.array([0.1, np.nan]), RATE, subtype="FLOAT")
    prepared = made(root)
    reasons = prepared.quarantined.set_index("path")["reason"]
    assert reasons.index.tolist() == [f"{number}.wav" for number in range(1, 7)]
    assert reasons["1.wav"] == "empty: zero bytes"
    assert reasons["3.wav"] == MISSING
    assert reasons["4.wav"] == "is a folder"
    assert "promises" in reasons["5.wav"]
    assert "not finite" in reasons["6.wav"]
    assert prepared.usable.tolist() == [0, 7, 8, 9]
    assert prepared.usable.dtype == np.int64
    assert coverage(prepared) == 0.4
    assert len(prepared.samples(1)) == 0
    assert len(prepared.samples(7)) == 1200
    assert prepared.index.loc[1, ["length", "content", "duration"]].tolist() == [0, "", 0.0]


def test_what_is_no_regular_file_is_quarantined_and_nothing_waits_for_it(root):
    for name in names(4):
        (root / name).unlink()
    os.mkfifo(root / "0.wav")
    (root / "1.wav").symlink_to("/dev/zero")
    (root / "2.wav").symlink_to("2.wav")
    (root / "3.wav").mkdir()
    prepared = made(root)
    zero, one, two, three = prepared.quarantined["reason"]
    assert (zero, one, three) == ("is no regular file", "is no regular file", "is a folder")
    assert "symbolic links" in two
    assert (made(root).decoded, prepared.decoded) == (0, 10)


def test_a_clip_that_changes_while_it_is_decoded_is_decoded_again(root, monkeypatch):
    def changed(path, rate, inside):
        clip = read(path, rate, inside)
        if path.name == "5.wav":
            write_clip(path, 77, 1000)  # as long as it was
        return clip

    read = audio.read
    with monkeypatch.context() as patch:
        patch.setattr(audio, "read", changed)
        before = made(root)
    after = made(root)
    assert after.decoded == 1
    assert after.digest != before.digest
    assert_same_clips(after, prepare(root, names(), RATE, root.parent / "other", workers=1))


def test_a_dataset_without_one_usable_clip_is_a_store(tmp_path):
    prepared = made(tmp_path / "nowhere", ["a.wav", "b.wav"])
    assert prepared.quarantined["reason"].tolist() == [MISSING] * 2
    assert (len(prepared.usable), len(prepared.samples(1))) == (0, 0)
    assert len(prepare(tmp_path, [], RATE, tmp_path / "cache", workers=1).usable) == 0


def test_names_may_be_any_text_and_lie_anywhere(tmp_path):
    paths = ["a b.wav", "new\nline.wav", "日本/é.wav", os.fsdecode(b"caf\xe9.wav"), "../beside.wav", 'quo"te,.wav']
    paths += [str(tmp_path / "elsewhere" / "absolute.wav")]
    root = tmp_path / ("ö \n" + "n" * 200)
    for seed, path in enumerate(paths):
        write_clip(root / path, seed)
    broken = ["x" * 300 + ".wav", "nul\0.wav", ""]
    first, again = made(root, paths + broken), made(root, paths + broken)
    assert first.usable.tolist() == list(range(len(paths)))
    assert again.index["path"].tolist() == paths + broken
    assert again.digest == first.digest


def test_a_second_call_decodes_nothing_and_takes_no_lock(root, monkeypatch):
    first = made(root)
    monkeypatch.setattr(audio, "read", None)
    monkeypatch.setattr(store, "locked", None)
    again = made(root)
    pd.testing.assert_frame_equal(again.index, first.index)
    assert again.digest == first.digest
    np.testing.assert_array_equal(again.samples(9), first.samples(9))


def test_the_digest_tells_contents_rate_and_order_and_not_the_place(root, tmp_path):
    digest = made(root).digest
    assert made(root, rate=8000).digest != digest
    assert made(root, names()[::-1]).digest != digest
    moved = root.rename(tmp_path / "moved")
    assert made(moved).digest == digest
    write_clip(moved / "0.wav", 99, 500)
    assert made(moved).digest != digest


def test_a_changed_source_is_decoded_alone(root, monkeypatch):
    before = made(root)
    write_clip(root / "5.wav", 77, 300)
    os.utime(root / "6.wav", (1, 1))  # read, not decoded
    (root / "7.wav").unlink()
    read, decoded = audio.read, []
    monkeypatch.setattr(audio, "read", lambda path, *more: decoded.append(path.name) or read(path, *more))
    progress = Counted()
    after = made(root, progress=progress)
    assert sorted(decoded) == ["5.wav", "7.wav"]
    assert (progress.initial, progress.done, progress.total) == (7, 3, 10)
    assert len(after.samples(5)) == 300
    assert after._samples.end == before._samples.end + 2 * 300
    assert after.digest != before.digest
    assert_same_clips(after, prepare(root, names(), RATE, root.parent / "other", workers=1))
    assert_same_clips(made(root, progress=Counted(lambda: pytest.fail("looked at again"))), after)


def test_a_store_opened_before_a_change_keeps_its_samples(root):
    before = made(root)
    held = [before.samples(row).copy() for row in range(10)]
    write_clip(root / "5.wav", 77, 1000)  # as long as it was
    made(root)
    for row in range(10):
        np.testing.assert_array_equal(checked(before, row), held[row])


def test_what_changes_leave_behind_is_freed_once_it_outweighs_the_rest(root):
    before = made(root)
    size = sum(before.index["length"]) * 2
    held = before.samples(9).copy()
    for seed in range(20, 26):
        for row in range(10):
            write_clip(root / f"{row}.wav", seed + row, 500 + 100 * row)
        after = made(root)
        (data,) = after.folder.glob("samples-*.bin")
        assert data.stat().st_size <= 3 * size
    np.testing.assert_array_equal(before.samples(9), held)  # its file is gone, its map is not
    assert_same_clips(after, prepare(root, names(), RATE, root.parent / "other", workers=1))


def test_a_change_of_equal_size_is_noticed_also_where_the_time_goes_backwards(root):
    before = made(root)
    write_clip(root / "5.wav", 78, 1000)
    os.utime(root / "5.wav", (1, 1))
    assert made(root).digest != before.digest


def test_a_missing_file_that_appears_is_taken_in(root):
    samples = (root / "9.wav").read_bytes()
    (root / "9.wav").unlink()
    assert made(root).quarantined["path"].tolist() == ["9.wav"]
    (root / "9.wav").write_bytes(samples)
    assert coverage(made(root)) == 1.0
    (root / "9.wav").unlink()
    assert coverage(made(root)) == 0.9


def test_a_read_error_of_the_disk_is_tried_again(root, monkeypatch):
    def fail(*_):
        raise Unreadable("cannot be read: Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(audio, "read", fail)
        assert coverage(made(root)) == 0.0
    assert coverage(made(root)) == 1.0


def flipped(file, place):
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(("damage", "redone"), [
    (lambda data, journal: data.write_bytes(data.read_bytes()[:-2]), 2),
    (lambda data, journal: data.unlink(), 10),
    (lambda data, journal: journal.write_text("{"), 10),
    (lambda data, journal: journal.write_text("[]\n"), 10),
    (lambda data, journal: flipped(journal, 3), 10),
    (lambda data, journal: flipped(journal, -9), 2),
    (lambda data, journal: flipped(journal, len(journal.read_bytes()) // 2), 4),
    (lambda data, journal: journal.write_bytes(journal.read_bytes()[:-9]), 2),
])  # fmt: skip
def test_of_a_damaged_store_what_is_lost_is_decoded_again(root, damage, redone):
    before = made(root)
    damage(before._samples.data, before.folder / sample_file.JOURNAL)
    progress = Counted()
    after = made(root, progress=progress)
    assert progress.done == redone
    assert after.digest == before.digest
    assert_same_clips(after, prepare(root, names(), RATE, root.parent / "other", workers=1))


def test_a_flipped_sample_is_found_before_it_is_embedded(root):
    before = made(root)
    flipped(before._samples.data, 2 * 500 + 7)  # of the second clip
    after = made(root)
    checked(after, 0)
    with pytest.raises(StorageError, match=r"samples-1\.bin is damaged: delete the folder .* and run again"):
        checked(after, 1)


@pytest.mark.skipif(not OPEN.exists(), reason="no list of this process's open files")
def test_any_number_of_clips_is_one_open_file(root):
    before = len(list(OPEN.iterdir()))
    prepared = made(root)
    for row in range(10):
        prepared.samples(row)
    assert len(list(OPEN.iterdir())) <= before + 1


def test_a_file_that_went_before_it_was_mapped_is_one_line(root):
    folder = made(root).folder
    samples = sample_file.read(folder, 10)
    samples.data.unlink()
    with pytest.raises(StorageError, match="changed while it was in use: run again"):
        samples.clip(0)


class Boom(Exception):
    """What a progress raises to end a run."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, Boom])
def test_an_interrupted_run_stops_promptly_and_keeps_every_clip_that_was_finished(root, error):
    def stop():
        if progress.done == 6:
            raise error

    progress = Counted(stop)
    with pytest.raises(error):
        made(root, workers=1, progress=progress)
    folder = store.store_folder(root, names(), RATE, root.parent / "cache")
    assert finished(folder) >= 6
    assert not list(folder.glob(".*"))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prepare")]
    resumed = Counted()
    assert coverage(made(root, progress=resumed)) == 1.0
    assert resumed.initial >= 6


def test_a_disk_that_is_really_full_is_one_clear_error_and_more_room_resumes(root, small_disk):
    for number in range(10, 60):
        write_clip(root / f"{number}.wav", number)
    disk, enlarge = small_disk
    with pytest.raises(StorageError, match=r"no space left for .*: free some and run again") as error:
        prepare(root, names(60), RATE, disk, workers=2)
    assert "\n" not in str(error.value)
    folder = store.store_folder(root, names(60), RATE, disk)
    kept = finished(folder)
    assert 4 <= kept < 60
    assert not list(folder.glob(".*"))
    assert (folder / "samples-1.bin").stat().st_size == sum(
        500 + 100 * row if row < 10 else 800 for row in range(kept)
    ) * 2
    enlarge()
    progress = Counted()
    with displayed(progress):
        prepared = prepare(root, names(60), RATE, disk, workers=2)
    assert progress.initial == kept
    assert_same_clips(prepared, made(root, names(60)))


def test_a_cache_that_cannot_be_written_is_reported(root):
    (root / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        prepare(root, names(), RATE, root / "file" / "cache", workers=1)


def test_what_a_killed_run_wrote_after_its_last_line_is_written_over(root):
    prepared = made(root)
    data = prepared._samples.data
    with data.open("ab") as file:
        file.write(b"a torn clip")
    with (prepared.folder / sample_file.JOURNAL).open("ab") as file:
        file.write(b'0123456789abcdef {"clip":[9],"off')
    os.utime(root / "9.wav", (1, 1))
    assert_same_clips(made(root), prepared)
    assert data.stat().st_size == sum(prepared.index["length"]) * 2


KILLED = """
import contextlib, os, signal, sys
from pathlib import Path
from evar.base.progress import displayed
from evar.data import sample_file, store
sample_file.GROUP_CLIPS = 4
root, cache = Path(sys.argv[1]), Path(sys.argv[2])
paths = [f"{number}.wav" for number in range(int(sys.argv[3]))]
folder = store.store_folder(root, paths, 16000, cache)

@contextlib.contextmanager
def progress(stage, *, total, unit, initial=0):
    def advance(amount):
        if (folder / "samples.jsonl").read_bytes().count(b'{"clip":') >= 2:
            os.kill(os.getpid(), signal.SIGKILL)
    yield advance

with displayed(progress):
    store.prepare(root, paths, 16000, cache, workers=2)
"""


def test_a_killed_run_resumes_without_redoing_finished_groups(root):
    for number in range(10, 60):
        write_clip(root / f"{number}.wav", number)
    cache = root.parent / "cache"
    killed = subprocess.run([sys.executable, "-c", KILLED, root, cache, "60"], check=False)
    assert killed.returncode == -signal.SIGKILL
    kept = finished(store.store_folder(root, names(60), RATE, cache))
    assert 8 <= kept < 60
    progress = Counted()
    prepared = made(root, names(60), progress=progress)
    assert progress.initial == kept
    assert_same_clips(prepared, prepare(root, names(60), RATE, root.parent / "other", workers=2))


WAITING = """
import logging, sys
from pathlib import Path
from evar.data import audio, store
audio.read = None  # this one decodes nothing
root, cache = Path(sys.argv[1]), Path(sys.argv[2])
paths = [f"{number}.wav" for number in range(10)]
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
found = store.prepare(root, paths, 16000, cache, workers=1)
print(found.digest, flush=True)
"""


def test_of_two_processes_one_works_and_the_other_waits_and_reads(root, monkeypatch):
    read, other_waits = audio.read, threading.Event()
    others, lines = [], []

    def slow(path, rate, inside):
        if path.name == "9.wav":
            assert other_waits.wait(60)
        return read(path, rate, inside)

    def start_other_and_see_it_wait():
        if not others:
            command = [sys.executable, "-c", WAITING, root, root.parent / "cache"]
            others.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            lines.append(others[0].stdout.readline())
            other_waits.set()

    monkeypatch.setattr(audio, "read", slow)
    prepared = made(root, progress=Counted(start_other_and_see_it_wait))
    rest, _ = others[0].communicate(timeout=60)
    assert lines[0].startswith("waiting for another process that prepares sounds-16000-")
    assert rest.split() == [prepared.digest]
    assert others[0].returncode == 0


def test_clips_shorter_than_their_table_promises_are_found(root):
    (root / "3.wav").unlink()
    prepared = made(root)
    promised = prepared.index["duration"] + 0.4
    promised.iloc[[2, 3, 5]] += [0.2, 0.2, np.nan]
    short = short_clips(prepared.index, promised)
    assert short["path"].tolist() == ["2.wav"]
    assert short["promised"].iloc[0] - short["duration"].iloc[0] == pytest.approx(0.6)


def promised(*seconds, typical=1.0):
    return Promised(np.array(seconds), typical)


def test_what_is_to_be_decoded_and_its_room_is_noted_before_by_the_tables_seconds(root, notes):
    place, seconds = root.parent / "cache", [0.05] * 9
    first = prepare(root, names(10), RATE, place, workers=1, promised=promised(*seconds, 0.05))
    assert notes == [f"clips to decode: 10, 16.0 kB in {first.folder}"]
    prepare(root, names(10), RATE, place, workers=1, promised=promised(*seconds, 0.05))
    write_clip(root / "3.wav", 99, frames=900)
    prepare(root, names(10), RATE, place, workers=1, promised=promised(*seconds, 0.05))
    assert notes[1:] == [f"clips to decode: 1, 1.6 kB in {first.folder}"]


def test_where_the_table_says_nothing_the_tasks_seconds_are_the_typical_length(root, notes):
    some = promised(0.1, np.nan, np.inf, -1, *[0.1] * 6, typical=0.5)
    prepared = prepare(root, names(10), RATE, root.parent / "cache", workers=1, promised=some)
    assert notes == [f"clips to decode: 10, about 0.5 s each, 70.4 kB in {prepared.folder}"]


def test_a_typical_length_that_does_not_fit_is_a_warning_and_a_promised_one_an_error(root, notes, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=320_000))
    prepare(root, names(10), RATE, root.parent / "a", workers=1, promised=promised(*[np.nan] * 10, typical=2.0))
    prepare(root, names(10), RATE, root.parent / "b", workers=1, promised=promised(*[1.5] * 10))  # 0.5 s may lack
    assert len(notes) == 2
    assert all(note.endswith("320.0 kB are free, which may be too little: `evar cache prune --to SIZE` frees some")
               for note in notes)  # fmt: skip
    monkeypatch.setattr(audio, "read", None)
    with pytest.raises(StorageError, match=r"decoding 10 clips needs 323\.2 kB in .*, 320\.0 kB are free: free some"):
        prepare(root, names(10), RATE, root.parent / "c", workers=1, promised=promised(*[1.51] * 10))


def test_what_is_missing_or_merely_touched_needs_no_room(root, notes, monkeypatch):
    (root / "4.wav").unlink()
    made(root)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    for number in (0, 1):
        os.utime(root / f"{number}.wav", (1, 1))
    prepare(root, names(), RATE, root.parent / "cache", workers=1, promised=promised(*[9.0] * 10))
    assert notes == []


def test_room_that_decoding_frees_first_is_counted(root, monkeypatch):
    data = made(root)._samples.data
    with data.open("ab") as file:
        file.write(bytes(320_000))  # a killed run's
    for number in range(10):
        write_clip(root / f"{number}.wav", number, frames=700)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    prepare(root, names(), RATE, root.parent / "cache", workers=1, promised=promised(*[1.5] * 10))
    assert data.stat().st_size < 320_000


def test_opening_looks_once_at_each_source(root, monkeypatch):
    made(root)
    stats, signature = [], store_writer.signature
    monkeypatch.setattr(store_writer, "signature", lambda source: stats.append(source) or signature(source))
    made(root)
    assert len(stats) == 10


def test_too_many_open_files_are_named_for_what_they_are(root, monkeypatch):
    def none_left(path, *how, **options):
        if path.suffix == ".wav":
            raise OSError(errno.EMFILE, "Too many open files")
        return opened(path, *how, **options)

    opened = Path.open
    monkeypatch.setattr(Path, "open", none_left)
    with pytest.raises(StorageError, match=r"too many open files, at .*wav: allow more \(ulimit -n 4096\)"):
        made(root)


def test_the_real_slice_of_urbansound8k_decodes_whole(shared, tmp_path):
    folder = shared / "data" / "UrbanSound8K"
    paths = sorted(str(path.relative_to(folder)) for path in folder.glob("audio/fold*/*.wav"))[:40]
    prepared = prepare(folder, paths, RATE, tmp_path, workers=2)
    assert coverage(prepared) == 1.0
    assert prepared.index["length"].equals((prepared.index["duration"] * RATE).round().astype("int64"))
