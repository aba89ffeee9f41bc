"""What every format of the leaderboard must keep to."""

import contextlib
import dataclasses
import importlib.util
from pathlib import Path

import pytest

from evar.base.errors import UsageError
from evar.leaderboard import formats
from evar.leaderboard.formats import Content, Format, open_format
from evar.leaderboard.published import read_published
from evar.leaderboard.read import Leaderboard, read_leaderboard
from tests.leaderboard.made import make_results

FORMATS = formats.names()


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Leaderboard:
    folder = tmp_path_factory.mktemp("results")
    make_results(folder)
    return read_leaderboard(folder, published="all")


@pytest.fixture(params=FORMATS)
def format(request: pytest.FixtureRequest) -> Format:
    if request.param == "parquet" and importlib.util.find_spec("pyarrow") is None:
        pytest.skip("no pyarrow")
    return open_format(request.param)


def files(content: Content) -> list[bytes]:
    if isinstance(content, str | bytes):
        content = {"": content}  # type: ignore[dict-item]
    return [text.encode() if isinstance(text, str) else text for text in content.values()]


def test_there_are_formats() -> None:
    assert {"terminal", "markdown", "latex", "csv", "long", "json", "html", "parquet", "hear", "mteb"} <= set(FORMATS)


def test_kind_of_content_is_what_it_says(format: Format, shown: Leaderboard) -> None:
    content = format.write(shown, 80)
    assert isinstance(content, dict) == format.folder
    if format.place is not None:
        assert isinstance(content, str)
        assert content.endswith("\n") or format.place


def test_the_same_results_give_the_same_bytes(format: Format, shown: Leaderboard) -> None:
    again = dataclasses.replace(shown)
    assert files(format.write(shown, 80)) == files(format.write(again, 80))


def test_it_knows_its_own_files_and_no_text_of_a_person(format: Format, shown: Leaderboard) -> None:
    assert all(map(format.is_own, files(format.write(shown, 80))))
    assert not any(map(format.is_own, (b"", b"# Notes\n", b"path,label\nx,1\n", b"{}", b"<!doctype html>")))


def test_every_ranked_encoder_is_in_it(format: Format, shown: Leaderboard) -> None:
    whole = b"".join(files(format.write(shown, 200)))
    assert b"logmel" in whole
    assert b"beats" in whole


def test_no_results_are_an_empty_table_or_a_mistake_of_one_line(format: Format) -> None:
    nothing = Leaderboard(Path("none"), [], read_published(), [])
    with contextlib.suppress(UsageError):
        assert files(format.write(nothing, 80))
