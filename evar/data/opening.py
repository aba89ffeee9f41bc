"""Opening a clip, whatever it holds: what comes of it, and what there is to say where that does not work."""

import contextlib
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from evar.base.errors import DataError
from evar.base.files import refuse_if_too_many_open
from evar.data.containers import Containers

MISSING = "missing"  # the reason of a clip whose file is not there


@dataclass(frozen=True)
class Decoded:
    """One clip, as the store keeps it.

    Of audio:   samples: (sample,) int16, mono, at the rate asked for; original_rate in Hz, duration in seconds and
    channels are the file's own; peak: the largest magnitude at the new rate before rounding, 1.0 = full scale; clipped:
    share of samples at either end of the 16-bit range, whether saturated here or in the file; lacking: seconds that the
    file promises beyond its duration, few enough to count as whole; decoder: "" for soundfile, else ffmpeg with its
    version.
    Of an image: samples: the bytes of (row, column, RGB) in pairs; original_rate: the file's own shorter side in
    pixels; channels: the file's own; peak: from the darkest value to the brightest, 1.0 = the whole range, so that it
    is 0 for an image of one colour; the rest is 0.
    """

    samples: NDArray[np.int16]
    original_rate: int
    duration: float
    channels: int
    peak: float
    clipped: float = 0.0
    lacking: float = 0.0
    decoder: str = ""


def resized(size: int) -> int:
    """Pixels of an image's shorter side before `size` of them are cut out: as ImageNet is tested nearly everywhere."""
    return round(256 / 224 * size)


class ClipFault(DataError):
    """A file that cannot be evaluated; its text is the reason alone, without the path."""


class Unreadable(ClipFault):
    """There is nothing to decode with or from: missing, a folder, no permission, no memory. It may heal."""


def opened(path: Path, inside: Containers | None) -> BinaryIO:
    """The file, open. inside: opens clips that lie inside files. Raises ClipFault, and StorageError as `faults`.

    By descriptor: libsndfile sees no name, from whose ending it would guess (text.au as headerless mu-law).
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):  # opening a pipe would wait for ever
            return path.open("rb", buffering=0)
    except NotADirectoryError as error:
        if inside is not None and (file := inside.open(str(path))) is not None:
            return file
        raise Unreadable(MISSING) from error
    except FileNotFoundError as error:
        raise Unreadable("is a link to nothing" if path.is_symlink() else MISSING) from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        refuse_if_too_many_open(path, error)
        raise Unreadable(f"cannot be opened: {getattr(error, 'strerror', error)}") from error
    raise Unreadable("is a folder" if stat.S_ISDIR(mode) else "is no regular file")


@contextlib.contextmanager
def faults(path: Path) -> Iterator[None]:
    """Turn what reading an open file may raise into a ClipFault; StorageError where no more files can be opened."""
    try:
        yield
    except ClipFault:
        raise
    except DataError as error:
        raise ClipFault(str(error)) from error
    except OSError as error:
        refuse_if_too_many_open(path, error)
        raise Unreadable(f"cannot be read: {error.strerror}") from error
    except MemoryError as error:
        raise Unreadable("needs more memory than there is") from error
