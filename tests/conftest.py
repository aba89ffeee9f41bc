"""Fixtures for every test."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


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
