"""The published rows: facts with sources, frozen encoders and fine-tuned ones never mixed."""

import pytest

from evar.data.task import CORE
from evar.leaderboard.published import read_published


def test_every_row_has_a_core_task_a_share_and_a_source():
    rows = read_published()
    assert len(rows) == 262
    assert {row.task for row in rows} == set(CORE)
    assert all(0 < row.value < 1 and row.source and row.protocol for row in rows)
    assert {row.metric for row in rows if row.task == "as20k"} == {"mAP"}


def test_no_fine_tuned_row_counts_as_frozen():
    for row in read_published():
        assert ("fine-tune" in row.protocol or "scratch" in row.protocol) <= (row.kind == "trained")
        assert (row.kind == "linear") <= ("linear" in row.protocol)


def test_intervals_lie_around_the_value():
    with_interval = [row for row in read_published() if row.low is not None]
    assert len(with_interval) > 100
    assert all(row.low <= row.value <= row.high for row in with_interval)
    m2d = next(row for row in with_interval if row.model == "M2D/0.7" and row.task == "us8k")
    assert (m2d.value, m2d.low, m2d.high) == pytest.approx((0.876, 0.874, 0.878))
