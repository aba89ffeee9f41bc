"""`evar leaderboard`: the results as tables for people, papers and programs, and as a page."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from evar.base.errors import StorageError, UsageError
from evar.base.files import write_atomic
from evar.base.progress import say
from evar.cli.terminal import width
from evar.leaderboard import formats, outputs, table, text_tables
from evar.leaderboard.filters import Filters
from evar.leaderboard.history import history_block
from evar.leaderboard.imported import Imported, read_imported
from evar.leaderboard.published import Kind, Published, read_published
from evar.leaderboard.ranking import Board, build
from evar.leaderboard.runs import read_rows
from evar.leaderboard.verdicts import Verdicts
from evar.result import Result

PAGE = "leaderboard.html"
KINDS: dict[str, tuple[Kind, ...]] = {
    "none": (),
    "linear": ("linear",),
    "frozen": ("linear", "frozen"),
    "all": ("linear", "frozen", "trained"),
}


def run(arguments: argparse.Namespace) -> int:
    """Read the results, keep what the filters say, and write them in the chosen format to stdout or to --out."""
    out = place(arguments.out, arguments.results, arguments.format)
    wanted = {name: getattr(arguments, name) for name in ("task", "probe", "protocol", "metric", "encoder", "since")}
    filters = Filters(**wanted)
    every, imported = read_rows(arguments.results), read_imported(arguments.results)
    if every:
        up_to_date(arguments.results)
    else:
        say(f"no runs in {arguments.results} yet: an evaluation adds the first row")
    others = read_published()
    rows = filters.own(every, others, imported)
    if every and not rows:
        given = " ".join(f"--{name}" for name, value in wanted.items() if value is not None)
        say(f"no run in {arguments.results} is left by {given}: give other values to see rows of your own")
    tasks = {row.task for row in rows}
    published = arguments.published or ("all" if arguments.format == "html" else "linear")
    beside = [row for row in filters.beside(others) if row.kind in KINDS[published]]
    if rows and filters.task is None:
        beside = [row for row in beside if row.task in tasks]
    text = render(arguments, rows, beside, filters.imported(imported))
    if out is None:
        sys.stdout.write(text)
    else:
        write_atomic(out, text)
        say(f"written to {out}")
    return 0


def up_to_date(results: Path) -> None:
    """Make the table of the folder fit its runs, which may have been copied there; say where that cannot be."""
    try:
        table.update(results)
    except StorageError as error:
        say(f"{table.NAME} is not up to date: {error}")


def place(out: Path | None, results: Path, format: str) -> Path | None:
    """Where to write the chosen format: None for stdout. Raises UsageError where something else lies there."""
    if out is None and format == "html":
        out = results / PAGE
    return None if out is None else outputs.output_file(out, outputs.MARKS[format], results)


def render(
    arguments: argparse.Namespace,
    rows: Sequence[Result],
    beside: Sequence[Published],
    imported: Sequence[Imported],
) -> str:
    """The text of the chosen format, its last line ended."""
    if arguments.history:
        shown = [history_block(rows)]
        if arguments.format not in ("terminal", "markdown", "latex"):
            raise UsageError(
                f"--history is a table for people: give --format terminal, markdown or latex, not {arguments.format}"
            )
        return as_text(arguments.format, shown)
    board = judged(arguments.results, rows)
    others = [*text_tables.imported_blocks(imported), *text_tables.published_blocks(beside)]
    match arguments.format:
        case "csv":
            return formats.to_wide_csv(board)
        case "long":
            return formats.to_long_csv(board, beside, imported)
        case "json":
            return formats.to_json(board, beside, imported) + "\n"
        case "html":
            from evar.leaderboard.page.render import render_page

            return render_page(arguments.results, rows, board, beside, imported)
        case _:
            return as_text(arguments.format, [*text_tables.own_blocks(board), *others])


def judged(results: Path, rows: Sequence[Result]) -> Board:
    """The tables of the rows, with what is not separable from the best."""
    verdicts = Verdicts(results)
    board = build(rows, verdicts.separable)
    verdicts.keep()
    return board


def as_text(format: str, shown: Sequence[text_tables.TextTable]) -> str:
    """Blocks in a format for readers."""
    if format == "markdown":
        return formats.to_markdown(shown)
    return formats.to_latex(shown) if format == "latex" else formats.to_terminal(shown, width()) + "\n"
