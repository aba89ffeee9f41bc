"""Every reader keeps the contract, on its native layout at full scale in names.

Readers are found by name; each needs a module of its name in `tests/data/readers/trees`, which writes its dataset.
"""

import importlib

from evar.base import plugins
from evar.testing import ReaderContract

READERS = plugins.names("reader")


def test_there_are_readers() -> None:
    known = "audioset flowers gtzan hub imagenet speech_commands table urbansound8k voxceleb1 webdataset"
    assert set(known.split()) <= set(READERS)


class TestReaders(ReaderContract):
    """On the tree of each."""

    trees = tuple(importlib.import_module(f"tests.data.readers.trees.{name}") for name in READERS)
