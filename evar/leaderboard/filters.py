"""Which rows a view is about. A value that no row has is a UsageError with near names, never an empty table."""

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from evar.base.errors import unknown
from evar.leaderboard.imported import Imported
from evar.leaderboard.names import names_of
from evar.leaderboard.published import Published
from evar.leaderboard.runs import moment
from evar.result import Result

Row = TypeVar("Row", Result, Published)


@dataclass(frozen=True)
class Filters:
    """Values to keep, None for all. `encoder` fits the encoder's name, its weights or the bare name of their file;
    `since` is the first day (UTC).

    Published rows are asked for task, metric and encoder (their model) alone. Of imported rows no more than task and
    encoder (their representation) is known: a filter by anything else keeps none.
    """

    task: Sequence[str] | None = None
    probe: Sequence[str] | None = None
    protocol: Sequence[str] | None = None
    metric: Sequence[str] | None = None
    encoder: Sequence[str] | None = None
    since: datetime.date | None = None

    def own(
        self, rows: Iterable[Result], published: Iterable[Published] = (), imported: Iterable[Imported] = ()
    ) -> list[Result]:
        """One's own rows that all filters keep.

        Raises UsageError for a value that no row has, `published` and `imported` included.
        """
        rows, published, imported = list(rows), list(published), list(imported)
        for name, wanted, told in self._each():
            valid = {value for row in rows for value in told(row)}
            if name in ("task", "metric", "encoder"):
                valid |= {value for row in published for value in _published(row, name)}
            if name in ("task", "encoder"):
                valid |= {value for row in imported for value in _imported(row, name)}
            for value in wanted or ():
                if value not in valid:
                    raise unknown(name, value, valid)
        kept = [
            row
            for row in rows
            if all(wanted is None or set(told(row)) & set(wanted) for _, wanted, told in self._each())
        ]
        return [row for row in kept if self.since is None or _day(row) >= self.since]

    def beside(self, rows: Iterable[Published]) -> list[Published]:
        """Published rows that the filters of task, metric and encoder keep."""
        wanted = {"task": self.task, "metric": self.metric, "encoder": self.encoder}
        return [
            row
            for row in rows
            if all(values is None or set(_published(row, name)) & set(values) for name, values in wanted.items())
        ]

    def imported(self, rows: Iterable[Imported]) -> list[Imported]:
        """Imported rows that the filters of task and encoder keep; none where another filter is given."""
        if any(wanted is not None for wanted in (self.probe, self.protocol, self.metric, self.since)):
            return []
        wanted = {"task": self.task, "encoder": self.encoder}
        return [
            row
            for row in rows
            if all(values is None or set(_imported(row, name)) & set(values) for name, values in wanted.items())
        ]

    def _each(self) -> list[tuple[str, Sequence[str] | None, Callable[[Result], tuple[str, ...]]]]:
        return [
            ("task", self.task, lambda row: (row.task,)),
            ("probe", self.probe, lambda row: (row.probe,)),
            ("protocol", self.protocol, lambda row: (row.protocol,)),
            ("metric", self.metric, lambda row: (row.metric,)),
            ("encoder", self.encoder, names_of),
        ]


def _day(row: Result) -> datetime.date:
    return moment(row).astimezone(datetime.UTC).date()


def _published(row: Published, name: str) -> tuple[str, ...]:
    return {"task": (row.task,), "metric": (row.metric,), "encoder": (row.model,)}[name]


def _imported(row: Imported, name: str) -> tuple[str, ...]:
    return {"task": (row.task,), "encoder": (row.representation,)}[name]
