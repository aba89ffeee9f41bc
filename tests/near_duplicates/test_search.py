"""Near-duplicates: planted ones are found and named on the side that is tested, distinct clips raise no alarm."""

from pathlib import Path

import numpy as np
import pytest

from evar.base.provenance import PACKAGE, imported_modules
from evar.data.manifest import Manifest, read_manifest
from evar.data.store import Store, prepare
from evar.data.task import load_task
from evar.near_duplicates import search
from evar.near_duplicates.record import NearDuplicates, find
from tests.near_duplicates.sounds import (
    RATE,
    Clip,
    distinct,
    everything,
    later,
    louder,
    make_task,
    mp3,
    noting,
    unlike,
    upside_down,
)

HUSH = np.zeros(RATE)
COPIES = (louder, upside_down, later, mp3, everything)


def look(task: tuple[Manifest, Store]) -> NearDuplicates:
    return find(*task, workers=2)


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> tuple[NearDuplicates, dict[str, str]]:
    """55 clips of every kind in test, as many others in train, and of each way to copy a clip, copies of 22 of them.

    Gives what was found, and the original of each copy.
    """
    draws = np.random.default_rng(3)
    sounds = list(distinct(draws, 10))
    clips = [Clip(f"{place:03}.wav", ("train", "test")[place % 2], sound) for place, sound in enumerate(sounds)]
    originals = {}
    for number, copied in enumerate(COPIES):
        for place in range(number, len(sounds), 5):
            name = f"{place:03}-{copied.__name__}.wav"
            originals[name] = clips[place].name
            clips.append(Clip(name, {"train": "test", "test": "train"}[clips[place].part], copied(sounds[place])))
    return look(make_task(tmp_path_factory.mktemp("many"), clips)), originals


@pytest.mark.parametrize("copied", COPIES, ids=lambda copied: copied.__name__)
def test_planted_copies_are_found(many, copied):
    found, originals = many
    pairs = {frozenset((each.path, each.other)) for each in found.clips}
    planted = {frozenset(pair) for pair in originals.items() if copied.__name__ in pair[0]}
    assert len(planted) == 22
    assert planted <= pairs


def test_distinct_clips_raise_no_alarm(many):
    found, originals = many
    assert len(found.clips) == len(originals)
    assert all(originals.get(each.path, originals.get(each.other)) in (each.path, each.other) for each in found.clips)


def test_lag_and_polarity_are_reported(tmp_path):
    original, *others = unlike(9)
    clips = [Clip(f"{place}.wav", "train", other) for place, other in enumerate(others)]
    clips += [Clip("a.wav", "train", original), Clip("b.wav", "test", -later(original))]
    (row,) = look(make_task(tmp_path, clips)).clips
    assert (row.path, row.part, row.other, row.other_part, row.others) == ("b.wav", "test", "a.wav", "train", 1)
    assert row.correlation < -0.9
    assert row.lag == 0.01


def test_one_hum_in_two_recordings_makes_no_copy(tmp_path):
    hum = 0.5 * np.sin(2 * np.pi * 100 * np.arange(2 * RATE) / RATE)
    draws = np.random.default_rng(0)
    clips = [
        Clip(f"{place}.wav", ("train", "test")[place % 2], hum + 0.02 * draws.standard_normal(len(hum)))
        for place in range(10)
    ]
    assert np.corrcoef(clips[0].waveform, clips[1].waveform)[0, 1] > 0.99
    found = look(make_task(tmp_path, clips))
    assert (found.clips, found.text) == ((), "none")


def test_tones_of_nearly_one_frequency_are_no_copies(tmp_path):
    time = np.arange(2 * RATE) / RATE
    tones = [0.5 * np.sin(2 * np.pi * (440 + 0.2 * place) * time) for place in range(10)]
    clips = [Clip(f"{place}.wav", ("train", "test")[place % 2], each) for place, each in enumerate(tones)]
    clips.append(Clip("copy.wav", "test", later(tones[4])))
    (row,) = look(make_task(tmp_path, clips)).clips
    assert (row.path, row.other) == ("copy.wav", "4.wav")


def test_equal_clips_and_clips_of_one_side_are_no_near_duplicates(tmp_path):
    first, second, *others = unlike(9)
    clips = [Clip(f"{place}.wav", "train", other) for place, other in enumerate(others)]
    clips += [Clip("a.wav", "train", first), Clip("b.wav", "valid", louder(first)), Clip("c.wav", "valid", second)]
    clips += [Clip("d.wav", "test", second), Clip("e.wav", "test", louder(second))]
    (row,) = look(make_task(tmp_path, clips)).clips
    assert (row.path, row.other) == ("e.wav", "c.wav")


def test_both_clips_of_a_pair_in_two_folds_are_near_duplicates(tmp_path):
    first, second, *others = unlike(20)
    clips = [Clip(f"{place}.wav", "123"[place % 3], other) for place, other in enumerate(others)]
    clips += [Clip("a.wav", "1", first), Clip("b.wav", "2", louder(first)), Clip("c.wav", "3", mp3(first))]
    clips += [Clip("d.wav", "2", second), Clip("e.wav", "2", louder(second))]
    found = look(make_task(tmp_path, clips, folds=True)).clips
    assert {each.path: each.others for each in found} == {"a.wav": 2, "b.wav": 2, "c.wav": 2}


def test_number_of_threads_changes_no_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "ALWAYS_COMPARED_SECONDS", 200)
    sounds = [*unlike(90), *(louder(sound) for sound in unlike(10))]
    clips = [Clip(f"{n}.wav", ("train", "test")[n // 90], each) for n, each in enumerate(sounds)]
    task = make_task(tmp_path, clips)
    sides = (task[0].table["part"] == "test").to_numpy(np.int64)
    one, three = (search.search(task[1], sides, [1], workers=workers) for workers in (1, 3))
    assert one == three
    assert len(one[0]) == 10


@pytest.mark.parametrize("sounds", [[HUSH, HUSH], [HUSH, np.ones(1)], [unlike(1)[0], unlike(1)[0][:1]]])
def test_next_to_nothing_is_no_mistake(tmp_path, sounds):
    clips = [Clip(f"{place}.wav", ("train", "test")[place], sound) for place, sound in enumerate(sounds)]
    assert look(make_task(tmp_path, clips)).clips == ()


def test_pairs_beyond_the_limit_are_counted_not_compared(tmp_path, monkeypatch):
    first, second, *others = unlike(12)
    clips = [Clip(f"{place}.wav", "train", other) for place, other in enumerate(others)]
    clips += [Clip("a.wav", "train", first), Clip("b.wav", "test", louder(first))]
    clips += [Clip("c.wav", "train", second), Clip("d.wav", "test", louder(second))]
    monkeypatch.setattr(search, "ALWAYS_COMPARED_SECONDS", 0)
    monkeypatch.setattr(search, "MOST_COMPARED_SECONDS", 2 * max(len(first), len(second)) / RATE + 0.1)
    found = look(make_task(tmp_path, clips))
    assert (len(found.clips), found.uncompared) == (1, 1)
    assert found.text.endswith("; 1 more pairs sound alike and were too many to compare")


def test_pairs_that_sound_unlike_are_compared_in_a_small_task_only(tmp_path, monkeypatch):
    clips = [Clip(f"{place}.wav", ("train", "test")[place % 2], sound) for place, sound in enumerate(unlike(8))]
    stages, small, large = [], make_task(tmp_path / "small", clips), make_task(tmp_path / "large", clips)
    with noting(stages):
        look(small)
        monkeypatch.setattr(search, "ALWAYS_COMPARED_SECONDS", 0)
        look(large)
    assert [total for _, total, _ in stages] == [8, 1, 16, 8, 1, 0]


def test_what_listens_sees_no_labels():
    for name in ("search", "likeness"):
        imported = {".".join(parts) for parts in imported_modules(PACKAGE / "near_duplicates" / f"{name}.py")}
        assert not {module for module in imported if module.startswith(("data.manifest", "data.task"))}, name


def test_real_slice_has_no_alarm_and_planted_copies_are_found_in_it(shared: Path, tmp_path):
    manifest = read_manifest(load_task("us8k"), shared / "data")
    there = manifest.keep(np.flatnonzero([(manifest.root / path).exists() for path in manifest.table["path"]])[::3])
    store = prepare(there.root, there.table["path"].tolist(), RATE, tmp_path, workers=2)
    loud = np.flatnonzero(store.index["peak"] > 0.05)[::3]
    clips = [Clip(f"{row}.wav", "train", store.samples(row) / 32768) for row in loud]
    clips += [Clip(f"{row}-copy.wav", "test", everything(store.samples(row) / 32768)) for row in loud[::4]]
    found = look(make_task(tmp_path / "planted", clips)).clips
    assert len(found) == len(loud[::4])
    assert all(each.path.removesuffix("-copy.wav") == each.other.removesuffix(".wav") for each in found)
    assert look((there.keep(store.usable), store)).clips == ()
