"""A small prepared store for the runs of this folder."""

import pytest

from tests.pretrain import runs


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """The store of a few noises and tones."""
    return runs.make_store(tmp_path_factory.mktemp("pretrain"))
