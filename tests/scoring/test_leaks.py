"""Leaks: planted ones are found and counted on the side that is tested, distinct clips raise no alarm."""

import contextlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evar.base.progress import silent
from evar.base.provenance import PACKAGE, imported_modules
from evar.data.manifest import Manifest, read_manifest
from evar.data.store import Store, prepare
from evar.data.task import load_task
from evar.scoring import near_duplicates
from evar.scoring.leak_list import Leaks
from evar.scoring.leaks import find_leaks
from tests.scoring.sounds import RATE, Clip, distinct, everything, later, louder, make_task, mp3, noise, upside_down

NONE = {"duplicates": 0, "near_duplicates": 0, "groups": 0, "silent": 0}
HUSH = np.zeros(RATE)
COPIES = (louder, upside_down, later, mp3, everything)


def find(task: tuple[Manifest, Store], workers: int = 2, progress=silent) -> Leaks:
    return find_leaks(*task, workers=workers, progress=progress)


def listed(leaks: Leaks, kind: str) -> pd.DataFrame:
    table = pd.read_csv(leaks.file, keep_default_na=False)
    return table[table["kind"] == kind].reset_index(drop=True)


def unlike(count: int, seed: int = 0) -> list[np.ndarray]:
    draws = np.random.default_rng(seed)
    return [noise(draws) for _ in range(count)]


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> tuple[Leaks, dict[str, str]]:
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
    return find(make_task(tmp_path_factory.mktemp("many"), clips)), originals


@pytest.mark.parametrize("copied", COPIES, ids=lambda copied: copied.__name__)
def test_planted_copies_are_found(many, copied):
    leaks, originals = many
    found = {frozenset(pair) for pair in listed(leaks, "near_duplicates")[["path", "other"]].itertuples(index=False)}
    planted = {frozenset(pair) for pair in originals.items() if copied.__name__ in pair[0]}
    assert len(planted) == 22
    assert planted <= found


def test_distinct_clips_raise_no_alarm(many):
    leaks, originals = many
    found = listed(leaks, "near_duplicates")
    assert len(found) == len(originals)
    assert all(originals.get(row.path, originals.get(row.other)) in (row.path, row.other) for row in found.itertuples())
    assert leaks.counts == {**NONE, "near_duplicates": len(originals)}


def test_lag_and_polarity_are_told(tmp_path):
    original, *others = unlike(9)
    clips = [Clip(f"{place}.wav", "train", other) for place, other in enumerate(others)]
    clips += [Clip("a.wav", "train", original), Clip("b.wav", "test", -later(original))]
    (row,) = listed(find(make_task(tmp_path, clips)), "near_duplicates").itertuples()
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
    assert find(make_task(tmp_path, clips)).counts == NONE


def test_tones_of_nearly_one_frequency_are_no_copies(tmp_path):
    time = np.arange(2 * RATE) / RATE
    tones = [0.5 * np.sin(2 * np.pi * (440 + 0.2 * place) * time) for place in range(10)]
    clips = [Clip(f"{place}.wav", ("train", "test")[place % 2], each) for place, each in enumerate(tones)]
    clips.append(Clip("copy.wav", "test", later(tones[4])))
    (row,) = listed(find(make_task(tmp_path, clips)), "near_duplicates").itertuples()
    assert (row.path, row.other) == ("copy.wav", "4.wav")


def test_exact_duplicates_are_no_near_duplicates_and_count_on_the_tested_side(tmp_path):
    first, second, *others = unlike(9)
    clips = [Clip(f"{place}.wav", "train", other) for place, other in enumerate(others)]
    clips += [Clip("a.wav", "train", first), Clip("b.wav", "valid", first), Clip("c.wav", "test", first)]
    clips += [Clip("d.wav", "test", second), Clip("e.wav", "test", second)]
    leaks = find(make_task(tmp_path, clips))
    assert leaks.counts == {**NONE, "duplicates": 1}
    (row,) = listed(leaks, "duplicates").itertuples()
    assert (row.path, row.other, row.other_part, row.others) == ("c.wav", "a.wav", "train", 2)


def test_train_and_valid_may_share_what_they_like(tmp_path):
    first, *others = unlike(9)
    clips = [Clip(f"{place}.wav", "test", other) for place, other in enumerate(others)]
    clips += [Clip("a.wav", "train", first, "g"), Clip("b.wav", "valid", first, "g")]
    clips += [Clip("c.wav", "valid", louder(first), "g")]
    assert find(make_task(tmp_path, clips)).counts == NONE


def test_each_fold_is_tested_against_all_others(tmp_path):
    first, second, third, *others = unlike(20)
    clips = [Clip(f"{place}.wav", "123"[place % 3], other) for place, other in enumerate(others)]
    clips += [Clip("a.wav", "1", first), Clip("b.wav", "3", first)]
    clips += [Clip("c.wav", "1", second), Clip("d.wav", "2", louder(second)), Clip("e.wav", "3", mp3(second))]
    clips += [Clip("f.wav", "2", third), Clip("g.wav", "2", louder(third))]
    leaks = find(make_task(tmp_path, clips, folds=True))
    assert leaks.counts == {**NONE, "duplicates": 2, "near_duplicates": 3}
    assert set(listed(leaks, "near_duplicates")["path"]) == {"c.wav", "d.wav", "e.wav"}


def test_groups_on_both_sides_count_their_tested_clips(tmp_path):
    parts = {"a": "train", "b": "test", "c": "test", "d": "valid", "e": "test"}
    groups = {"a": "one", "b": "one", "c": "one", "d": "two", "e": "three"}
    sounds = unlike(len(parts))
    clips = [Clip(name, part, sound, groups[name]) for (name, part), sound in zip(parts.items(), sounds, strict=True)]
    for clip in clips:
        clip.name += ".wav"
    leaks = find(make_task(tmp_path, clips))
    assert leaks.counts == {**NONE, "groups": 2}
    assert listed(leaks, "groups")[["path", "other"]].to_numpy().tolist() == [["b.wav", "a.wav"], ["c.wav", "a.wav"]]


def test_silent_clips_are_counted_apart_and_nobodys_duplicates(tmp_path):
    clips = [Clip(f"{place}.wav", "train", other) for place, other in enumerate(unlike(5))]
    clips += [Clip("a.wav", "train", HUSH), Clip("b.wav", "test", HUSH), Clip("c.wav", "test", HUSH + 0.5)]
    clips += [Clip("d.wav", "test", 3e-4 * np.sin(np.arange(RATE))), Clip("e.wav", "test", unlike(1, seed=9)[0])]
    leaks = find(make_task(tmp_path, clips))
    assert leaks.counts == {**NONE, "silent": 3}
    assert listed(leaks, "silent")["path"].tolist() == ["b.wav", "c.wav", "d.wav"]


@pytest.mark.parametrize("sounds", [[HUSH, HUSH], [HUSH, np.ones(1)], [unlike(1)[0], unlike(1)[0][:1]]])
def test_next_to_nothing_is_no_mistake(tmp_path, sounds):
    clips = [Clip(f"{place}.wav", ("train", "test")[place], sound) for place, sound in enumerate(sounds)]
    assert find(make_task(tmp_path, clips)).counts["near_duplicates"] == 0


def test_what_was_found_is_kept_until_samples_or_table_change(tmp_path):
    first, *others = unlike(9)
    clips = [Clip(f"{place}.wav", "train", other) for place, other in enumerate(others)]
    clips += [Clip("a.wav", "train", first), Clip("b.wav", "test", louder(first))]
    stages = []

    @contextlib.contextmanager
    def told(stage, *, total, unit, initial=0):
        stages.append((stage, total, unit))
        yield lambda amount: None

    before = find(make_task(tmp_path, clips), progress=told)
    assert stages == [("leaks", 10, "clip"), ("leaks, neighbours", 1, "clip"), ("leaks, pairs", 4, "pair")]
    assert find(make_task(tmp_path, clips), progress=told) == before
    assert len(stages) == 3
    clips[0].part = "test"
    changed = find(make_task(tmp_path, clips), progress=told)
    assert changed.file != before.file
    assert len(stages) == 6
    before.file.unlink()
    clips[0].part = "train"
    assert find(make_task(tmp_path, clips), progress=told) == before
    assert len(stages) == 9


def test_number_of_threads_changes_no_bit(tmp_path):
    task = make_task(tmp_path, [Clip(f"{n}.wav", ("train", "test")[n % 2], each) for n, each in enumerate(unlike(70))])
    pairs = []
    for workers in (1, 3):
        manifest, store = task
        sides, contents = (manifest.table["part"] == "test").to_numpy(np.int64), np.arange(70)
        prints, _ = near_duplicates._fingerprints(store, store.usable, workers, silent)
        heard = near_duplicates.listen(store, store.usable, sides, [1], contents, workers=workers, progress=silent)
        pairs.append((prints.tobytes(), heard.pairs))
    assert pairs[0] == pairs[1]


def test_interrupted_search_keeps_nothing_and_begins_anew(tmp_path):
    first, *others = unlike(9)
    clips = [Clip(f"{place}.wav", "train", other) for place, other in enumerate(others)]
    task = make_task(tmp_path, [*clips, Clip("a.wav", "train", first), Clip("b.wav", "test", louder(first))])

    @contextlib.contextmanager
    def impatient(stage, *, total, unit, initial=0):
        def advance(amount: int) -> None:
            if stage == "leaks, pairs":
                raise KeyboardInterrupt

        yield advance

    with pytest.raises(KeyboardInterrupt):
        find(task, progress=impatient)
    assert not list(task[1].folder.glob("leaks-*.csv"))
    assert find(task).counts["near_duplicates"] == 1


def test_pairs_beyond_the_limit_are_counted_not_compared(tmp_path, monkeypatch):
    first, second, *others = unlike(12)
    clips = [Clip(f"{place}.wav", "train", other) for place, other in enumerate(others)]
    clips += [Clip("a.wav", "train", first), Clip("b.wav", "test", louder(first))]
    clips += [Clip("c.wav", "train", second), Clip("d.wav", "test", louder(second))]
    monkeypatch.setattr(near_duplicates, "ALWAYS_COMPARED_SECONDS", 0)
    monkeypatch.setattr(near_duplicates, "MOST_COMPARED_SECONDS", 2 * max(len(first), len(second)) / RATE + 0.1)
    leaks = find(make_task(tmp_path, clips))
    assert (leaks.counts["near_duplicates"], leaks.uncompared) == (1, 1)
    assert "1 more pairs sound alike" in leaks.warning


def test_pairs_that_sound_unlike_are_compared_in_a_small_task_only(tmp_path, monkeypatch):
    clips = [Clip(f"{place}.wav", ("train", "test")[place % 2], sound) for place, sound in enumerate(unlike(8))]
    totals = []

    @contextlib.contextmanager
    def told(stage, *, total, unit, initial=0):
        totals.append(total)
        yield lambda amount: None

    find(make_task(tmp_path / "small", clips), progress=told)
    monkeypatch.setattr(near_duplicates, "ALWAYS_COMPARED_SECONDS", 0)
    find(make_task(tmp_path / "large", clips), progress=told)
    assert totals == [8, 4, 16, 8, 4, 0]


def test_warning_names_a_few_and_the_list(tmp_path):
    sounds = unlike(20)
    clips = [Clip(f"{place}.wav", "train", sound, f"g{place}") for place, sound in enumerate(sounds)]
    clips += [Clip(f"copy{place}.wav", "test", louder(sounds[place]), f"g{place}") for place in range(5)]
    leaks = find(make_task(tmp_path, clips))
    assert leaks.warning.startswith("leaks: 5 test clips nearly equal")
    assert leaks.warning.count("correlation 1.00 at 0.000 s") == 2
    assert (
        "5 test clips share a group with a clip on the other side (copy0.wav (test) and 0.wav (train); "
        in leaks.warning
    )
    assert leaks.warning.endswith(f"all are listed in {leaks.file}")
    assert "\n" not in leaks.warning


def test_no_leaks_no_warning(tmp_path):
    clips = [Clip(f"{place}.wav", ("train", "test")[place % 2], sound) for place, sound in enumerate(unlike(8))]
    assert find(make_task(tmp_path, clips)).warning == ""


def test_what_listens_sees_no_labels():
    for name in ("near_duplicates", "neighbours", "fingerprints", "correlation"):
        imported = {".".join(parts) for parts in imported_modules(PACKAGE / "scoring" / f"{name}.py")}
        assert not {module for module in imported if module.startswith(("data.manifest", "data.task"))}, name


def test_real_slice_has_no_alarm_and_planted_copies_are_found_in_it(shared: Path, tmp_path):
    manifest = read_manifest(load_task("us8k"), shared / "data")
    there = manifest.keep(np.flatnonzero([(manifest.root / path).exists() for path in manifest.table["path"]])[::3])
    store = prepare(there.root, there.table["path"].tolist(), RATE, tmp_path, workers=2, progress=silent)
    loud = np.flatnonzero(store.index["peak"] > 0.05)[::3]
    clips = [Clip(f"{row}.wav", "train", store.samples(row) / 32768) for row in loud]
    clips += [Clip(f"{row}-copy.wav", "test", everything(store.samples(row) / 32768)) for row in loud[::4]]
    leaks = find(make_task(tmp_path / "planted", clips))
    found = listed(leaks, "near_duplicates")
    assert len(found) == len(loud[::4])
    assert (found["path"].str.removesuffix("-copy.wav") == found["other"].str.removesuffix(".wav")).all()
    assert find((there.keep(store.usable), store)).counts == NONE
