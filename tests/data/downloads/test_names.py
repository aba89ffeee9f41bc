"""The path safety check, for any text that an archive may call a member."""

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evar.data.downloads.names import UnsafeName, inside

FOLDER = Path("/data/new")
PIECES = ["..", ".", "", "/", "//", "\\", "a", "genres", "C:", "~", "\0", "\n", "é", "\udce9", "\ud800", " ", "x" * 254]
PARTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\\\0:"), min_size=1, max_size=20)
NASTY = st.lists(st.sampled_from(PIECES))


@given(st.one_of(st.text(), NASTY.map("".join), NASTY.map("/".join)))
@example("a/../../b")
@example("....//")
def test_whatever_a_member_is_called_it_stays_inside_or_is_refused(name):
    try:
        path = inside(name)
    except UnsafeName:
        return
    place = os.path.normpath(FOLDER / path)
    assert Path(place) == FOLDER or Path(place).is_relative_to(FOLDER)
    assert place == str(FOLDER / path)
    os.fsencode(place)


@given(st.lists(PARTS.filter(lambda part: part not in (".", "..")), min_size=1, max_size=5))
def test_plain_relative_name_is_taken_as_it_is(parts):
    name = "/".join(parts)
    assert inside(name) == inside(f"./{name}") == inside(f"{name}/") == PurePosixPath(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("..", "leads out"),
        ("a/..", "leads out"),
        ("/", "absolute"),
        ("//host/share", "absolute"),
        ("c:windows", "absolute"),
        ("a\0b", "character"),
        ("..\\b", "character"),
        ("\ud800", "not text"),
        ("é" * 128, "too long"),
        ("a/" * 600, "too long"),
    ],
)
def test_refusal_says_why(name, why):
    with pytest.raises(UnsafeName, match=why):
        inside(name)
