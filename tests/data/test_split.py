"""Splitting groups: whole, balanced class by class, and the same everywhere."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evar.data.split import split_groups

SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}


def clips_by_part(groups, places):
    counts = {}
    for group, part in places.items():
        counts.setdefault(part, Counter()).update(groups[group])
    return counts


@pytest.mark.parametrize(("clips", "expected"), [
    (3, (1, 1, 1)), (4, (2, 1, 1)), (10, (8, 1, 1)), (18, (14, 2, 2)), (100, (80, 10, 10)), (1000, (800, 100, 100)),
])  # fmt: skip
def test_single_clips_are_shared_out_to_the_clip_in_each_class(clips, expected):
    groups = {f"{label}{number}": {label: 1} for label in "ab" for number in range(clips)}
    counts = clips_by_part(groups, split_groups(groups, SHARES))
    for label in "ab":
        assert tuple(counts[part][label] for part in SHARES) == expected


def test_groups_of_very_different_sizes_still_come_near_the_shares():
    groups = {f"g{clips}": {"a": clips} for clips in range(10, 101, 10)}
    counts = clips_by_part(groups, split_groups(groups, SHARES))
    assert counts["train"]["a"] == pytest.approx(440, abs=20)
    assert counts["valid"]["a"] == pytest.approx(55, abs=10)


def test_folds_are_of_equal_size():
    groups = {f"{label}{number}": {label: 1} for label in "abc" for number in range(17)}
    counts = clips_by_part(groups, split_groups(groups, dict.fromkeys("12345", 0.2)))
    assert sorted(sum(each.values()) for each in counts.values()) == [10, 10, 10, 10, 11]
    assert all(3 <= each[label] <= 4 for each in counts.values() for label in "abc")


def test_a_class_of_too_few_groups_is_taught_rather_than_tested():
    groups = {f"a{number}": {"a": 1} for number in range(20)} | {"b0": {"b": 5}, "b1": {"b": 5}}
    places = split_groups(groups, SHARES)
    assert places["b0"] == places["b1"] == "train"


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.text("ab 0é\n", min_size=1, max_size=5),  # drawing from all of Unicode takes seconds
        st.dictionaries(st.sampled_from("abcd"), st.integers(1, 9), min_size=1),
        min_size=1,
        max_size=40,
    )
)
def test_every_group_has_one_place_whatever_the_order(groups):
    places = split_groups(groups, SHARES)
    assert places.keys() == groups.keys()
    assert set(places.values()) <= set(SHARES)
    assert split_groups(dict(reversed(groups.items())), SHARES) == places


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(3, 30), min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_every_class_of_three_groups_is_in_every_part(sizes, random):
    groups = {
        f"{label}-{number}": {f"class{label}": random.randint(1, 20)}
        for label, count in enumerate(sizes)
        for number in range(count)
    }
    counts = clips_by_part(groups, split_groups(groups, SHARES))
    assert all(counts[part][f"class{label}"] for part in SHARES for label in range(len(sizes)))
