"""`evar export`: the results for pandas, the HEAR kit and MTEB."""

import argparse
import sys
from pathlib import Path

from evar.base.errors import UsageError
from evar.base.files import write_atomic
from evar.cli.terminal import say
from evar.cli.verbs.leaderboard import judged
from evar.leaderboard import exchange, formats
from evar.leaderboard.imported import read_imported
from evar.leaderboard.published import read_published
from evar.leaderboard.read import read_rows
from evar.leaderboard.table import Result
from evar.leaderboard.views import Board


def run(arguments: argparse.Namespace) -> int:
    """Write the results in another shape: one file (long, parquet) or a folder of files (hear, mteb)."""
    board = judged(arguments.results, read_rows(arguments.results, say))
    if arguments.format in ("long", "parquet"):
        imported = read_imported(arguments.results, say)
        text = formats.to_long_csv(board, read_published(), imported)
        _write_table(text, arguments.format, arguments.out)
        return 0
    if arguments.out is None:
        raise UsageError(f"--format {arguments.format} is a folder of files: name it by --out FOLDER")
    rows = _one_probe(board, arguments.probe)
    files = exchange.to_hear(rows) if arguments.format == "hear" else exchange.to_mteb(rows)
    for path, text in files.items():
        write_atomic(arguments.out / path, text)
    say(f"{len(files)} files written to {arguments.out}")
    return 0


def _one_probe(board: Board, probe: str) -> list[Result]:
    """Ranked rows of one probe; others are no part of these shapes, and rows apart would claim too much."""
    rows = [cell.result for table in board.tables for line in table.lines for cell in line.cells.values()]
    kept = [row for row in rows if row.probe == probe]
    if not kept:
        there = ", ".join(sorted({row.probe for row in rows})) or "none"
        raise UsageError(f"no ranked row of probe {probe!r} to export (probes with ranked rows: {there})")
    return kept


def _write_table(text: str, format: str, out: Path | None) -> None:
    if format == "parquet":
        if out is None:
            raise UsageError("--format parquet is no text: name its file by --out FILE")
        formats.write_parquet(text, out)
    elif out is None:
        sys.stdout.write(text)
        return
    else:
        write_atomic(out, text)
    say(f"written to {out}")
