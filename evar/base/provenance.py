"""Where a result comes from: versions, the project's own commit, its sources, the clock."""

import ast
import datetime
import functools
import hashlib
import importlib.metadata
import json
import subprocess
import uuid
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import evar

PACKAGE = Path(__file__).parents[1]
ROWS_AT_ONCE = 4096


def now() -> str:
    """The time, UTC, to the second, as ISO 8601."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_run_id() -> str:
    """A name for a run that no other run has and that sorts by time."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


@functools.cache
def versions() -> Mapping[str, str]:
    """Versions of this package and of those whose numbers end up in a score."""
    outside = {name: importlib.metadata.version(name) for name in ("torch", "scikit-learn", "nnAudio", "numpy", "soxr")}
    return MappingProxyType({"evar": evar.__version__, **outside})


@functools.cache
def commit() -> tuple[str, bool]:
    """The commit of the checkout that this package runs from, and whether files differ from it; ("", False) if none.

    New files of the package and of tasks/ count as differing. Asked for once a process: that is the code it imported.
    An installed package that merely lies inside somebody's repository is not that repository's.
    """
    if _git("ls-files", "--error-unmatch", "__init__.py") is None:
        return "", False
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", "..")
    added = _git("status", "--porcelain", "--", ".", "../tasks")
    return _git("rev-parse", "HEAD") or "", bool(changed or added)


def hash_json(content: Any) -> str:
    """sha256 of a value in canonical JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def hash_rows(rows: Iterable[Any], *more: Any) -> str:
    """sha256 of many values in JSON, a few thousand at a time, so that millions take little memory, and of `more`."""
    digest, rows = hashlib.sha256(json.dumps(more).encode()), iter(rows)
    while block := list(islice(rows, ROWS_AT_ONCE)):
        digest.update(json.dumps(block).encode())
    return digest.hexdigest()


def hash_sources(paths: Iterable[str]) -> str:
    """sha256 over source files of this package, given relative to it; a folder stands for every .py file in it."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        place = PACKAGE / path
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(file.relative_to(PACKAGE).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def imported_sources(files: Iterable[str], within: tuple[str, ...]) -> set[str]:
    """`files` and every source file of this package that they import, directly or not, below the folders `within`."""
    found: set[str] = set()
    waiting = [file for file in files if (PACKAGE / file).is_file()]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        modules = imported_modules(PACKAGE / file)
        paths = {f"{'/'.join(parts)}.py" for parts in modules} | {
            "/".join([*parts, "__init__.py"]) for parts in modules
        }
        waiting += [path for path in paths if path.startswith(within) and (PACKAGE / path).is_file()]
    return found


def imported_modules(file: Path) -> set[tuple[str, ...]]:
    """Parts, below this package, of every module of it that a source file imports anywhere: ("nn", "vit")."""
    return {tuple(name.split(".")[1:]) for name in imported_names(file) if name.startswith("evar.")}


def imported_names(file: Path) -> frozenset[str]:
    """Dotted names of all that a source file imports anywhere, of a `from` with and without what it takes.

    Raises SyntaxError and ValueError for a file that is no Python.
    """
    return _imported_names(file.read_bytes(), str(file))


@functools.cache
def _imported_names(source: bytes, file: str) -> frozenset[str]:
    """See `imported_names`. Remembered: a network's sources are looked through whenever it is scored again."""
    names: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(source, file)]
    while waiting:  # ast.walk would look into expressions too, which import nothing: twice as long
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif not isinstance(node, ast.expr):
            for block in ("body", "orelse", "finalbody", "handlers", "cases"):
                waiting += getattr(node, block, ())
    return frozenset(names)


def _git(*arguments: str) -> str | None:
    """What git prints, or None where it fails or is absent."""
    try:
        done = subprocess.run(["git", "-C", str(PACKAGE), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
