"""The page: one's own rows and published ones -> one HTML file, the same bytes for the same results.

Autoescape is on: what comes from outside (names, paths, classes) is shown, never run; and the content security policy
lets no script run but the page's own, and nothing be fetched.
"""

import base64
import hashlib
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import evar
from evar.base.errors import visible
from evar.leaderboard.imported import Imported
from evar.leaderboard.page.curves import of_curve
from evar.leaderboard.page.details import run_details
from evar.leaderboard.page.sections import sections
from evar.leaderboard.page.tables import MOST_HEAT, SHADES, grid, names_of
from evar.leaderboard.published import Published
from evar.leaderboard.ranking import Board, ProbeNames, probe_names, task_order
from evar.leaderboard.read import Leaderboard
from evar.leaderboard.text_tables import encoder_names, imported_tables, per_cent, published_tables
from evar.result import Result

TEMPLATES = Path(__file__).parent / "templates"
DETAIL_BYTES = 1_600_000  # of all runs' details together: the page opens at once, also over a slow line


@dataclass(frozen=True)
class Unranked:
    """A line of the rows that stand in no ranking. of_curve: a point of a curve over layers or shots."""

    name: str
    probe: str
    why: str
    row: Result
    of_curve: bool


def render_page(leaderboard: Leaderboard, detail_bytes: int = DETAIL_BYTES) -> str:
    """The page's HTML. detail_bytes: how much the details of runs may take, the latest first."""
    rows, board = leaderboard.rows, leaderboard.board
    published, imported = leaderboard.published, leaderboard.imported
    environment = _environment()
    probes, names = probe_names(rows), names_of(board)
    details = run_details(environment.get_template("run.html"), leaderboard.results, board, probes, detail_bytes)
    script = _source("page.js")
    page = environment.get_template("page.html").render(
        style=_source("page.css"),
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        version=evar.__version__,
        rows=rows,
        newest=max((row.time for row in rows), default=""),
        encoders=len({(row.encoder, row.weights_digest) for row in rows}),
        grids=[grid(table, names, details.html) for table in board.tables],
        shades=SHADES,
        most_heat=MOST_HEAT,
        unranked=_unranked(board, probes),
        imported=imported_tables(imported),
        published=published_tables(published),
        sections=sections(rows, board, names, published),
        details=details,
        own_tasks=task_order(row.task for row in rows),
        tasks=task_order(row.task for row in chain[Result | Published | Imported](rows, published, imported)),
        probes=sorted({probes.of(row) for row in rows}),
    )
    return visible(page)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = per_cent
    return environment


def _source(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _unranked(board: Board, probes: ProbeNames) -> list[Unranked]:
    names = encoder_names(each.result for each in board.apart)
    return [
        Unranked(names[row.run], probes.of(row), why, row, of_curve(row))
        for row, why in ((each.result, each.reason) for each in board.apart)
    ]
