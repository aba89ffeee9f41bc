"""The long table as Parquet, for pandas: numbers as float64, all else as text."""

import importlib.util
import io

from evar.base.errors import UsageError, install_hint
from evar.leaderboard.formats import Format, long
from evar.leaderboard.read import Leaderboard

NUMBERS = ("score", "low", "high", "n", "groups", "coverage", "embed_clips_per_second")


def write(leaderboard: Leaderboard, width: int) -> bytes:
    """All rows. Raises UsageError where pyarrow, which pandas writes Parquet with, is missing."""
    import pandas as pd

    if importlib.util.find_spec("pyarrow") is None:
        raise UsageError(f"--format parquet needs pyarrow: {install_hint('parquet')}, or give --format long")
    table = pd.read_csv(io.StringIO(long.write(leaderboard, width)), dtype=str, keep_default_na=False)
    for name in NUMBERS:
        table[name] = pd.to_numeric(table[name])
    file = io.BytesIO()
    table.to_parquet(file, index=False)
    return file.getvalue()


def open_format() -> Format:
    """The format."""
    return Format(write, lambda content: content.startswith(b"PAR1") and b"apart_because" in content, place=None)
