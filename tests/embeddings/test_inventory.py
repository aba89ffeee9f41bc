"""What goes from the cache, in which order, and that nothing goes that another process uses."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evar.base.files import KEY, locked, mark_used
from evar.base.json_file import write_json
from evar.data.store import prepare
from evar.embeddings.inventory import inventory, prune

RATE = 16_000
LONG_AGO = 1_000_000_000  # seconds since the epoch
PROCESS = """
import contextlib, logging, sys
from pathlib import Path
from evar.base.progress import displayed
from evar.data.store import prepare

def waits(*_):
    print("here", flush=True)
    sys.stdin.readline()

@contextlib.contextmanager
def decoding(stage, **_):
    waits()
    yield lambda amount, text="": None

with displayed(decoding):
    store = prepare(Path(sys.argv[1]), ["clip.wav"], 16000, Path(sys.argv[2]), workers=1)
waits()
print(store.digest, int(store.samples(0).astype("i8").sum()))
"""
PRUNE = """
import sys
from evar.cli import main
sys.exit(main(["cache", "prune", "--to", sys.argv[1], "--cache", sys.argv[2]]))
"""


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def sounds(cache, name):
    """A dataset of one clip of noise, beside the cache."""
    folder = cache.parent / name
    folder.mkdir()
    samples = np.random.default_rng(len(name)).integers(-9000, 9000, RATE, np.int16)
    soundfile.write(folder / "clip.wav", samples, RATE)
    return folder


def store(cache, name, *, used=LONG_AGO):
    """A store of one clip that was last used then."""
    folder = prepare(sounds(cache, name), ["clip.wav"], RATE, cache, workers=1).folder
    return aged(folder, used)


def embeddings(cache, name, of, *, used=LONG_AGO):
    """What looks like an encoder's embeddings of a store."""
    folder = cache / "embeddings" / name
    write_json(folder / KEY, {"key": {"encoder": name}, "store": of.name})
    (folder / "last.npy").write_bytes(bytes(1000))
    return aged(folder, used)


def aged(folder, used):
    for file in folder.iterdir():
        os.utime(file, (used, used))
    return folder


def total(cache):
    return sum(item.size for item in inventory(cache))


def process(script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def go_on(other):
    other.stdin.write("\n")
    other.stdin.flush()


def folders(pruned):
    return [item.folder for item in pruned]


def test_what_was_used_longest_ago_goes_first_and_no_more_than_must(cache):
    new, old, middle = (store(cache, name, used=LONG_AGO + n) for n, name in ((2, "new"), (0, "old"), (1, "middle")))
    pruned = prune(cache, most=total(cache) - 1)
    assert folders(pruned.removed) == [old]
    assert (pruned.kept, pruned.left) == ([], total(cache))
    assert prune(cache, most=total(cache)).removed == []
    assert folders(prune(cache, most=total(cache) // 2 + 100).removed) == [middle]
    assert new.exists()


def test_embeddings_go_before_their_store_which_is_used_as_often_as_they_are(cache):
    often, seldom = store(cache, "often"), store(cache, "seldom", used=LONG_AGO + 1)
    stale = embeddings(cache, "stale", often, used=LONG_AGO)
    embeddings(cache, "fresh", often, used=LONG_AGO + 5)
    assert folders(prune(cache, most=total(cache) - 1).removed) == [stale]
    assert folders(prune(cache, most=total(cache) - 1).removed) == [seldom]
    assert folders(prune(cache, most=0).removed) == [cache / "embeddings" / "fresh", often]


def test_leftovers_go_first_and_whatever_the_size(cache):
    old = store(cache, "old")
    orphans = embeddings(cache, "orphans", Path("no store"), used=LONG_AGO + 9)
    assert folders(prune(cache, most=total(cache) - 1).removed) == [orphans]
    embeddings(cache, "orphans", Path("no store"))
    assert folders(prune(cache, most=10**9).removed) == [orphans]
    assert old.exists()


def test_to_open_a_store_is_to_use_it_and_to_list_the_cache_is_not(cache):
    opened, other = store(cache, "opened"), store(cache, "other", used=LONG_AGO + 1)
    prepare(cache.parent / "opened", ["clip.wav"], RATE, cache, workers=1)
    before = {item.folder: item.used for item in inventory(cache)}
    assert before[opened] > before[other] == LONG_AGO + 1
    assert {item.folder: item.used for item in inventory(cache)} == before
    assert folders(prune(cache, most=total(cache) - 1).removed) == [other]


def test_a_cache_that_is_read_only_is_used_as_ever(small_disk, cache):
    disk, _ = small_disk
    made = prepare(sounds(cache, "sounds"), ["clip.wav"], RATE, disk, workers=1)
    used = (made.folder / KEY).stat().st_mtime_ns
    digest = made.digest
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    mark_used(made.folder)
    assert prepare(cache.parent / "sounds", ["clip.wav"], RATE, disk, workers=1).digest == digest
    assert (made.folder / KEY).stat().st_mtime_ns == used


def test_what_another_process_writes_or_has_opened_stays_and_is_named(cache, monkeypatch, capsys):
    root, other = sounds(cache, "sounds"), store(cache, "other")
    with process(PROCESS, root, cache) as user:
        for prunes in range(2):  # while it decodes, then while it has the store open
            assert user.stdout.readline() == "here\n"
            pruned = prune(cache, most=0)
            assert folders(pruned.removed) == [] if prunes else [other]
            (kept,) = pruned.kept
            assert kept.owner.startswith(str(root))
            assert pruned.left == total(cache) > 0
            go_on(user)
        out, err = user.communicate(timeout=60)
    assert user.returncode == 0, err
    digest = prepare(root, ["clip.wav"], RATE, cache.parent / "anew", workers=1).digest
    samples = soundfile.read(root / "clip.wav", dtype="int16")[0]
    assert out.split() == [digest, str(samples.astype(int).sum())]
    assert folders(prune(cache, most=0).removed) == [kept.folder]


def test_two_prunes_at_once_take_turns_and_leave_what_fits_and_what_is_used(cache):
    root = sounds(cache, "in use")
    with process(PROCESS, root, cache) as user:
        assert user.stdout.readline() == "here\n"
        go_on(user)  # from decoding
        assert user.stdout.readline() == "here\n"
        (held,) = (path for path in (cache / "stores").iterdir() if path.is_dir())
        aged(held, LONG_AGO - 1)  # so it would be the first to go
        stores = [store(cache, f"store {number}", used=LONG_AGO + number) for number in range(5)]
        most = int(0.6 * total(cache))
        with locked(cache / "prune"):
            pruners = [process(PRUNE, most, cache) for _ in range(2)]
            assert all("waiting for another process that prunes" in each.stderr.readline() for each in pruners)
        said = [pruner.communicate(timeout=60) for pruner in pruners]
        assert [pruner.returncode for pruner in pruners] == [0, 0], said
        assert [folder for folder in (held, *stores) if folder.exists()] == [held, *stores[3:]]
        out = "".join(out for out, _ in said)
        assert (out.count("removed store"), out.count("kept, in use: store in_use-16000-")) == (3, 1)
        go_on(user)
        assert user.communicate(timeout=60)[0].split()
    assert user.returncode == 0
