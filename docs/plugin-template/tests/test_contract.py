"""What is declared keeps evar's contracts."""

import split_folders_tree

from evar.data.task import load_task
from evar.testing import EncoderContract, FormatContract, ProbeContract, ReaderContract


class TestEncoders(EncoderContract):
    calls = ("loudness", "loudness(parts=3)")


class TestProbes(ProbeContract):
    calls = ("ridge",)


class TestReaders(ReaderContract):
    trees = (split_folders_tree,)


class TestFormats(FormatContract):
    names = ("lines",)


def test_task_is_found() -> None:
    assert load_task("barks").reader == "split_folders"
