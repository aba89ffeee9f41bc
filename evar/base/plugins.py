"""Plug-ins: a file of a folder is a plug-in, its name is its name on the command line, its options are a function's.

A file is a plug-in where it defines the folder's opening function (`open_encoder`, `open_probe`, `open_reader`,
`open_format`) at its top level. Files are recognised by their text, so that listing names imports nothing.
"""

import importlib
import importlib.util
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evar.base.errors import UsageError, unknown
from evar.base.spec import parse_call, split_calls

PLACES = {
    "encoder": ("evar.encoders", "open_encoder"),
    "probe": ("evar.probes", "open_probe"),
    "reader": ("evar.data.readers", "open_reader"),
    "format": ("evar.leaderboard.formats", "open_format"),
}
"""Kind of plug-in -> the package that holds them, and the function that each defines."""


def names(kind: str) -> list[str]:
    """Names of the plug-ins of a kind, sorted: the files of its folder that define its opening function."""
    definition = re.compile(rf"^def {PLACES[kind][1]}\(", re.MULTILINE)
    files = _folder(kind).glob("[!_]*.py")
    return sorted(file.stem for file in files if definition.search(file.read_text(encoding="utf-8")))


def require(kind: str, name: str) -> None:
    """Raise UsageError, with near names, where there is no plug-in of this name; imports none."""
    if name in (known := names(kind)):
        return
    file = _folder(kind) / f"{name}.py"
    if os.path.isfile(file):  # noqa: PTH113  a name may be too long for a Path
        raise UsageError(f"{file} is no {kind}: it defines no function {PLACES[kind][1]}")
    raise unknown(kind, name, known)


def require_calls(kind: str, specs: str) -> None:
    """`require` for each of a comma list of calls, before anything slow is imported."""
    for spec in split_calls(specs):
        require(kind, parse_call(spec, kind)[0])


def load(kind: str, name: str) -> Callable[..., Any]:
    """The opening function of the plug-in `name`. Raises UsageError, with near names, where there is none."""
    require(kind, name)
    package, opener = PLACES[kind]
    function: Callable[..., Any] = getattr(importlib.import_module(f"{package}.{name}"), opener)
    return function


def _folder(kind: str) -> Path:
    found = importlib.util.find_spec(PLACES[kind][0])  # which imports nothing of the package itself
    assert found is not None
    return Path(str(found.origin)).parent
