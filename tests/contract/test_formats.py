"""Every format of the leaderboard keeps the contract."""

import importlib.util

import pytest

from evar.leaderboard import formats
from evar.testing import FormatContract


def test_there_are_formats() -> None:
    of_tables = {"terminal", "markdown", "latex", "csv", "long", "json", "html", "parquet"}
    assert of_tables | {"hear", "mteb", "model_card", "site", "embeddings"} <= set(formats.names())


class TestFormats(FormatContract):
    """All of the package; Parquet where its library is installed, but embeddings, which made-up rows have none of."""

    names = tuple(name for name in formats.names() if name != "embeddings")

    @pytest.fixture
    def format(self, name: str) -> formats.Format:
        """The format of a name."""
        if name == "parquet" and importlib.util.find_spec("pyarrow") is None:
            pytest.skip("no pyarrow")
        return formats.open_format(name)
