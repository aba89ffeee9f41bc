"""The file of a checkpoint: finding it, what kind it is, whether it is whole. Nothing of it is loaded."""

import hashlib
import re
import stat
import zipfile
import zlib
from pathlib import Path

from evar.base.errors import CheckpointError, did_you_mean, few, shown

SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".safetensors")
MOST_PICKLED = 4 << 20  # bytes of a zip's pickle; that of ViT-Large with its optimizer's state has half a million
BEGINS = {
    re.compile(rb".{4}\0{4}\{", re.DOTALL): "safetensors",  # the length of its table in 8 bytes, and the table
    re.compile(rb"PK"): "zip",
    re.compile(rb"\x80"): "pickle",
}
"""How a file begins -> what it is."""


def find_checkpoint(path: Path) -> Path:
    """`path` itself where it is a file, or the one checkpoint in the folder `path`.

    Raises CheckpointError where there is none, or several.
    """
    try:
        if not path.is_dir():
            path.stat()
            require_whole(path)
            return path
        held = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and not file.name.startswith("."))
    except FileNotFoundError as error:
        siblings = sorted(each.name for each in path.parent.iterdir()) if path.parent.is_dir() else []
        hint = did_you_mean(path.name, siblings) or f"{path.parent} holds {few(siblings) or 'nothing'}"
        raise CheckpointError(f"no checkpoint at {path}: {hint}") from error
    except (OSError, ValueError) as error:  # a loop of links, a name too long, a NUL in it, no permission
        reason = error.strerror if isinstance(error, OSError) else error
        raise CheckpointError(f"no checkpoint at {shown(path)}: {reason}") from error
    alone = [file for file in held if file.suffix == ".safetensors" and file.with_suffix(".pth") in held]
    if len(alone) == 1:  # of a pre-training run: the encoder, beside the file to go on from
        return alone[0]
    if len(held) != 1:
        what = f"{len(held)} checkpoints ({few(file.name for file in held)})" if held else "no checkpoint"
        raise CheckpointError(f"the folder {path} holds {what}: name one file ending in {', '.join(SUFFIXES)}")
    return held[0]


def digest_of(file: Path) -> str:
    """sha256 of a file's bytes, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_whole(path: Path) -> None:
    """Raise CheckpointError for what is no regular file, an empty one, and a zip of a damaged or a packed part.

    PyTorch's zips state a checksum of each part (or zero for all, where it was asked to) and pack nothing.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
            raise CheckpointError(f"{path} is {what}: name a checkpoint file")
        if status.st_size == 0:
            raise CheckpointError(f"{path} is empty (zero bytes): copy or download it again")
        if kind_of(path) == "zip" and (fault := _fault_of_zip(path, status.st_size)):
            raise CheckpointError(f"{path} is damaged or no checkpoint ({fault}): copy or download it again")
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error


def kind_of(path: Path) -> str:
    """What a file is by how it begins: "zip", "pickle", "safetensors" or ""."""
    with path.open("rb") as file:
        begin = file.read(9)
    return next((kind for mark, kind in BEGINS.items() if mark.match(begin)), "")


def _fault_of_zip(path: Path, size: int) -> str:
    """What is wrong with the parts of a zip that PyTorch might read; "" where nothing is, or it cannot be opened."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if checkpoints_in(parts):
                return ""  # explained where it is loaded
            held = sum(part.file_size for part in parts)
            if held > size or any(part.compress_type != zipfile.ZIP_STORED for part in parts):
                return f"{held:,} bytes are packed into {size:,}, and PyTorch packs nothing"
            large = [
                part.filename for part in parts if part.filename.endswith(".pkl") and part.file_size > MOST_PICKLED
            ]
            if large:
                return f"{few(large)} is larger than {MOST_PICKLED:,} bytes"
            damaged = archive.testzip() if any(part.CRC for part in parts) else None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError):
        return ""  # not to be opened: torch says why
    return f"its part {shown(damaged)} has not the checksum that it states" if damaged else ""


def checkpoints_in(parts: list[zipfile.ZipInfo]) -> list[str]:
    """Names of the parts of a zip that are checkpoints themselves."""
    return [part.filename for part in parts if part.filename.endswith((".pth", ".pt", ".safetensors"))]
