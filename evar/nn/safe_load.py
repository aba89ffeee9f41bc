"""Tensors out of a file, without running anything that the file asks for.

PyTorch files (zip and the older bare pickles) go through its restricted unpickler, with the few harmless classes that
M2D's training checkpoints hold besides tensors; safetensors files hold no code. A file's content says which it is.
Sizes and checksums come first: nothing is parsed that unpacks to more than the file holds, or that was damaged.
Whatever is wrong with a file becomes one CheckpointError.
"""

import argparse
import pathlib
import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from evar.base.errors import CheckpointError, few, shown
from evar.nn.checkpoint_file import checkpoints_in, kind_of, require_whole
from evar.nn.memory import out_of_memory

Global = Callable[..., Any] | tuple[Callable[..., Any], str]

NUMPY_SCALARS: tuple[type[np.generic], ...] = (
    np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64,
    np.float16, np.float32, np.float64,
)  # fmt: skip

TORCHS_OWN = re.compile(
    r"torch\._utils\._rebuild_\w+|torch\.\w*Storage|torch\.storage\.\w+|torch\.nn\.parameter\.Parameter|torch\.Size"
    r"|torch\.device|collections\.OrderedDict|_codecs\.encode"
)
"""What PyTorch's own files ask for to build tensors; allowed by its unpickler and not worth naming in an error."""

MOST_PICKLES = 16  # an old PyTorch file is a row of five


def load_file_safely(path: pathlib.Path) -> Any:
    """What the file at `path` holds; tensors on the CPU, mapped from the file where its format allows it.

    Raises CheckpointError where the file cannot be read, is broken, or asks for more than tensors and plain data.
    An error that says that memory is short passes.
    """
    try:
        require_whole(path)
        if kind_of(path) == "safetensors":
            return load_file(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(_harmless()):
            warnings.simplefilter("ignore")  # about odd pickles: what matters of that becomes an error
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except CheckpointError:
        raise
    except Exception as error:  # broken files raise nearly anything: UnpicklingError, KeyError, EOFError, RuntimeError
        if out_of_memory(error) and not _asks_for_more_than_the_file_holds(path, error):
            raise
        if isinstance(error, OSError):
            raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error
        raise _explained(path, error) from error


def metadata_of(path: pathlib.Path) -> dict[str, str]:
    """The texts that a safetensors file holds beside its tensors; none in another file. Of a file that was loaded."""
    if kind_of(path) != "safetensors":
        return {}
    with safe_open(path, "pt") as file:
        return dict(file.metadata() or {})


def _asks_for_more_than_the_file_holds(path: pathlib.Path, error: Exception) -> bool:
    """Whether memory was short for a tensor that cannot be in the file, as a damaged pickle may state."""
    asked = re.search(r"tried to allocate (\d+) bytes", str(error))
    return asked is not None and int(asked[1]) > path.stat().st_size


def _harmless() -> list[Global]:
    """The classes besides tensors that a checkpoint may build: none of them acts on anything when built.

    Paths become pure paths, which exist on every system. Pairs give a class under the name that other versions of
    Python (pathlib._local, 3.13) and NumPy (numpy.core, 1.x) write.
    """
    scalar: Any = np.float64(0).__reduce__()[0]
    paths: list[Global] = [
        (pure, f"{module}.{name}")
        for pure, names in (
            (pathlib.PurePosixPath, ("PosixPath", "PurePosixPath")),
            (pathlib.PureWindowsPath, ("WindowsPath", "PureWindowsPath")),
        )
        for name in names
        for module in ("pathlib", "pathlib._local")
    ]
    kinds: list[Global] = [type(np.dtype(kind)) for kind in NUMPY_SCALARS]
    scalars: list[Global] = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("_core", "core")]
    return [argparse.Namespace, *paths, np.dtype, *kinds, *scalars]


def _explained(path: pathlib.Path, error: Exception) -> CheckpointError:
    harmless = {g[1] if isinstance(g, tuple) else f"{g.__module__}.{g.__qualname__}" for g in _harmless()}
    asked = [name for name in _asked_for(path) if name not in harmless and not TORCHS_OWN.fullmatch(name)]
    if asked:
        return CheckpointError(
            f"{path} asks to run code: {few(asked)}. Nothing of it was run. A checkpoint may hold tensors, "
            f"numbers, texts, paths and an argparse.Namespace"
        )
    if packed := _checkpoints_in_zip(path):
        return CheckpointError(f"{path} is an archive with a checkpoint in it ({few(packed)}): unpack it and name that")
    kind = kind_of(path)
    reason = type(error).__name__
    if _is_text(path):
        reason = "it holds a text"
    elif not kind:
        with path.open("rb") as file:
            reason = f"it begins with {file.read(4)!r}, as no checkpoint does"
    elif not isinstance(error, pickle.UnpicklingError):  # whose text advises to load the file unsafely
        reason = shown(f"{reason}: {error}".splitlines()[0].partition(". ")[0])
    name = "safetensors" if "safetensors" in (kind, path.suffix[1:]) else "PyTorch"
    return CheckpointError(f"{path} is broken or no {name} checkpoint ({reason}): copy or download it again")


def _is_text(path: pathlib.Path) -> bool:
    """Whether a file begins like a text: no zip, no pickle of today, nothing but UTF-8 without control characters."""
    with path.open("rb") as file:
        begin = file.read(4096)
    try:
        text = begin.decode("utf-8")
    except UnicodeDecodeError as error:
        text = begin[: error.start].decode("utf-8") if error.start > len(begin) - 4 else "\0"
    return all(character.isprintable() or character.isspace() for character in text)


def _checkpoints_in_zip(path: pathlib.Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return checkpoints_in(archive.infolist())
    except Exception:  # no zip or a damaged one: UnicodeDecodeError, BadZipFile, NotImplementedError ...
        return []


def _asked_for(path: pathlib.Path) -> list[str]:
    """Dotted names of all that the pickles in a file would import, in their order, read without running them."""
    names: dict[str, None] = {}
    whole = False  # at least one of the pickles
    try:
        for stream in _pickles(path):
            for name in _globals(stream):
                names[name] = None
            whole = True
    except Exception:  # the end of a broken file may be anything; what was asked for before it counts
        return list(names) if whole or not _is_text(path) else []  # "import os" reads like the begin of a pickle
    return list(names)


def _pickles(path: pathlib.Path) -> Iterator[IO[bytes]]:
    """The zip's pickles, or the row of pickles that another file begins with."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".pkl"):
                    with archive.open(name) as member:
                        yield member
    else:
        with path.open("rb") as file:
            for _ in range(MOST_PICKLES):
                yield file


def _globals(stream: IO[bytes]) -> Iterator[str]:
    """Dotted names in one pickle. STACK_GLOBAL takes the last two texts put on the stack, fresh or from the memo."""
    memo: dict[Any, str] = {}
    texts = [""]
    for operation, argument, _ in pickletools.genops(stream):
        match operation.name:
            case "GLOBAL" | "INST":
                yield str(argument).replace(" ", ".")
            case "STACK_GLOBAL":
                yield ".".join(texts[-2:])
            case "MEMOIZE":
                memo[len(memo)] = texts[-1]
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[argument] = texts[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                texts.append(memo.get(argument, ""))
            case _ if isinstance(argument, str):
                texts.append(argument)
