"""Plug-ins: a file of a folder is a plug-in, its name is its name on the command line, its options are a function's.

A file is a plug-in where it defines the folder's opening function (`open_encoder`, `open_probe`, `open_reader`) at its
top level. Files are recognised by their text, so that listing names imports nothing.
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


def names(package: str, opener: str) -> list[str]:
    """Names of the plug-ins of `package` (e.g. "evar.encoders"), sorted: the files that define `opener`."""
    definition = re.compile(rf"^def {opener}\(", re.MULTILINE)
    found = importlib.util.find_spec(package)  # which imports nothing of the package itself
    assert found is not None
    folder = Path(str(found.origin)).parent
    return sorted(file.stem for file in folder.glob("[!_]*.py") if definition.search(file.read_text(encoding="utf-8")))


def require(package: str, opener: str, kind: str, specs: str) -> None:
    """Raise UsageError, with near names, for the first of these calls that names no plug-in; imports none."""
    for spec in split_calls(specs):
        if (name := parse_call(spec, kind)[0]) not in (known := names(package, opener)):
            raise _missing(package, opener, name, kind, known)


def load(package: str, opener: str, name: str, kind: str) -> Callable[..., Any]:
    """The opening function of the plug-in `name`. Raises UsageError, with near names, where there is none."""
    known = names(package, opener)
    if name not in known:
        raise _missing(package, opener, name, kind, known)
    function: Callable[..., Any] = getattr(importlib.import_module(f"{package}.{name}"), opener)
    return function


def _missing(package: str, opener: str, name: str, kind: str, known: list[str]) -> UsageError:
    found = importlib.util.find_spec(package)
    file = Path(str(found.origin)).with_name(f"{name}.py") if found else Path(name)
    if os.path.isfile(file):  # noqa: PTH113  a name may be too long for a Path
        return UsageError(f"{file} is no {kind}: it defines no function {opener}")
    return unknown(kind, name, known)
