"""The leaderboard as tables of text cells, which every format for readers (terminal, Markdown, LaTeX) draws alike.

One's own rows and published ones are tables of their own; published rows stand beside each other only where they come
from one source under one protocol. Scores are per cent, ± half of the 95 % interval.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import get_args

from evar.base.percent import rounded_percent
from evar.base.tables import Text, TextTable
from evar.leaderboard.imported import Imported
from evar.leaderboard.published import Kind, Published
from evar.leaderboard.ranking import Apart, Board, Cell, RankedTable, mean_of_core, task_order
from evar.result import Result

MEAN = "mean"
FULL_COVERAGE = 0.9995  # shown as 100.0 %
CORE_MEAN_NOTE = "mean: over the five core tasks, where all five are there; not compared, so without marks"
KINDS: dict[Kind, str] = {
    "linear": "Published: a linear classifier on a frozen encoder",
    "frozen": "Published: another or an unknown head on a frozen encoder",
    "trained": "Published: encoders trained on the task (fine-tuned); not comparable with frozen ones",
}


def own_tables(board: Board, ids: Mapping[str, str] | None = None) -> list[TextTable]:
    """One table for each ranking, then one of the rows apart, where there are any.

    ids: run -> its short id, for a column of each line's runs in the order of the tasks; None for no such column.
    """
    tables = [_ranked(table, ids) for table in board.tables]
    return [*tables, _apart(board.apart, ids)] if board.apart else tables


def published_tables(rows: Iterable[Published], kinds: Sequence[Kind] = get_args(Kind)) -> list[TextTable]:
    """One table a kind, a line for each model in each source and protocol."""
    rows = list(rows)
    tables = []
    for kind in kinds:
        chosen = [row for row in rows if row.kind == kind]
        if chosen:
            tables.append(_published_table(KINDS[kind], chosen))
    return tables


def imported_tables(rows: Sequence[Imported]) -> list[TextTable]:
    """One table of what another harness reported, a line for each representation in each file; none for no rows."""
    if not rows:
        return []
    tasks, lines = task_order(row.task for row in rows), []
    for name, source in dict.fromkeys((row.representation, row.source) for row in rows):
        own = [row for row in rows if (row.representation, row.source) == (name, source)]
        scores = {task: ", ".join(per_cent(row.score) for row in own if row.task == task) for task in tasks}
        lines.append(tuple(map(Text, (name, *scores.values(), source))))
    return [TextTable("Imported from another harness; never ranked", ("representation", *tasks, "file"), tuple(lines))]


def per_cent(value: float, low: float | None = None, high: float | None = None) -> str:
    """A share as "84.1", with its interval as "84.1 ± 0.8"."""
    half = "" if low is None or high is None else f" ± {rounded_percent((high - low) / 2)}"
    return rounded_percent(value) + half


def remarks(row: Result) -> list[str]:
    """What stands beside a ranked score."""
    coverage = [f"{per_cent(row.coverage)} % of clips"] if row.coverage < FULL_COVERAGE else []
    return [*coverage, "few groups"] if row.few_groups else coverage


def encoder_names(rows: Iterable[Result]) -> dict[str, str]:
    """Run -> the encoder's name, with as much of its weights and options as others of that name differ in."""
    rows = list(rows)
    names = _distinct({row.run: row.encoder for row in rows}, rows, {row.run: f" {row.weights}" for row in rows})
    digests = {row.run: row.weights_digest and f" #{row.weights_digest[:8]}" for row in rows}
    names = _distinct(names, rows, digests)
    return _distinct(names, rows, _differing_options(names, rows))


def names_with_options(rows: Iterable[Result]) -> dict[str, str]:
    """Run -> the encoder's name, with the options that others of that name differ in; its weights are left out."""
    rows = list(rows)
    names = {row.run: row.encoder for row in rows}
    return _distinct(names, rows, _differing_options(names, rows))


def _distinct(names: dict[str, str], rows: Sequence[Result], more: dict[str, str]) -> dict[str, str]:
    """Run -> name, lengthened by `more` where several subjects bear it and `more` differs among them."""
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(names[row.run], set()).add(more[row.run])
    return {run: name + (more[run] if len(found[name]) > 1 else "") for run, name in names.items()}


def _differing_options(names: dict[str, str], rows: Sequence[Result]) -> dict[str, str]:
    """Run -> the encoder's options that differ among runs of its name, None left out: " (layers=7)"."""
    values: dict[tuple[str, str], set[str]] = {}
    named: dict[str, list[Result]] = {}
    for row in rows:
        named.setdefault(names[row.run], []).append(row)
    for name, members in named.items():
        for option in {option for row in members for option in row.encoder_options}:
            values[name, option] = {repr(row.encoder_options.get(option)) for row in members}
    texts = {}
    for row in rows:
        given = {option: value for option, value in row.encoder_options.items() if value is not None}
        differing = [f"{option}={given[option]!r}" for option in given if len(values[names[row.run], option]) > 1]
        texts[row.run] = f" ({', '.join(differing)})" if differing else ""
    return texts


def _ranked(table: RankedTable, ids: Mapping[str, str] | None) -> TextTable:
    names = encoder_names(cell.result for line in table.lines for cell in line.cells.values())
    with_mean = any(line.mean is not None for line in table.lines)
    metrics = {task: cell.result.metric for line in table.lines for task, cell in line.cells.items()}
    header = ["encoder", *(_task_header(task, metrics[task]) for task in table.tasks)]
    header += [*([MEAN] if with_mean else []), *(["runs"] if ids else [])]
    rows = []
    for line in table.lines:
        cells = [_score(line.cells.get(task)) for task in table.tasks]
        mean = [Text("" if line.mean is None else per_cent(line.mean))] if with_mean else []
        runs = [line.cells[task].result.run for task in table.tasks if task in line.cells]
        shown = [Text(", ".join(ids[run] for run in runs))] if ids else []
        rows.append((Text(names[line.row.run]), *cells, *mean, *shown))
    return TextTable(table.title, tuple(header), tuple(rows), (CORE_MEAN_NOTE,) if with_mean else ())


def _score(cell: Cell | None) -> Text:
    if cell is None:
        return Text("")
    row = cell.result
    said = "".join(f" ({remark})" for remark in remarks(row))
    return Text(per_cent(row.score, row.low, row.high) + said, cell.best, cell.tied)


def _apart(apart: Sequence[Apart], ids: Mapping[str, str] | None) -> TextTable:
    names = encoder_names(each.result for each in apart)
    header, lines = ["encoder", "task", "probe", "output", "score", "why"], []
    for row, why in ((each.result, each.reason) for each in apart):
        line = [names[row.run], row.task, row.probe, row.output, per_cent(row.score, row.low, row.high), why]
        lines.append(tuple(map(Text, [ids[row.run], *line] if ids else line)))
    header = ["run", *header] if ids else header
    return TextTable("Not ranked", tuple(header), tuple(lines), names=1 if ids else 4)


def _published_table(title: str, rows: Sequence[Published]) -> TextTable:
    metrics = {row.task: row.metric for row in rows}
    tasks, origins = task_order(metrics), list(dict.fromkeys((row.protocol, row.source) for row in rows))
    lines = [_published_line(model, list(members), tasks, origins) for model, members in _by_line(rows)]
    header = ("model", *(_task_header(task, metrics[task]) for task in tasks), MEAN, "source")
    notes = [CORE_MEAN_NOTE, *(f"[{n}] {protocol}; {source}" for n, (protocol, source) in enumerate(origins, start=1))]
    if not any(mean.text for *_, mean, _ in lines):
        header, lines, notes = (*header[:-2], header[-1]), [(*line[:-2], line[-1]) for line in lines], notes[1:]
    return TextTable(title, header, tuple(lines), tuple(notes))


def _published_line(
    model: str, rows: Sequence[Published], tasks: Sequence[str], origins: Sequence[tuple[str, str]]
) -> tuple[Text, ...]:
    by_task = {row.task: row for row in rows}
    mean = mean_of_core({task: row.value for task, row in by_task.items()})
    found = [by_task.get(task) for task in tasks]
    scores = [Text(per_cent(row.value, row.low, row.high) if row else "") for row in found]
    origin = origins.index((rows[0].protocol, rows[0].source)) + 1
    return Text(model), *scores, Text("" if mean is None else per_cent(mean)), Text(f"[{origin}]")


def _by_line(rows: Sequence[Published]) -> list[tuple[str, list[Published]]]:
    """(model, its rows of one protocol and source), by model."""

    def line(row: Published) -> tuple[str, str, str]:
        return row.model, row.protocol, row.source

    return [(model, list(members)) for (model, _, _), members in groupby(sorted(rows, key=line), key=line)]


def _task_header(task: str, metric: str) -> str:
    return task if metric == "accuracy" else f"{task} ({metric})"
