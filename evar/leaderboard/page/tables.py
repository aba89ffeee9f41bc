"""The tables of the page: encoders by tasks with links to each run, and the same as a heat map."""

from collections.abc import Container
from dataclasses import dataclass

from evar.leaderboard.ranking import Board, Cell, Line, RankedTable
from evar.leaderboard.text_tables import CORE_MEAN_NOTE, FULL_COVERAGE, encoder_names, per_cent
from evar.result import Result

SHADES = 8  # steps of colour above the lowest
MOST_HEAT = 60  # lines of a heat map


@dataclass(frozen=True)
class Shown:
    """A cell. shade: 0 (the column's lowest) to SHADES; anchor: of the run's details, empty where it has none."""

    score: str = ""
    half: str = ""
    remarks: str = ""
    best: bool = False
    tied: bool = False
    shade: int = 0
    anchor: str = ""


@dataclass(frozen=True)
class GridRow:
    """An encoder. weights: shown where its name does not say them; cells: None where a task was not run."""

    name: str
    weights: str
    cells: tuple[Shown | None, ...]
    mean: str


@dataclass(frozen=True)
class TaskGrid:
    """A table: one probe, one output. metrics: of each task; heat: the first lines, for the heat map."""

    title: str
    probe: str
    tasks: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: tuple[GridRow, ...]
    with_mean: bool
    note: str

    @property
    def heat(self) -> tuple[GridRow, ...]:
        """The lines of the heat map."""
        return self.rows[:MOST_HEAT]


def names_of(board: Board) -> dict[str, str]:
    """Run -> the encoder's name, one for each encoder in all tables."""
    return encoder_names(cell.result for table in board.tables for line in table.lines for cell in line.cells.values())


def grid(table: RankedTable, names: dict[str, str], detailed: Container[str]) -> TaskGrid:
    """A table for the page; detailed: runs whose details are on it."""
    columns = {task: [row.score for row in table.column(task)] for task in table.tasks}
    span = {task: (min(scores), max(scores)) for task, scores in columns.items()}
    rows = []
    for line in table.lines:
        first = next(iter(line.cells.values())).result
        cells = tuple(_shown(line.cells.get(task), span[task], detailed) for task in table.tasks)
        mean = "" if line.mean is None else per_cent(line.mean)
        rows.append(GridRow(names[first.run], _weights(line, names[first.run]), cells, mean))
    with_mean = any(row.mean for row in rows)
    metrics = tuple(table.column(task)[0].metric for task in table.tasks)
    note = CORE_MEAN_NOTE if with_mean else ""
    return TaskGrid(table.title, table.probe, table.tasks, metrics, tuple(rows), with_mean, note)


def anchor(run: str, detailed: Container[str]) -> str:
    """The name of a run's details on the page; empty where it has none."""
    return f"run-{run}" if run in detailed else ""


def _weights(line: Line, name: str) -> str:
    weights = line.subject.weights
    return "" if weights in name else weights


def _shown(cell: Cell | None, span: tuple[float, float], detailed: Container[str]) -> Shown | None:
    if cell is None:
        return None
    row, (low, high) = cell.result, span
    shade = round(SHADES * (row.score - low) / (high - low)) if high > low else SHADES // 2
    half = per_cent((row.high - row.low) / 2)
    return Shown(per_cent(row.score), half, _remarks(row), cell.best, cell.tied, shade, anchor(row.run, detailed))


def _remarks(row: Result) -> str:
    coverage = f"{per_cent(row.coverage)} % of clips" if row.coverage < FULL_COVERAGE else ""
    return ", ".join(part for part in (coverage, "few groups" if row.few_groups else "") if part)
