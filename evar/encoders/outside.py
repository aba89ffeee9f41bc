"""Code from outside this package: importing it, what went wrong in it, and which code it is.

Code is named by an import name ("hearbaseline.wav2vec2") or by the path of a .py file. It is the user's own choice to
run it; whatever it raises becomes one clear UsageError that says where, and what it prints goes to stderr.
"""

import ast
import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import inspect
import itertools
import sys
import traceback
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType

from torch import nn

from evar.base.errors import EvarError, UsageError, few, printable
from evar.base.provenance import PACKAGE, imported_names
from evar.nn.memory import out_of_memory

INSTALLED = {"site-packages", "dist-packages"}
"""Folders of installed packages, which a version identifies; other folders are the user's, and change any time."""

LONGEST_MESSAGE = 1000  # characters of somebody's error

_SEARCHED: list[str] = []
"""What `_search_beside` added to sys.path: a folder at most."""


def import_outside(named: str, kind: str) -> ModuleType:
    """The module with an import name, or in a .py file; `kind` ("hear module") is for the error.

    A file may import what lies in its folder, unless an installed module has the same name; both are read anew, also
    where another file with neighbours of the same names came before. Raises UsageError where there is no such module,
    and where it raises anything.
    """
    _search_beside(None)
    if not named.endswith(".py"):
        return _import_name(named, kind)
    file = Path(named).expanduser().absolute()
    if not file.is_file():
        beside = few(sorted(path.name for path in file.parent.glob("*.py"))) if file.parent.is_dir() else ""
        raise UsageError(f"{kind}: no file {named} ({file.parent} holds {beside or 'no .py file'})")
    name = f"evar_outside_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # as dataclasses and pickles of the file expect
    with outside_code(f"{kind} {named}: importing it"):
        _search_beside(file)
        spec.loader.exec_module(module)
    return module


def _search_beside(file: Path | None) -> None:
    """Let imports find what lies beside `file`, not loaded yet, and no more what lies beside the one before."""
    while _SEARCHED:
        if (folder := _SEARCHED.pop()) in sys.path:
            sys.path.remove(folder)
    if file is None:
        return
    neighbours = {source.relative_to(file.parent).parts[0].removesuffix(".py") for source in _sources(file)}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in neighbours and not _installed(getattr(module, "__file__", None) or ""):
            del sys.modules[name]
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
        _SEARCHED.append(str(file.parent))


def _import_name(name: str, kind: str) -> ModuleType:
    there = Path(f"{name}.py").is_file()
    hint = f"did you mean {name}.py?" if there else "name a .py file, or install its package"
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"{kind}: no module named {name!r}: {hint}")
    with outside_code(f"{kind} {name}: importing it"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):  # of something that it imports
                raise
            raise UsageError(f"{kind}: no module named {name!r}: {hint}") from error


@contextlib.contextmanager
def outside_code(what: str) -> Iterator[None]:
    """Turn whatever the user's code raises in the block into "WHAT raised ... (FILE, line N)", a UsageError.

    Errors of this package and full memory pass: others know better what to do about them.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (Exception, SystemExit) as error:
        if isinstance(error, EvarError) or out_of_memory(error):
            raise
        raise UsageError(f"{what} raised {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """Type, message and place of an error on one line: the deepest place in the user's own code, else outside ours."""
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    others = [frame for frame in frames if not frame[0].startswith((str(PACKAGE), "<frozen"))]
    places = [frame for frame in others if not _installed(frame[0])] or others
    message: object = error
    if isinstance(error, SyntaxError) and error.filename:
        message, places = error.msg, [(error.filename, error.lineno)]
    said = printable(str(message))
    said = said if len(said) <= LONGEST_MESSAGE else f"{said[:LONGEST_MESSAGE]}..."
    place = f" ({places[-1][0]}, line {places[-1][1]})" if places else ""
    return f"{type(error).__name__}{': ' if said else ''}{said}{place}"


def _installed(file: str | Path) -> bool:
    return bool(INSTALLED & set(Path(file).parts)) or Path(file).is_relative_to(Path(ast.__file__).parent)


def code_of(roots: Iterable[ModuleType], model: nn.Module) -> str:
    """Which outside code decides a model's numbers: versions of installed packages, sha256 of the user's sources.

    roots:  modules that the user named; joined by those that define the classes of `model`. A file of the user's stands
            for itself and for all beside it that it imports, directly or not; one of a package for the whole package.

    Where the source of a class cannot be read (see `unreadable`), no two calls give the same.
    """
    names = {type(module).__module__ for module in model.modules()}
    modules = [*roots, *(sys.modules[name] for name in names if name in sys.modules)]
    outside = [(module, Path(file)) for module in modules if (file := getattr(module, "__file__", None))]
    versions = {_version(module.__name__) for module, file in outside if _installed(file)}
    own = [(m, file.resolve()) for m, file in outside if not _installed(file) and not file.is_relative_to(PACKAGE)]
    digest = hashlib.sha256()
    for source in sorted({source for module, file in own for source in _sources(file, *_packages(module))}):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    for text in (text for _, methods in _loose(model) for text in methods):
        digest.update(text.encode() + b"\0")
    lost = [f"unreadable {uuid.uuid4().hex}"] if unreadable(model) else []
    return "; ".join([*sorted(versions - {""}), f"sources {digest.hexdigest()}", *lost])


def unreadable(model: nn.Module) -> list[str]:
    """Names of the classes of `model` whose source is nowhere to be read, as those typed at a prompt."""
    return sorted({kind.__qualname__ for kind, methods in _loose(model) if not methods})


def _loose(model: nn.Module) -> list[tuple[type[nn.Module], list[str]]]:
    """The classes that belong to no file (cells of a notebook) by their names, and the sources of their methods."""
    kinds = {type(module) for module in model.modules()}
    loose = [kind for kind in kinds if not getattr(sys.modules.get(kind.__module__), "__file__", None)]
    return [(kind, _methods(kind)) for kind in sorted(loose, key=lambda kind: kind.__qualname__)]


def _methods(kind: type) -> list[str]:
    """Source of every method that a class defines; nothing where one cannot be read."""
    try:
        return [inspect.getsource(method) for method in vars(kind).values() if isinstance(method, FunctionType)]
    except (OSError, TypeError):
        return []


def _packages(module: ModuleType) -> list[Path]:
    """Folders of the top-level package that a module belongs to; none where it belongs to no package."""
    package = sys.modules.get(module.__name__.partition(".")[0])
    return [Path(folder).resolve() for folder in getattr(package, "__path__", [])]


def _sources(file: Path, *packages: Path) -> set[Path]:
    """A file, all files of its packages, and all beside these that they import, directly or not; none of ours."""
    folders = {file.parent, *(package.parent for package in packages)}
    waiting = [file, *(source for package in packages for source in package.rglob("*.py"))]
    found: set[Path] = set()
    listed: set[str] = set()
    while waiting:
        source = waiting.pop()
        if source in found or not source.is_file() or _installed(source) or _is_ours(source):
            continue
        found.add(source)
        for name, folder in itertools.product(_imported(source) - listed, folders):
            waiting += [folder / f"{name}.py", *(folder / name).rglob("*.py")]
            listed.add(name)
    return found


def _imported(file: Path) -> set[str]:
    """Top-level names of all that a file imports anywhere; none where it is no Python (a template, an older Python)."""
    try:
        return {name.partition(".")[0] for name in imported_names(file)}
    except (SyntaxError, ValueError):
        return set()


def _is_ours(file: Path) -> bool:
    """Whether a file is of this package, whose modules are loaded once and whose sources `provenance` hashes."""
    return file.resolve().is_relative_to(PACKAGE.resolve())


@functools.cache
def _version(module: str) -> str:
    """Name and version of the distribution that a module came with; "" where it came with none."""
    package = module.partition(".")[0]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        found = importlib.metadata.distribution(package)
        if package in (found.read_text("top_level.txt") or "").split():  # else all that is installed is looked through
            return f"{found.metadata['Name']} {found.version}"
    for name in importlib.metadata.packages_distributions().get(package, []):
        return f"{name} {importlib.metadata.version(name)}"
    return ""
