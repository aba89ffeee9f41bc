"""Parquet files with clips in a column, as the Hugging Face Hub keeps them. The only door to pyarrow.

A column of audio, or of images, is a struct {bytes, path}, or plain bytes. Names of classes, and which column is of
what kind, stand in the schema's metadata, under the key `huggingface`, as JSON.
"""

import bisect
import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from evar.base.errors import DataError, UsageError, few, install_hint

STRUCT, BYTES, TEXT, TEXTS, NUMBERS, OTHER = "struct", "bytes", "text", "texts", "numbers", "other"
BATCH_ROWS, BUFFER_BYTES = 64, 1 << 20  # read so, a row group takes a third less memory than read at once
_FEATURES = b"huggingface"


def installed() -> bool:
    """Whether the package is there."""
    return importlib.util.find_spec("pyarrow") is not None


def require_pyarrow() -> None:
    """Raise UsageError, with what to install, where pyarrow is missing."""
    if not installed():
        raise UsageError(f"datasets in Parquet files need pyarrow: {install_hint('hub')}")


@dataclass(frozen=True)
class Schema:
    """The columns of a file.

    kinds:    column -> STRUCT (with bytes), BYTES, TEXT, TEXTS or NUMBERS (a list of each), OTHER
    features: column -> what the Hub's metadata says of it; empty where there is none
    rows:     how many
    """

    kinds: dict[str, str]
    features: Mapping[str, Any]
    rows: int


@dataclass(frozen=True)
class RowGroups:
    """Where the row groups of a file begin."""

    starts: Sequence[int]
    rows: int

    def find(self, row: int) -> tuple[int, int]:
        """(row group, row in it). Raises DataError where the file has fewer rows."""
        if row >= self.rows:
            raise DataError(f"its file has only {self.rows:,} rows")
        group = bisect.bisect_right(self.starts, row) - 1
        return group, row - self.starts[group]


@dataclass(frozen=True)
class Cells:
    """Bytes of a column in one row group."""

    chunked: Any

    def bytes_of(self, row: int) -> memoryview | None:
        """Those of a row, without a copy; None where it has none."""
        cell = self.chunked[row]
        return memoryview(cell.as_buffer()) if cell.is_valid else None


def schema(file: str) -> Schema:
    """The columns of `file`. Raises UsageError without pyarrow, DataError where it is no Parquet file."""
    with _opened(file) as opened:
        arrow = opened.schema_arrow
        found = (arrow.metadata or {}).get(_FEATURES, b"{}")
        try:
            features = json.loads(found).get("info", {}).get("features", {})
        except (ValueError, AttributeError, RecursionError):
            features = {}
        kinds = {field.name: _kind(field.type) for field in arrow}
        return Schema(kinds, features if isinstance(features, dict) else {}, opened.metadata.num_rows)


def columns(file: str, names: Sequence[str]) -> pd.DataFrame:
    """These columns of all rows as Python objects; "audio.path" is a field of a struct. What clips hold is not read."""
    import pyarrow as pa

    try:
        with _opened(file) as opened:
            there = set(opened.schema_arrow.names)
            if lacks := [name for name in names if not {name, name.rpartition(".")[0]} & there]:
                raise DataError(f"{file}: no column {few(lacks)}, which other files of the dataset have")
            table = opened.read(columns=list(names), use_threads=False)
            return pd.DataFrame({name: pd.Series(_flat(table, name).to_pylist(), dtype=object) for name in names})
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} is cut or damaged ({_words(error)}): fetch it again") from error


def holds_bytes(file: str, column: str) -> list[bool]:
    """(row,) Whether the row's group has any bytes in this column, so that clips lie in the file and not beside it."""
    from pyarrow import types

    with _opened(file) as opened:
        leaf, type_ = _leaf(opened, column), opened.schema_arrow.field(column).type
        if types.is_struct(type_) and types.is_null(type_.field("bytes").type):
            return [False] * opened.metadata.num_rows
        found: list[bool] = []
        for number in range(opened.metadata.num_row_groups):
            group = opened.metadata.row_group(number)
            statistics = group.column(leaf).statistics
            nulls = statistics.null_count if statistics is not None and statistics.has_null_count else 0
            found += [nulls < group.num_rows] * group.num_rows
        return found


def row_groups(file: str) -> RowGroups:
    """Where the row groups of `file` begin. Raises DataError that names no file."""
    with _opened(file, inside=True) as opened:
        starts, total = [], 0
        for number in range(opened.metadata.num_row_groups):
            starts.append(total)
            total += opened.metadata.row_group(number).num_rows
        return RowGroups(starts, total)


def cells(file: str, column: str, group: int) -> tuple[Cells, int]:
    """The bytes of a column in a row group, and how many they are. Raises DataError that names no file."""
    import pyarrow as pa

    try:
        with _opened(file, inside=True) as opened:
            leaf = opened.metadata.row_group(group).column(_leaf(opened, column)).path_in_schema
            batches = opened.iter_batches(BATCH_ROWS, row_groups=[group], columns=[leaf], use_threads=False)
            chunked = _flat(pa.Table.from_batches(list(batches)), leaf)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"its row group is cut or damaged ({_words(error)}): fetch the file again") from error
    return Cells(chunked), max(1, int(chunked.nbytes))


def _opened(file: str, inside: bool = False) -> Any:
    require_pyarrow()
    import pyarrow as pa
    from pyarrow import parquet as pq

    try:
        return pq.ParquetFile(file, pre_buffer=False, buffer_size=BUFFER_BYTES)
    except (pa.ArrowException, OSError) as error:
        what = "its file" if inside else file
        raise DataError(f"{what} is no Parquet file, or is cut ({_words(error)}): fetch it again") from error


def _kind(type_: Any) -> str:
    from pyarrow import types

    if types.is_struct(type_):
        return (
            STRUCT
            if any(field.name == "bytes" and (_is_bytes(field.type) or types.is_null(field.type)) for field in type_)
            else OTHER
        )
    if types.is_list(type_) or types.is_large_list(type_):
        inner = _kind(type_.value_type)
        return {TEXT: TEXTS, "number": NUMBERS}.get(inner, OTHER)
    if types.is_dictionary(type_):
        return _kind(type_.value_type)
    if _is_bytes(type_):
        return BYTES
    if types.is_string(type_) or types.is_large_string(type_):
        return TEXT
    return "number" if types.is_integer(type_) else OTHER


def _is_bytes(type_: Any) -> bool:
    from pyarrow import types

    return bool(types.is_binary(type_) or types.is_large_binary(type_))


def _leaf(opened: Any, column: str) -> int:
    """The number of the leaf that holds the bytes of a column: itself, or its field `bytes`."""
    first = opened.metadata.row_group(0) if opened.metadata.num_row_groups else None
    paths = [first.column(number).path_in_schema for number in range(first.num_columns)] if first else []
    for name in (f"{column}.bytes", column):
        if name in paths:
            return paths.index(name)
    raise DataError(f"its file has no column of bytes {column}")


def _flat(table: Any, name: str) -> Any:
    """A column, or "column.field" of a struct, as a chunked array."""
    if name in table.column_names:
        return table[name]
    column, _, field = name.rpartition(".")
    import pyarrow.compute as pc

    return pc.struct_field(table[column], field)


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
