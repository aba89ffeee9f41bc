"""A server for each test, and a fetcher whose pauses cost nothing and are remembered."""

import pytest

from evar.data.downloads.fetch import Fetcher
from tests.data.downloads.server import running


@pytest.fixture
def server():
    with running() as server:
        yield server


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def fetcher(pauses, notes):
    return Fetcher(stall=0.3, tries=4, sleep=pauses.append)


@pytest.fixture
def place(tmp_path):
    """Where a fetched file goes."""
    return tmp_path / "downloads" / "sounds.bin"
