"""Fixtures for every test."""

import os
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
