"""The files that CONTRIBUTING.md shows keep the contracts that the package's own keep."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHOWN = re.findall(
    r"```(?:python|yaml)\n# (\S+)\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL
)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout's package and tests, with the files that the document shows."""
    folder = tmp_path_factory.mktemp("contributing")
    shutil.copytree(ROOT / "evar", folder / "evar", ignore=shutil.ignore_patterns("__pycache__", "tasks"))
    shutil.copytree(ROOT / "tasks", folder / "evar" / "tasks")
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name, text in SHOWN:
        (folder / ("evar" if name.startswith("tasks") else "") / name).write_text(text, encoding="utf-8")
    return folder


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_one_of_each_kind_is_shown() -> None:
    assert [Path(name).parent.name for name, _ in SHOWN] == [
        "encoders", "probes", "tasks", "readers", "trees", "formats",
    ]  # fmt: skip


def test_shown_files_keep_their_contracts(copied: Path) -> None:
    ran = run(copied, "pytest", "tests/contract", "-k", "loudness or ridge or split_folders or lines", "-vv")
    for name in ("loudness", "ridge", "split_folders", "lines"):
        assert f"[{name}" in ran


def test_shown_files_are_found_by_the_command(copied: Path) -> None:
    shown = run(copied, "evar", "--help")
    assert "loudness" in shown
    assert "ridge" in shown
    assert "lines" in run(copied, "evar", "leaderboard", "--help")
    assert "barks" in run(copied, "evar", "--task", "list")
