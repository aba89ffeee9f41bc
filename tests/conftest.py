"""Fixtures for every test."""

import contextlib
import logging
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from evar.base.progress import displayed, progress

os.environ.pop("COLUMNS", None)  # a terminal's, or a test worker's: tables are in full unless a test says otherwise


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """The CPU, and the first CUDA device where there is one: what holds on one must hold on the other."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device("cuda:0" if request.param == "cuda" else "cpu")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with reference files: $EVAR_SHARED, or `shared` beside the repository. Skips where there is none."""
    beside = Path(__file__).parents[1].parent / "shared"
    folder = Path(os.environ.get("EVAR_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no reference files at {folder} (EVAR_SHARED names another folder)")
    return folder


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 kB, and a function that makes it a larger one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True).returncode
    ):
        pytest.skip("only root can mount a small disk")
    yield folder, lambda: subprocess.run(["mount", "-o", "remount,size=4m", folder], check=True)
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def notes():
    """The notes that the test's own process makes, one after the other."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    logger, handler = logging.getLogger("evar"), Handler()
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.INFO)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(before)


@pytest.fixture
def advances():
    """By how much the bar that is open is advanced, one time after another."""
    amounts: list[int] = []

    @contextlib.contextmanager
    def display(stage, *, total, unit, initial):
        yield lambda amount, text="": amounts.append(amount)

    with displayed(display), progress("a test", total=0, unit="fit"):
        yield amounts
