"""Which rows a view is about. A value that no row has is a UsageError with near names, never an empty table."""

import datetime
import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from evar.base.errors import unknown
from evar.data.groups import groups
from evar.leaderboard.find_row import is_by, is_named, names_of
from evar.leaderboard.imported import Imported
from evar.leaderboard.published import Published, of_same_datasets
from evar.leaderboard.runs import moment
from evar.result import Result

Row = TypeVar("Row", Result, Published, Imported)


@dataclass(frozen=True)
class Filters:
    """Values to keep, None for all. `task` may be a group of tasks, `encoder` any name that the encoder may be called
    by, as tables show it too; `since` is the first day (UTC).

    Of published rows task, metric and encoder (their model) are known. Of imported rows no more than task and encoder
    (their representation) is known: a filter by anything else keeps none.
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
        rows = list(rows)
        others: list[Published | Imported] = [*published, *imported]
        for name, wanted in self._given():
            for value in wanted:
                if not any(_has(row, name, value) for row in chain[Result | Published | Imported](rows, others)):
                    more = {each for row in others for each in _values(row, name)}
                    near = difflib.get_close_matches(value, more | (groups().keys() if name == "task" else set()))
                    raise unknown(name, value, {*near, *(each for row in rows for each in _values(row, name))})
        kept = self._kept(rows)
        return [row for row in kept if self.since is None or moment(row).astimezone(datetime.UTC).date() >= self.since]

    def beside(self, rows: Iterable[Published]) -> list[Published]:
        """Published rows that the filters of metric and encoder keep, on the datasets of the tasks to keep."""
        kept = Filters(metric=self.metric, encoder=self.encoder)._kept(rows)
        return kept if self.task is None else of_same_datasets(kept, self.task)

    def imported(self, rows: Iterable[Imported]) -> list[Imported]:
        """Imported rows that the filters of task and encoder keep; none where another filter is given."""
        return self._kept(rows) if self.since is None else []

    def _kept(self, rows: Iterable[Row]) -> list[Row]:
        given = list(self._given())
        return [row for row in rows if all(any(_has(row, name, value) for value in wanted) for name, wanted in given)]

    def _given(self) -> Iterator[tuple[str, Sequence[str]]]:
        for name in ("task", "probe", "protocol", "metric", "encoder"):
            if (wanted := getattr(self, name)) is not None:
                yield name, wanted


def _values(row: Result | Published | Imported, name: str) -> tuple[str, ...]:
    """What a row answers a filter; nothing where it is not known."""
    if isinstance(row, Result):
        return names_of(row)[:3] if name == "encoder" else (getattr(row, name),)
    names = {"encoder": "model" if isinstance(row, Published) else "representation", "task": "task", "metric": "metric"}
    value = getattr(row, names.get(name, ""), None)
    return () if value is None else (value,)


def _has(row: Result | Published | Imported, name: str, value: str) -> bool:
    if isinstance(row, Result) and name == "encoder":
        return is_named(row, value)
    if isinstance(row, Result) and name == "probe":
        return is_by(row, value)
    wanted = groups()[value].tasks if name == "task" and value in groups() else (value,)
    return any(each in _values(row, name) for each in wanted)
