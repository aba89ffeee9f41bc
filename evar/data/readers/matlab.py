"""MATLAB files, as some datasets of images keep their lists: numbers and texts, nothing else is read of them."""

from pathlib import Path
from typing import Any

from evar.base.errors import DataError


def read_matlab(file: Path, *names: str) -> list[list[Any]]:
    """These variables, each as a list; a struct array as a list of tuples. Raises DataError."""
    from scipy.io import loadmat

    try:
        content = loadmat(file, squeeze_me=True)
        return [content[name].tolist() for name in names]
    except KeyError as error:
        raise DataError(f"{file}: no variable {error}") from error
    except Exception as error:  # SciPy raises of every kind for a broken file
        raise DataError(f"{file} is no MATLAB file, or is damaged ({error}): get it again") from error
