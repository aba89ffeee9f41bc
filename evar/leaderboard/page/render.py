"""The page, one HTML file, and the site: one's own rows and published ones -> the same bytes for the same results.

Autoescape is on: what comes from outside (names, paths, classes) is shown, never run; and the content security policy
lets no script run but the page's own, and nothing be fetched.
"""

import base64
import functools
import hashlib
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import evar
from evar.base.errors import visible
from evar.leaderboard.imported import Imported
from evar.leaderboard.page.pictures import encoder_numbers, of_curve, sections
from evar.leaderboard.page.runs import Details, chance_levels, run_details, run_facts
from evar.leaderboard.published import Published
from evar.leaderboard.ranking import RankedTable, probe_names, task_order
from evar.leaderboard.read import Leaderboard
from evar.leaderboard.runs import short_ids
from evar.leaderboard.text_tables import (
    MEAN_NOTE,
    encoder_names,
    imported_tables,
    per_cent,
    published_tables,
    remarks,
)
from evar.plots import COLOURS
from evar.result import Result

INDEX = PurePosixPath("index.html")
TEMPLATES = Path(__file__).parent / "templates"
DETAIL_BYTES = 1_600_000  # of all runs' details together: the page opens at once, also over a slow line
SHADES = 8  # steps of colour above the lowest
MOST_HEAT = 60  # lines of a heat map
MOST_OPEN = 40  # runs whose encoders' lists are open at first


def render_page(leaderboard: Leaderboard, detail_bytes: int = DETAIL_BYTES) -> str:
    """The page's HTML. detail_bytes: how much the details of runs may take, the latest first."""
    probes, template = probe_names(leaderboard.rows), environment().get_template("run.html")
    details = run_details(template, leaderboard.results, leaderboard.board, probes, detail_bytes)
    return _page("page.html", leaderboard, details, {run: f"#run-{run}" for run in details.html})


class Site(Mapping[PurePosixPath, str]):
    """Path below the site's folder -> HTML: the index without the runs' details, and a page a run.

    The page of a run lies at runs/RUN.html, for good. Each is rendered when it is asked for.
    """

    def __init__(self, leaderboard: Leaderboard) -> None:
        self._leaderboard = leaderboard
        self._rows = {PurePosixPath("runs", f"{row.run}.html"): row for row in leaderboard.rows}
        self._names, self._probes = encoder_names(leaderboard.rows), probe_names(leaderboard.rows)
        self._why = {each.result.run: each.reason for each in leaderboard.unjudged.apart}

    def __getitem__(self, path: PurePosixPath) -> str:
        if path == INDEX:
            links = {row.run: quote(str(page)) for page, row in self._rows.items()}
            return _page("site.html", self._leaderboard, Details({}, 0), links)
        row = self._rows[path]
        why = row.why_unranked or self._why.get(row.run)
        run = run_facts(self._leaderboard.results, row, self._names[row.run], self._probes[row.run], why)
        return visible(environment().get_template("site_run.html").render(**_frame(), **run))

    def __iter__(self) -> Iterator[PurePosixPath]:
        return iter((INDEX, *self._rows))

    def __len__(self) -> int:
        return 1 + len(self._rows)


def _page(template: str, leaderboard: Leaderboard, details: Details, links: Mapping[str, str]) -> str:
    """The page's HTML. links: run -> where its score leads."""
    rows, board = leaderboard.rows, leaderboard.board
    published, imported = leaderboard.published, leaderboard.imported
    names = encoder_names(board.rows)
    page = (
        environment()
        .get_template(template)
        .render(
            **_frame(),
            links=links,
            rows=rows,
            newest=max((row.time for row in rows), default=""),
            encoders=len({(row.encoder, row.weights_digest) for row in rows}),
            board=board,
            names=names,
            numbers=encoder_numbers(board),
            chance=chance_levels(leaderboard.results, board),
            ids=short_ids(row.run for row in rows),
            every_name=encoder_names(rows),
            probe_of=probe_names(rows),
            imported=imported_tables(imported),
            published=published_tables(published, rows),
            sections=sections(rows, board, names, published),
            details=details,
            own_tasks=task_order(row.task for row in rows),
            tasks=task_order(row.task for row in chain[Result | Published | Imported](rows, published, imported)),
            probes=sorted(set(probe_names(rows).values())),
        )
    )
    return visible(page)


def _frame() -> dict[str, str]:
    """What is around every page."""
    script = _source("page.js")
    return {
        "style": _source("page.css"),
        "script": script,
        "script_digest": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "version": evar.__version__,
    }


@functools.cache
def environment() -> Environment:
    """Jinja's, with the templates."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"percent": per_cent, "remarks": remarks, "interval": _interval}
    made.filters |= {"shades": _shades, "bests": _bests}
    made.tests["of_curve"] = of_curve
    made.globals |= {"most_heat": MOST_HEAT, "most_shades": SHADES, "mean_note": MEAN_NOTE}
    made.globals |= {"colours": len(COLOURS), "most_open": MOST_OPEN}
    return made


def _source(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _bests(table: RankedTable) -> list[Result]:
    """The best row of each task."""
    return [table.column(task)[0] for task in table.tasks]


def _interval(row: Result) -> str:
    """A score and its interval for the page's script."""
    return " ".join(f"{100 * share:.2f}" for share in (row.score, row.low, row.high))


def _shades(table: RankedTable) -> dict[str, int]:
    """Run -> its cell's colour: 0 for its column's lowest score to SHADES for the best."""
    shades = {}
    for column in map(table.column, table.tasks):
        best, lowest = column[0].score, column[-1].score
        for row in column:
            shade = SHADES * (row.score - lowest) / (best - lowest) if best > lowest else SHADES // 2
            shades[row.run] = round(shade)
    return shades
