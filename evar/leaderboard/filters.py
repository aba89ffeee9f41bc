"""Which rows a view is about. A value that no row has is a UsageError with near names, never an empty table."""

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from evar.errors import unknown
from evar.leaderboard.published import Published
from evar.leaderboard.table import Result

Row = TypeVar("Row", Result, Published)


@dataclass(frozen=True)
class Filters:
    """Values to keep, None for all. `encoder` fits the encoder's name or its weights; `since` is the first day (UTC).

    Published rows are asked for task, metric and encoder (their model) alone.
    """

    task: Sequence[str] | None = None
    probe: Sequence[str] | None = None
    protocol: Sequence[str] | None = None
    metric: Sequence[str] | None = None
    encoder: Sequence[str] | None = None
    since: datetime.date | None = None

    def own(self, rows: Iterable[Result], published: Iterable[Published] = ()) -> list[Result]:
        """One's own rows that all filters keep. Raises UsageError for a value that no row has, `published` included."""
        rows, published = list(rows), list(published)
        for name, wanted, told in self._each():
            valid = {value for row in rows for value in told(row)}
            if name in ("task", "metric", "encoder"):
                valid |= {value for row in published for value in _published(row, name)}
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

    def _each(self) -> list[tuple[str, Sequence[str] | None, Callable[[Result], tuple[str, ...]]]]:
        return [
            ("task", self.task, lambda row: (row.task,)),
            ("probe", self.probe, lambda row: (row.probe,)),
            ("protocol", self.protocol, lambda row: (row.protocol,)),
            ("metric", self.metric, lambda row: (row.metric,)),
            ("encoder", self.encoder, lambda row: (row.encoder, row.weights)),
        ]


def _day(row: Result) -> datetime.date:
    return datetime.datetime.fromisoformat(row.time).date()


def _published(row: Published, name: str) -> tuple[str, ...]:
    return {"task": (row.task,), "metric": (row.metric,), "encoder": (row.model,)}[name]
