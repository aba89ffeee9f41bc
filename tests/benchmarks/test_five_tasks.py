"""Five tasks, a few clips of each: five rows, times that add up, nothing left behind."""

import shutil
from types import SimpleNamespace

import pytest

from benchmarks import five_tasks
from evar.base.errors import UsageError

TINY = ["--encoder", "logmel", "--device", "cpu", "--precision", "float32", "--probe", "logistic(grid=[0.01])"]


@pytest.fixture(autouse=True)
def limit(monkeypatch):
    """The machine's limit takes longer to measure than all else here."""
    monkeypatch.setattr(five_tasks, "matrix_rate", lambda device, precision: 1e12)


@pytest.mark.filterwarnings("ignore:The number of unique classes")  # scikit-learn's, of a class a clip
def test_five_rows_come_out_and_stage_times_add_up(tmp_path, capsys):
    measured = five_tasks.main(five_tasks.parsed(["--scale", "0.0001", "--folder", str(tmp_path), *TINY]))
    assert [each.task for each in measured] == ["us8k", "vc1", "as20k", "gtzan", "spcv2"]
    for each in measured:
        assert sum(each.seconds.values()) == pytest.approx(each.total, rel=0.01)
        assert min(each.seconds[stage] for stage in ("read", "embed", "probe", "score", "row")) > 0
    out = capsys.readouterr().out
    rows = [line for line in out.splitlines() if "  logmel  logistic  " in line]
    assert [row.split()[0] for row in rows] == [each.task for each in measured]
    assert all("[" in row for row in rows)
    assert "100% of it in the page cache" in out
    assert "Extrapolated from 0.0001 of the clips to all, not measured" in out
    assert f"{153_516:,}" in out.partition("Extrapolated")[2]
    assert list(tmp_path.iterdir()) == []


def test_too_small_a_disk_is_said_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=40e9))
    with pytest.raises(UsageError, match=r"task vc1 takes 42\.6 GB, .* has 40\.0 GB left: give another --folder"):
        five_tasks.main(five_tasks.parsed(["--folder", str(tmp_path), *TINY]))
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UsageError, match="elsewhere is no folder: make it first"):
        five_tasks.main(five_tasks.parsed(["--folder", str(tmp_path / "elsewhere"), *TINY]))


def test_tasks_can_be_chosen_and_typos_are_reported(tmp_path):
    with pytest.raises(UsageError, match="did you mean us8k"):
        five_tasks.main(five_tasks.parsed(["--tasks", "gtzan,us9k", "--folder", str(tmp_path), *TINY]))
