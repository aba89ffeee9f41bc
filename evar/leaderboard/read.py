"""What a results folder shows: `read_leaderboard`, the library's side of `evar leaderboard` and `evar export`."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from evar.base.errors import DataError, StorageError, unknown
from evar.base.tables import TextTable
from evar.config import Config
from evar.leaderboard import leaderboard_csv, text_tables
from evar.leaderboard.filters import Filters
from evar.leaderboard.history import history_table
from evar.leaderboard.imported import Imported, read_imported
from evar.leaderboard.published import Kind, Published, beside_fine_tuned, of_same_datasets, read_published
from evar.leaderboard.ranking import Board, build
from evar.leaderboard.runs import read_rows, short_ids
from evar.leaderboard.verdicts import Verdicts
from evar.result import Result

log = logging.getLogger(__name__)

KINDS: dict[str, tuple[Kind, ...]] = {
    "none": (),
    "linear": ("linear",),
    "frozen": ("linear", "frozen"),
    "all": ("linear", "frozen", "trained"),
}
"""What `published` may be -> kinds of published rows."""


@dataclass(frozen=True)
class Leaderboard:
    """One's own rows (oldest first), published and imported ones, as the filters left them.

    history: whether tables for readers show every run over time, in place of the latest; ranks: whether scores in them
    show their ranks; config: where datasets and the cache are, for formats that read them
    """

    results: Path
    rows: Sequence[Result]
    published: Sequence[Published]
    imported: Sequence[Imported]
    history: bool = False
    ranks: bool = False
    config: Config = field(default_factory=Config)

    @cached_property
    def board(self) -> Board:
        """The tables of one's own rows, with what is not separable from the best: pairs are compared once and kept."""
        verdicts = Verdicts(self.results)
        board = build(self.rows, verdicts.separable)
        verdicts.keep()
        return board

    @cached_property
    def unjudged(self) -> Board:
        """The same without any comparison, for formats that do not show which scores are separable."""
        return build(self.rows, lambda best, other: True)

    def text_tables(self, *, with_ids: bool = False) -> list[TextTable]:
        """All of it as tables for readers. with_ids: whether one's own rows show the short ids of their runs."""
        if self.history:
            return [history_table(self.rows, self._ids)]
        own = text_tables.own_tables(self.board, self._ids if with_ids else None, ranks=self.ranks)
        return [
            *own,
            *text_tables.imported_tables(self.imported),
            *text_tables.published_tables(self.published, self.rows),
        ]

    @cached_property
    def _ids(self) -> dict[str, str]:
        """Run -> its short id."""
        return short_ids(row.run for row in self.rows)

    def text(self, format: str = "terminal", width: int = 100) -> str:
        """The leaderboard in a format of text, such as markdown; width: columns of the screen.

        Raises UsageError, with near names, for an unknown format, DataError for one that is no text.
        """
        from evar.leaderboard.formats import open_format

        content = open_format(format).write(self, width)
        if not isinstance(content, str):
            raise DataError(f"format {format} is no text")
        return content


def read_leaderboard(
    results: str | Path = "results",
    *,
    published: str = "linear",
    history: bool = False,
    ranks: bool = False,
    config: Config | None = None,
    **filters: Any,
) -> Leaderboard:
    """The rows of a results folder, in tables by probe and output (`board`) and as text (`text`).

    published: rows of papers beside one's own: none, linear (on frozen encoders), frozen (other heads too), all
    history:   every run of each encoder over time, in place of the latest
    ranks:     scores of text show their ranks within their columns
    config:    where datasets and the cache are, for the format embeddings
    filters:   task, probe, protocol, metric, encoder: values to keep (a task or a group of them);
               since: the first day (UTC)

    Brings leaderboard.csv up to date with the runs. Raises UsageError, with near names, for a folder that is not there
    and for a value that no row has, DataError and StorageError where the folder is unreadable.
    """
    results, wanted = Path(results), Filters(**filters)
    leaderboard_csv.require_there(results)
    if published not in KINDS:
        raise unknown("kind of published rows", published, KINDS)
    every, imported, others = read_rows(results), read_imported(results), read_published()
    if every:
        try:
            leaderboard_csv.update(results)
        except StorageError as error:
            log.warning(f"{leaderboard_csv.NAME} is not up to date: {error}")
    else:
        log.info(f"no runs in {results} yet: an evaluation adds the first row")
    rows = wanted.own(every, others, imported)
    if every and not rows:
        given = " ".join(f"--{name}" for name, value in filters.items() if value is not None)
        log.info(f"no run in {results} is left by {given}: give other values to see rows of your own")
    every_kind = wanted.beside(others)
    beside = [row for row in every_kind if row.kind in KINDS[published]]
    if published != "none":
        beside += [row for row in beside_fine_tuned(every_kind, rows) if row.kind not in KINDS[published]]
    if rows and wanted.task is None:
        beside = of_same_datasets(beside, (row.task for row in rows))
    return Leaderboard(results, rows, beside, wanted.imported(imported), history, ranks, config or Config())
