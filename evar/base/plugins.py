"""Plug-ins: a file of a folder is a plug-in, its name is its name on the command line, its options are a function's.

A file is a plug-in where it defines the folder's opening function (`open_encoder`, `open_probe`, `open_reader`,
`open_format`) at its top level. Files are recognised by their text, so that listing names imports nothing. Other
packages declare theirs by entry points (`entry_points.py`); where names clash, the bundled one is used.
"""

import ast
import functools
import importlib
import importlib.util
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from evar.base import entry_points
from evar.base.errors import UsageError, few, unknown
from evar.base.spec import parse_call, split_calls

log = logging.getLogger(__name__)

PLACES = {
    "encoder": ("evar.encoders", "open_encoder"),
    "probe": ("evar.probes", "open_probe"),
    "reader": ("evar.data.readers", "open_reader"),
    "format": ("evar.leaderboard.formats", "open_format"),
}
"""Kind of plug-in -> the package that holds them, and the function that each defines."""
BUNDLED = "evar"


@dataclass(frozen=True)
class Listed:
    """A plug-in, the package that it is from ("evar", or a name with its version), and what it is in a line."""

    name: str
    package: str
    title: str


def names(kind: str) -> list[str]:
    """Names of the plug-ins of a kind, sorted: those of this package and of others."""
    return sorted({*_bundled(kind), *(each.entry.name for each in entry_points.declared(kind))})


def listed(kind: str) -> list[Listed]:
    """Every plug-in of a kind, by name; of equal names all are there. Imports none."""
    bundled = [Listed(name, BUNDLED, _first_line(file)) for name, file in _bundled(kind).items()]
    others = [Listed(each.entry.name, each.package, each.summary) for each in entry_points.declared(kind)]
    return sorted([*bundled, *others], key=lambda each: (each.name, each.package != BUNDLED, each.package))


def require(kind: str, name: str) -> None:
    """Raise UsageError, with near names, where there is no plug-in of this name; imports none."""
    if name in (known := names(kind)):
        return
    file = _folder(kind) / f"{name}.py"
    if os.path.isfile(file):  # noqa: PTH113  a name may be too long for a Path
        raise UsageError(f"{file} is no {kind}: it defines no function {PLACES[kind][1]}")
    if where := entry_points.misplaced(name):
        raise UsageError(f"unknown {kind} {name!r}: {where}")
    raise unknown(kind, name, known)


def require_calls(kind: str, specs: str) -> None:
    """`require` for each of a comma list of calls, before anything slow is imported."""
    for spec in split_calls(specs):
        require(kind, parse_call(spec, kind)[0])


def load(kind: str, name: str) -> Callable[..., Any]:
    """The opening function of the plug-in `name`.

    Raises UsageError where there is none (with near names), where two other packages have one of this name, and where
    another package's cannot be imported or is no function. Notes one that a bundled plug-in hides.
    """
    require(kind, name)
    package, opener = PLACES[kind]
    if (outside := _of_another(kind, name)) is None:
        hidden = [each.package for each in entry_points.declared(kind) if each.entry.name == name]
        if hidden:
            _note_hidden(kind, name, few(hidden))
        return getattr(importlib.import_module(f"{package}.{name}"), opener)  # type: ignore[no-any-return]
    try:
        found = outside.import_object()
    except UsageError as error:
        raise UsageError(f"{kind} {error}") from error.__cause__
    function = getattr(found, opener, None) if isinstance(found, ModuleType) else found
    if not callable(function):
        what = f"defines no function {opener}" if isinstance(found, ModuleType) else "is no function"
        raise UsageError(f"{kind} {name} of the package {outside.package}: {outside.entry.value} {what}")
    return function  # type: ignore[no-any-return]


def source_of(kind: str, name: str) -> str:
    """Which other package a loaded plug-in is from, with its version and a digest of its sources; "" for our own."""
    outside = _of_another(kind, name)
    return "" if outside is None else entry_points.source_of(outside)


def _of_another(kind: str, name: str) -> entry_points.Declared | None:
    """What another package declares by this name; None where the name is of this package."""
    if name in _bundled(kind):
        return None
    found = [each for each in entry_points.declared(kind) if each.entry.name == name]
    if len(found) > 1:
        packages = " and ".join(each.package for each in found)
        raise UsageError(f"{kind} {name} is in {packages}: uninstall all but one")
    return found[0]


@functools.cache
def _note_hidden(kind: str, name: str, packages: str) -> None:
    """Said once a process."""
    log.warning(f"{kind} {name}: the bundled one is used; {packages} has one of the same name, which is not reached")


def _bundled(kind: str) -> dict[str, Path]:
    definition = re.compile(rf"^def {PLACES[kind][1]}\(", re.MULTILINE)
    files = _folder(kind).glob("[!_]*.py")
    return {file.stem: file for file in sorted(files) if definition.search(file.read_text(encoding="utf-8"))}


def _first_line(file: Path) -> str:
    """What a file says of itself, without its own name before a colon."""
    title = (ast.get_docstring(ast.parse(file.read_bytes())) or "").partition("\n")[0].replace("`", "")
    return title.removeprefix(f"{file.stem}: ").rstrip(".")


def _folder(kind: str) -> Path:
    found = importlib.util.find_spec(PLACES[kind][0])  # which imports nothing of the package itself
    assert found is not None
    return Path(str(found.origin)).parent
