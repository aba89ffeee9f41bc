"""The tones of this folder's runs, decoded once."""

import pytest

from tests.tuning import small


@pytest.fixture(scope="session")
def tones(tmp_path_factory):
    """A prepared task of three classes, eight clips of each in train, valid and test."""
    return small.prepared(tmp_path_factory.mktemp("tones"), clips=8)
