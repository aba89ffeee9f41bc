"""Names with options: literals are read, everything else is refused and never run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from evar.base.errors import UsageError
from evar.base.spec import check_options, parse_call, split_calls


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m2d", ("m2d", {})),
        (" m2d ( ) ", ("m2d", {})),
        ("m2d(layers=[3, 7], flat=True)", ("m2d", {"layers": [3, 7], "flat": True})),
        ("hear(model='my-model', c=-1e-3, d=None)", ("hear", {"model": "my-model", "c": -1e-3, "d": None})),
        ("wav2vec2-base", ("wav2vec2-base", {})),
    ],
)
def test_names_and_literals_are_read(text: str, expected: tuple[str, dict[str, Any]]) -> None:
    assert parse_call(text, "encoder") == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not a name"),
        ("m2d(", "is not a name or NAME"),
        ("m2d(flat=)", "is not NAME"),
        ("m2d(3)", "name the option of 3"),
        ("m2d(a=1, a=2)", "given once"),
        ("m2d(**{'a': 1})", "given once, as option=value"),
        ("m2d(a=1)(b=2)", "not a single NAME"),
        ("m2d(a=1).x(b=2)", "not a single NAME"),
        ("m2d(a=__import__('os').system('true'))", "must be a Python literal"),
        ("m2d(a=[x for x in 'ab'])", "must be a Python literal"),
        ("m2d(a=layers)", "a must be a Python literal .* not layers"),
        ("m2d(a=" + "(" * 1000 + ")" * 1000 + ")", "is not NAME"),
        ("m2d(a='\0')", "null bytes"),
    ],
)
def test_anything_else_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parse_call(text, "encoder")


def test_odd_escapes_are_no_warning() -> None:
    assert parse_call(r"m2d(a='\d')", "encoder") == ("m2d", {"a": r"\d"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("logistic", ["logistic"]),
        ("logistic(grid=[1, 2]), m2d_paper,", ["logistic(grid=[1, 2])", "m2d_paper"]),
        ("a(b='x,(y'),c", ["a(b='x,(y')", "c"]),
        ("", []),
        ("knn, logistic, knn", ["knn", "logistic"]),
    ],
)
def test_comma_lists_are_split_outside_brackets_and_quotes(text: str, expected: list[str]) -> None:
    assert split_calls(text) == expected


def opener(
    weights: Path | None,
    *,
    seed: int = 0,
    grid: Sequence[float] = (1.0,),
    name: str | None = None,
    layers: Literal["each"] | list[int] | int | None = None,
) -> None:
    """Stands for a plug-in's opener."""


def test_given_options_are_checked_and_defaults_added() -> None:
    assert check_options("probe", "p", opener, {"grid": [1, 2.5]}) == {
        "seed": 0, "grid": [1.0, 2.5], "name": None, "layers": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"sed": 1}, "unknown option of probe p 'sed': did you mean seed"),
        ({"weights": "a"}, "^probe p: weights are no option of it; give them beside it: --weights$"),
        ({"seed": "1"}, r"^probe p: option seed must be a whole number, not '1'$"),
        ({"seed": True}, "must be a whole number, not True"),
        ({"grid": [float("inf")]}, r"must be a list with a finite number in each place, not \[inf\]"),
        ({"grid": [1, "a"]}, r"option grid must be a list with a number in each place, not \[1, 'a'\]"),
        ({"grid": 0}, "option grid must be a list, not 0"),
        ({"grid": "a"}, "option grid must be a list, not 'a'"),
        ({"layers": 2.5}, "option layers must be 'each' or a list or a whole number, not 2.5"),
        ({"layers": [2.5]}, r"must be 'each' or a list with a whole number in each place or a whole number, not \[2"),
        ({"name": 3}, "option name must be text in quotes, not 3"),
    ],
)
def test_options_that_cannot_be_are_explained(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        check_options("probe", "p", opener, options)


def test_an_option_without_default_must_be_given() -> None:
    def needs(model: str) -> None: ...

    with pytest.raises(UsageError, match="encoder hear needs the option model: hear"):
        check_options("encoder", "hear", needs, {})
