"""`evar export`: the results for pandas, the HEAR kit and MTEB."""

import argparse
import sys
from pathlib import Path

from evar.base.errors import UsageError
from evar.base.files import write_atomic
from evar.base.progress import say
from evar.leaderboard import exchange, formats, outputs
from evar.leaderboard.imported import read_imported
from evar.leaderboard.published import read_published
from evar.leaderboard.ranking import Board, build
from evar.leaderboard.runs import read_rows
from evar.result import Result


def run(arguments: argparse.Namespace) -> int:
    """Write the results in another shape: one file (long, parquet) or a folder of files (hear, mteb)."""
    results, out, format = arguments.results, arguments.out, arguments.format
    if out is None and format != "long":
        kind = "no text: name its file by --out FILE" if format == "parquet" else "a folder of files: --out FOLDER"
        raise UsageError(f"--format {format} is {kind}")
    is_own = outputs.MARKS[format]
    if format in ("long", "parquet") and out is not None:
        out = outputs.output_file(out, is_own, results)
    board = build(read_rows(results), lambda best, other: True)  # none of these shapes tells what is separable
    if format in ("long", "parquet"):
        _write_table(formats.to_long_csv(board, read_published(), read_imported(results)), format, out)
        return 0
    rows = _one_probe(board, arguments.probe)
    files = exchange.to_hear(rows) if format == "hear" else exchange.to_mteb(rows)
    placed = {outputs.output_file(out / path, is_own, results): text for path, text in files.items()}
    for file, text in placed.items():
        write_atomic(file, text)
    say(f"{len(files)} files written to {out}")
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
    if out is None:
        sys.stdout.write(text)
        return
    if format == "parquet":
        formats.write_parquet(text, out)
    else:
        write_atomic(out, text)
    say(f"written to {out}")
