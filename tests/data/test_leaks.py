"""Leaks between the sides of a split, from the table and the store's index: every planted one is counted and named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from evar.data.leaks import find_leaks
from evar.data.manifest import Manifest
from evar.data.store import Store
from evar.data.task import load_task


@pytest.fixture
def leaks(tmp_path):
    """Find the leaks among clips given as (part, content[, group[, label[, peak]]]); clip n is named n.wav."""

    def find(*clips, folds=None, most=None):
        content = {"title": "Clips", "kind": "single-label", "reader": "table", "folder": "clips", "seconds": 1.0,
                   "metric": "accuracy", "source": "-", "licence": "-",
                   **({"folds": folds} if folds else {"splits": ["train", "valid", "test"]})}  # fmt: skip
        (tmp_path / "clips.yaml").write_text(yaml.safe_dump(content))
        rows = [(*clip, *(f"own {row}", "a", 0.5)[len(clip) - 2 :]) for row, clip in enumerate(clips)]
        table = pd.DataFrame(rows, columns=["part", "content", "group", "labels", "peak"])
        table["path"], table["reason"] = [f"{row}.wav" for row in range(len(rows))], ""
        table["labels"] = [(label,) for label in table["labels"]]
        store = Store(Path("store"), 16_000, table[["path", "content", "peak", "reason"]], "", 0, None)
        return find_leaks(
            Manifest(load_task(str(tmp_path / "clips.yaml")), tmp_path, table, ("a",), len(rows)), store, most
        )

    return find


def test_duplicates_count_on_the_tested_side(leaks):
    found = leaks(("train", "x"), ("valid", "x"), ("test", "x"), ("test", "y"), ("test", "y"), ("train", "z"))
    assert found.counts == {"duplicates": 1, "groups": 0, "silent": 0}
    assert [each.paths for each in found.duplicates] == [("0.wav", "1.wav", "2.wav"), ("3.wav", "4.wav")]
    assert [each.across for each in found.duplicates] == [True, False]


def test_train_and_valid_may_share_what_they_like(leaks):
    found = leaks(("train", "x", "g"), ("valid", "x", "g"), ("test", "y", "h"))
    assert found.counts == {"duplicates": 0, "groups": 0, "silent": 0}
    assert [each.clips for each in found.straddling] == [{"train": 1, "valid": 1}]


def test_each_fold_is_tested_against_all_others(leaks):
    found = leaks(("1", "x", "g"), ("3", "x"), ("2", "y"), ("2", "y"), ("2", "z", "g"), folds=["1", "2", "3"])
    assert found.counts == {"duplicates": 2, "groups": 2, "silent": 0}


def test_groups_on_both_sides_count_their_tested_clips(leaks):
    found = leaks(*(
        (part, str(row), group)
        for row, (part, group) in enumerate([("train", "one"), ("test", "one"), ("test", "one"), ("valid", "two"),
                                             ("test", "three"), ("valid", "four"), ("test", "four")])
    ))  # fmt: skip
    assert found.counts == {"duplicates": 0, "groups": 3, "silent": 0}
    assert found.groups == 4
    assert [(each.group, each.clips) for each in found.straddling] == [
        ("one", {"train": 1, "test": 2}),
        ("four", {"valid": 1, "test": 1}),
    ]


def test_silent_clips_are_counted_apart_and_nobodys_duplicates(leaks):
    hush = ("hush", "g", "a", 0.0009)
    found = leaks(("train", *hush), ("test", *hush), ("test", *hush), ("test", "x", "h", "a", 0.001))
    assert found.counts == {"duplicates": 0, "groups": 2, "silent": 2}
    assert found.silent == ("0.wav", "1.wav", "2.wav")
    assert found.duplicates == ()


def test_counts_are_those_of_comparing_every_clip_with_every_other(leaks):
    draws = np.random.default_rng(0)
    for folds in (None, list("123")):
        parts = draws.choice(folds or ["train", "valid", "test"], 200).tolist()
        contents, groups = draws.integers(150, size=200).tolist(), draws.integers(150, size=200).tolist()
        found = leaks(*zip(parts, map(str, contents), map(str, groups), strict=True), folds=folds)
        sides = [part if folds else part == "test" for part in parts]
        for kind, keys in (("duplicates", contents), ("groups", groups)):
            shared = [
                any(key == other and side != there for other, there in zip(keys, sides, strict=True))
                for key, side in zip(keys, sides, strict=True)
                if side
            ]
            assert found.counts[kind] == sum(shared) > 0


def test_contradicting_labels_come_first_then_what_lies_across_parts(leaks):
    found = leaks(
        ("test", "x", "1"), ("test", "x", "2"), ("train", "y", "3"), ("test", "y", "4"), ("train", "z", "5", "a"),
        ("train", "z", "6", "b"),
    )  # fmt: skip
    assert [(each.paths[0], each.across, each.contradict) for each in found.duplicates] == [
        ("4.wav", False, True),
        ("2.wav", True, False),
        ("0.wav", False, False),
    ]


def test_a_few_are_named_and_all_are_counted(leaks):
    clips = [(part, str(row), f"g{row}", "a", (0.5, 0)[row > 9]) for row in range(20) for part in ("train", "test")]
    found, everything = leaks(*clips, most=3), leaks(*clips)
    assert (found.counts, found.texts) == (everything.counts, everything.texts)
    assert (found.duplicates, found.straddling, found.silent) == (
        everything.duplicates[:3],
        everything.straddling[:3],
        everything.silent[:3],
    )
    assert found.texts == {
        "duplicates": "20 clips in 10 sets of equal sound, 0 of contradicting labels; 10 test clips equal a clip on "
        "the other side of the split: 0.wav (train) = 1.wav (test), 2.wav (train) = 3.wav (test), 4.wav (train) = "
        "5.wav (test) and 7 more",
        "groups": "20 of 20 straddle splits, with 20 test clips: g0 (1 in"
        " train + 1 in test), g1 (1 in train + 1 in test), g2 (1 in train + 1 in test) and 17 more",
        "silent": "20 clips below -60 dB of full scale, 10 of them test clips: 20.wav, 21.wav, 22.wav and 17 more",
    }


def test_words_name_contradicting_labels_and_some_of_many_clips_on_one_line(leaks):
    found = leaks(("train", "x", "g\n", "dog"), *[("test", "x", "g\n", "cat")] * 4)
    assert found.texts["duplicates"].endswith("0.wav (train: dog) = 1.wav (test: cat) = 2.wav (test: cat) = 2 more")
    assert found.texts["groups"].endswith("g (1 in train + 4 in test)")


def test_no_leak_is_said_to_be_none(leaks):
    found = leaks(("train", "x"), ("test", "y"))
    assert found.texts == {"duplicates": "none", "groups": "none of 2 straddles splits", "silent": "none"}


def test_no_clips_have_no_leaks(leaks):
    assert leaks().counts == {"duplicates": 0, "groups": 0, "silent": 0}
