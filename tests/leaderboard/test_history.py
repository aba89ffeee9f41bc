"""An encoder's path over time."""

from evar.leaderboard.history import history_block
from tests.leaderboard.rows import make_row


def test_every_run_is_there_with_its_change():
    rows = [
        make_row(run="1", weights="step1.pth", score=0.5, time="2026-11-01T00:00:00Z"),
        make_row(run="2", encoder="logmel", score=0.3),
        make_row(run="3", weights="step2.pth", score=0.625, time="2026-11-02T00:00:00Z"),
        make_row(run="4", weights="step2.pth", limit=3, ranked=False, score=0.6, time="2026-11-03T00:00:00Z"),
    ]
    block = history_block(rows)
    column = {name: number for number, name in enumerate(block.header)}
    told = [[row[column[name]].text for name in ("run", "change", "not ranked")] for row in block.rows]
    assert told == [["2", "", ""], ["1", "", ""], ["3", "+12.5", ""], ["4", "-2.5", "smoke run of 3 clips a part"]]
