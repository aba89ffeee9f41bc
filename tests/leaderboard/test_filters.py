"""Filters keep what they name, and a value that no row has is a mistake."""

import datetime

import pytest

from evar.base.errors import UsageError
from evar.leaderboard.filters import Filters
from evar.leaderboard.imported import Imported
from evar.leaderboard.published import read_published
from evar.testing.made_rows import make_row

ROWS = [
    make_row(run="a", task="us8k", encoder="m2d", weights="runs/w.pth", time="2026-10-31T23:59:59Z"),
    make_row(run="b", task="gtzan", encoder="logmel", probe="knn", time="2026-11-01T00:00:00Z"),
    make_row(run="c", task="as20k", encoder="m2d", metric="mAP", protocol="train/test", time="2026-11-02T10:00:00Z"),
]


@pytest.mark.parametrize(
    ("filters", "runs"),
    [
        (Filters(), "abc"),
        (Filters(task=["us8k", "gtzan"]), "ab"),
        (Filters(probe=["knn"]), "b"),
        (Filters(protocol=["train/test"]), "c"),
        (Filters(metric=["mAP"]), "c"),
        (Filters(encoder=["m2d"]), "ac"),
        (Filters(encoder=["runs/w.pth"]), "a"),
        (Filters(encoder=["w.pth"]), "a"),
        (Filters(since=datetime.date(2026, 11, 1)), "bc"),
        (Filters(encoder=["m2d"], task=["as20k"]), "c"),
    ],
)
def test_rows_that_every_filter_names_are_kept(filters, runs):
    assert "".join(row.run for row in filters.own(ROWS)) == runs


@pytest.mark.parametrize("name", ["task", "probe", "protocol", "metric", "encoder"])
def test_a_value_that_no_row_has_is_a_mistake(name):
    with pytest.raises(UsageError, match=f"unknown {name} 'us9k'"):
        Filters(**{name: ["us9k"]}).own(ROWS)


def test_a_published_model_can_be_asked_for():
    filters = Filters(encoder=["BYOL-A"], task=["us8k"])
    assert filters.own(ROWS, read_published()) == []
    assert {(row.model, row.task) for row in filters.beside(read_published())} == {("BYOL-A", "us8k")}


IMPORTED = [
    Imported("byola", "us8k", 0.787, "", "scores.csv"),
    Imported("byola", "nsynth", 0.7, "", "scores.csv"),
    Imported("m2d", "us8k", 0.87, "", "scores.csv"),
]


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        (Filters(), IMPORTED),
        (Filters(task=["nsynth"]), [IMPORTED[1]]),
        (Filters(encoder=["byola"]), IMPORTED[:2]),
        (Filters(encoder=["m2d"], task=["us8k"]), [IMPORTED[2]]),
        (Filters(encoder=["logmel"]), []),
        (Filters(metric=["accuracy"]), []),
        (Filters(probe=["logistic"]), []),
        (Filters(protocol=["10-fold cross-validation"]), []),
        (Filters(since=datetime.date(2026, 11, 1)), []),
    ],
)
def test_imported_rows_are_kept_by_what_is_known_of_them(filters, kept):
    filters.own(ROWS, imported=IMPORTED)
    assert filters.imported(IMPORTED) == kept


@pytest.mark.parametrize("name", ["probe", "protocol", "metric"])
def test_what_only_an_imported_row_is_called_is_a_mistake_elsewhere(name):
    with pytest.raises(UsageError, match=f"unknown {name} 'byola'"):
        Filters(**{name: ["byola"]}).own(ROWS, imported=IMPORTED)
