"""Whether two rows of a column are separable."""

import dataclasses

import numpy as np
import pytest

from evar.leaderboard.leaderboard_csv import append
from evar.leaderboard.runs import Kept
from evar.leaderboard.verdicts import NAME, Verdicts
from evar.probes.predictions import Predictions
from evar.testing.made_rows import make_row

CLIPS = 200
WIDE = {"low": 0.0, "high": 1.0}  # intervals that touch
TARGETS = np.arange(CLIPS) % 2


def add(results, run, wrong, **changes):
    """A run that errs on the first `wrong` clips, each a group of its own."""
    said = np.where(np.arange(CLIPS) < wrong, 1 - TARGETS, TARGETS)
    logits = np.stack([said == 0, said == 1], axis=1).astype(np.float32)[None]
    names = np.arange(CLIPS).astype(str)
    predictions = Predictions(logits, TARGETS, np.arange(CLIPS), names, np.full(CLIPS, "test"))
    row = make_row(run=run, score=1 - wrong / CLIPS, **changes)
    append(results, row, Kept(predictions, names[predictions.rows].tolist(), ("a", "b"), {}))
    return row


def test_rows_are_paired_on_their_predictions(tmp_path):
    best, near, far = (add(tmp_path, run, wrong, low=0.0, high=1.0) for run, wrong in (("b", 20), ("n", 21), ("f", 60)))
    verdicts = Verdicts(tmp_path)
    assert (verdicts.separable(best, near), verdicts.separable(best, far)) == (False, True)


@pytest.mark.parametrize(
    ("other", "separable"),
    [({"high": 0.69}, True), ({"high": 0.71}, False), ({"high": 0.69, "few_groups": True}, False)],
)
def test_without_predictions_intervals_must_not_touch(tmp_path, other, separable):
    best = make_row(run="best", score=0.8, low=0.7, high=0.9)
    assert Verdicts(tmp_path).separable(best, make_row(run="other", score=0.5, low=0.4, **other)) is separable


def test_answers_are_kept_and_read_back(tmp_path, monkeypatch):
    best, far = add(tmp_path, "b", 20, **WIDE), add(tmp_path, "f", 60, **WIDE)
    first = Verdicts(tmp_path)
    assert first.separable(best, far)
    first.keep()
    monkeypatch.setattr(Verdicts, "_compare", lambda *_: pytest.fail("computed again"))
    assert Verdicts(tmp_path).separable(best, far)


def test_predictions_that_come_back_are_compared(tmp_path):
    best, far = add(tmp_path, "b", 20, **WIDE), add(tmp_path, "f", 60, **WIDE)
    (tmp_path / "runs").rename(tmp_path / "away")
    without = Verdicts(tmp_path)
    assert not without.separable(best, far)
    without.keep()
    (tmp_path / "away").rename(tmp_path / "runs")
    assert Verdicts(tmp_path).separable(best, far)


def test_a_broken_file_of_answers_is_no_answer(tmp_path):
    best, far = add(tmp_path, "b", 20, **WIDE), add(tmp_path, "f", 60, **WIDE)
    (tmp_path / NAME).write_text("{broken", encoding="utf-8")
    verdicts = Verdicts(tmp_path)
    assert verdicts.separable(best, far)
    verdicts.keep()
    assert len(Verdicts(tmp_path).known) == 1


def test_rows_of_another_table_are_judged_by_their_intervals(tmp_path):
    best, other = add(tmp_path, "b", 20, **WIDE), add(tmp_path, "o", 60, **WIDE)
    (tmp_path / "runs" / "o.npz").write_bytes(b"broken")
    assert not Verdicts(tmp_path).separable(best, other)
    assert Verdicts(tmp_path).separable(dataclasses.replace(best, low=0.85), dataclasses.replace(other, high=0.8))


def test_intervals_that_do_not_touch_need_no_comparison(tmp_path, monkeypatch):
    best, far = add(tmp_path, "b", 20, low=0.85), add(tmp_path, "f", 60, high=0.8)
    monkeypatch.setattr(Verdicts, "_compare", lambda *_: pytest.fail("computed"))
    assert Verdicts(tmp_path).separable(best, far)
