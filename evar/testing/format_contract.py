"""What every format of the leaderboard must keep to, as a class of tests.

class TestMine(FormatContract):
names = ("lines",)
"""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from evar.base.errors import UsageError
from evar.leaderboard.formats import Content, Format, open_format
from evar.leaderboard.published import read_published
from evar.leaderboard.read import Leaderboard, read_leaderboard
from evar.testing.made_results import make_results


class FormatContract:
    """Subclass it in a file of tests, by a name that begins with Test. names: the formats, as `--format` takes them."""

    names: ClassVar[Sequence[str]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Each test on each format."""
        if "name" in metafunc.fixturenames:
            metafunc.parametrize("name", self.names, scope="class")

    @pytest.fixture(scope="class")
    @classmethod
    def shown(cls, tmp_path_factory: pytest.TempPathFactory) -> Leaderboard:
        """A leaderboard of made-up rows."""
        folder = tmp_path_factory.mktemp("results")
        make_results(folder)
        return read_leaderboard(folder, published="all")

    @pytest.fixture
    def format(self, name: str) -> Format:
        """The format of a name."""
        return open_format(name)

    @pytest.fixture(scope="class")
    @classmethod
    def written(cls) -> dict[str, Content]:
        """Format -> what it made of `shown`, 80 columns wide."""
        return {}

    @pytest.fixture
    def content(self, name: str, format: Format, shown: Leaderboard, written: dict[str, Content]) -> Content:
        """What the format makes of `shown`, once for the tests that only read it."""
        if name not in written:
            written[name] = format.write(shown, 80)
        return written[name]

    def test_kind_of_content_is_what_it_says(self, format: Format, content: Content) -> None:
        assert isinstance(content, Mapping) == format.folder
        if format.place is not None:
            assert isinstance(content, str)
            assert content.endswith("\n") or format.place

    def test_the_same_results_give_the_same_bytes(self, format: Format, shown: Leaderboard, content: Content) -> None:
        assert files(content) == files(format.write(dataclasses.replace(shown), 80))

    def test_it_knows_its_own_files_and_no_text_of_a_person(self, format: Format, content: Content) -> None:
        assert all(map(format.is_own, files(content)))
        assert not any(map(format.is_own, (b"", b"# Notes\n", b"path,label\nx,1\n", b"{}", b"<!doctype html>")))

    def test_every_ranked_encoder_is_in_it(self, format: Format, shown: Leaderboard) -> None:
        whole = b"".join(files(format.write(shown, 200)))
        assert b"logmel" in whole
        assert b"beats" in whole

    def test_no_results_are_an_empty_table_or_a_mistake_of_one_line(self, format: Format) -> None:
        nothing = Leaderboard(Path("none"), [], read_published(), [])
        with contextlib.suppress(UsageError):
            assert files(format.write(nothing, 80))


def files(content: Content) -> list[bytes]:
    every = [content] if isinstance(content, str | bytes) else list(content.values())
    return [each.read_bytes() if isinstance(each, Path) else each.encode() if isinstance(each, str) else each
            for each in every]  # fmt: skip
