"""Reading results back: leaderboard rows as `Result`, and the predictions behind each.

`read_rows` is the inverse of `Result.row`: text becomes the type that the field is annotated with. A column that a row
lacks, or an empty cell, reads as the field's default. What cannot be read is told and skipped, never lost.
"""

import dataclasses
import datetime
import functools
import json
import typing
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from evar.base.errors import DataError
from evar.leaderboard.lines import VERSION
from evar.leaderboard.table import FORMAT, NAME, Result, read_sheet
from evar.probes.predictions import Predictions
from evar.scoring.compare import RunOutput
from evar.scoring.metrics import METRICS

BROKEN = (OSError, ValueError, KeyError, EOFError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What numpy and zipfile raise for an archive that was damaged anywhere."""


def read_rows(results: Path, note: Callable[[str], None]) -> list[Result]:
    """Every row of the leaderboard in this folder, oldest first by `time`; none where there is no leaderboard.

    `note` is told of each line that is no row or repeats an earlier one's run, with its number, and of rows of a format
    newer than this version's.
    Raises StorageError where the file is not a leaderboard.
    """
    path = results / NAME
    sheet = read_sheet(path)
    if sheet is None:
        return []
    if (newest := sheet.newest_format()) > FORMAT:
        note(f"{path} has rows of format {newest}; they are read for what format {FORMAT} knows")
    rows: dict[str, Result] = {}
    for line, cells in sheet.records():
        try:
            if cells is None:
                raise ValueError(f"not a row of {len(sheet.header)} cells")
            row = to_result(cells)
            if row.run in rows:
                raise ValueError(f"run {row.run} stands on an earlier line too")
            rows[row.run] = row
        except ValueError as error:
            note(f"{path}, line {line}: {error}; the line is skipped")
    return sorted(rows.values(), key=moment)


def to_result(cells: Mapping[str, str]) -> Result:
    """A row of text, column -> cell, as `Result`. Raises ValueError, naming the column, where a cell cannot be read.

    Bytes that are no UTF-8 are read as U+FFFD; in the file they stay as they are.
    """
    cells = {name: cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for name, cell in cells.items()}
    if not VERSION.fullmatch(cells.get("format", "")):
        raise ValueError(f"format cannot be {cells.get('format', '')!r}")
    row = Result(**{field.name: _value(cells.get(field.name, ""), field) for field in dataclasses.fields(Result)})
    _require_possible(row)
    return row


def moment(row: Result) -> datetime.datetime:
    """When the row was made. Raises ValueError where its time is none."""
    when = datetime.datetime.fromisoformat(row.time)
    return when if when.tzinfo else when.replace(tzinfo=datetime.UTC)


def _require_possible(row: Result) -> None:
    """Raise ValueError for a score outside its interval or its metric's bounds, and for a time that is none."""
    if not row.low <= row.score <= row.high:
        raise ValueError(f"score cannot be {row.score:g} in an interval from {row.low:g} to {row.high:g}")
    if (known := METRICS.get(row.metric)) is not None and not known.low <= row.low <= row.high <= known.high:
        raise ValueError(f"{row.metric} cannot be {row.score:g} [{row.low:g}, {row.high:g}]")
    try:
        moment(row)
    except ValueError as error:
        raise ValueError(f"time cannot be {_shown(row.time)}: {error}") from error


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
    except BROKEN as error:
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
