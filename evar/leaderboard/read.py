"""Reading results back: leaderboard rows as `Result`, and the predictions behind each.

`read_rows` is the inverse of `Result.row`: text becomes the type that the field is annotated with. A column that a row
lacks, or an empty cell, reads as the field's default. What cannot be read is told and skipped, never lost.
"""

import dataclasses
import functools
import json
import typing
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from evar.errors import DataError
from evar.leaderboard.lines import VERSION
from evar.leaderboard.table import FORMAT, NAME, Result, read_sheet
from evar.probes.predictions import Predictions
from evar.scoring.compare import RunOutput


def read_rows(results: Path, note: Callable[[str], None]) -> list[Result]:
    """Every row of the leaderboard in this folder, oldest first; none where there is no leaderboard.

    `note` is told of each line that is no row, with its number, and of rows of a format newer than this version's.
    Raises StorageError where the file is not a leaderboard.
    """
    path = results / NAME
    sheet = read_sheet(path)
    if sheet is None:
        return []
    if (newest := sheet.newest_format()) > FORMAT:
        note(f"{path} has rows of format {newest}; they are read for what format {FORMAT} knows")
    rows = []
    for line, cells in sheet.records():
        try:
            if cells is None:
                raise ValueError(f"not a row of {len(sheet.header)} cells")
            rows.append(to_result(cells))
        except ValueError as error:
            note(f"{path}, line {line}: {error}; the line is skipped")
    return rows


def to_result(cells: Mapping[str, str]) -> Result:
    """A row of text, column -> cell, as `Result`. Raises ValueError, naming the column, where a cell cannot be read."""
    if not VERSION.fullmatch(cells.get("format", "")):
        raise ValueError(f"format cannot be {cells.get('format', '')!r}")
    return Result(**{field.name: _value(cells.get(field.name, ""), field) for field in dataclasses.fields(Result)})


@dataclass(frozen=True)
class Kept(RunOutput):
    """What a run kept beside its row. curves: round -> setting -> mean validation score."""

    curves: dict[str, dict[str, float]]


def read_predictions(results: Path, run: str) -> Kept:
    """The predictions that a row's run kept. Raises DataError where they are missing or broken."""
    path = results / "predictions" / f"{run}.npz"
    if Path(run).name != run:
        raise DataError(f"run {run!r} is no name of a run")
    if not path.is_file():
        raise DataError(f"no predictions of run {run}: {path} is not there; score it again to have them")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            parts = {name: kept[name] for name in ("logits", "targets", "rows", "groups", "folds")}
            clips, classes = kept["clips"].tolist(), tuple(kept["classes"].tolist())
            predictions = Predictions(**parts)
            if len(clips) != len(predictions.rows) or len(classes) != predictions.logits.shape[2]:
                raise ValueError("clips or classes do not fit the logits")
            return Kept(predictions, clips, classes, json.loads(kept["curves"].item()))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is broken ({' '.join(str(error).split())}): score it again") from error


def _value(text: str, field: dataclasses.Field[Any]) -> Any:
    """A cell's value. Raises ValueError where it is not of the field's type."""
    hint = _hints()[field.name]
    if text == "":
        if field.default is not dataclasses.MISSING:
            return field.default
        if field.default_factory is not dataclasses.MISSING:
            return field.default_factory()
        if type(None) in typing.get_args(hint):
            return None
    try:
        return _adapter(field.name).validate_python(json.loads(text) if _is_json(hint) else text)
    except ValidationError as error:
        raise ValueError(f"{field.name} cannot be {_shown(text)}: {error.errors()[0]['msg']}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{field.name} cannot be {_shown(text)}: {error}") from error


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _is_json(hint: Any) -> bool:
    return any(typing.get_origin(each) in (dict, list) for each in (hint, *typing.get_args(hint)))


@functools.cache
def _hints() -> dict[str, Any]:
    return typing.get_type_hints(Result)


@functools.cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_hints()[name], config=ConfigDict(allow_inf_nan=False))
