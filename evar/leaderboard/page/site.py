"""The page as a site: the index without the runs' details, and a page a run, each rendered when it is written."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from urllib.parse import quote

from evar.leaderboard.page.render import render_index, render_run
from evar.leaderboard.page.runs import run_facts
from evar.leaderboard.ranking import probe_names
from evar.leaderboard.read import Leaderboard
from evar.leaderboard.text_tables import encoder_names

INDEX = PurePosixPath("index.html")


class Site(Mapping[PurePosixPath, str]):
    """Path below the site's folder -> HTML. The page of a run lies at runs/RUN.html, for good."""

    def __init__(self, leaderboard: Leaderboard) -> None:
        self._leaderboard = leaderboard
        self._rows = {PurePosixPath("runs", f"{row.run}.html"): row for row in leaderboard.rows}
        self._names, self._probes = encoder_names(leaderboard.rows), probe_names(leaderboard.rows)
        self._why = {each.result.run: each.reason for each in leaderboard.unjudged.apart}

    def __getitem__(self, path: PurePosixPath) -> str:
        if path == INDEX:
            return render_index(self._leaderboard, {row.run: quote(str(page)) for page, row in self._rows.items()})
        row = self._rows[path]
        why = row.why_unranked or self._why.get(row.run)
        return render_run(run_facts(self._leaderboard.results, row, self._names[row.run], self._probes[row.run], why))

    def __iter__(self) -> Iterator[PurePosixPath]:
        return iter((INDEX, *self._rows))

    def __len__(self) -> int:
        return 1 + len(self._rows)
