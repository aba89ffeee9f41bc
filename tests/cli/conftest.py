"""What every test of the command line has: a working folder, a cache of its own, and the command as a function."""

from collections.abc import Callable
from pathlib import Path

import pytest

from evar.cli import main


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder; the user's cache and leaderboard are out of reach."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVAR_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line: its exit code, and what it says on stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        code = main([*map(str, words)])
        return code, *capsys.readouterr()

    return run
