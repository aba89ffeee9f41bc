"""The leaderboard as tables of text cells, which every format for readers (terminal, Markdown, LaTeX) draws alike.

One's own rows and published ones are tables of their own; published rows stand beside each other only where they come
from one source under one protocol. Scores are per cent, ± half of the 95 % interval.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from evar.base.percent import rounded_percent
from evar.base.tables import Text, TextTable
from evar.leaderboard.group_means import GroupMean
from evar.leaderboard.imported import Imported
from evar.leaderboard.published import Kind, Published, beside, beside_fine_tuned
from evar.leaderboard.ranking import Apart, Board, Cell, RankedTable, mean_of_core, task_order
from evar.result import Result

MEAN = "core mean"
FULL_COVERAGE = 0.9995  # shown as 100.0 %
CORE_MEAN_NOTE = "core mean: over the five core tasks, where all five are there; not compared, so without marks"
MEAN_NOTE = (
    "mean: of a group's tasks, where all are there, accuracies and mAPs as they are; its interval is of their test "
    "clips, whose errors are taken as independent between tasks; not compared, so without marks"
)
RANK_NOTE = "#1: the best score of its column, separable from others or not"
SAME_PROTOCOL = "Published: a linear classifier on a frozen encoder, with the split and metric of evar's task"
FINE_TUNED = "Published: encoders that were fine-tuned on the task, with the metric of evar's task"
OTHER_PROTOCOLS: dict[Kind, str] = {
    "linear": "Published under other protocols: a linear classifier on a frozen encoder, other split, crop or metric",
    "frozen": "Published under other protocols: another or an unknown head on a frozen encoder",
    "trained": "Published under other protocols: encoders trained on the task (fine-tuned)",
}
SPREAD_NOTE = "± as the source prints it, mostly over seeds of the probe, not over clips"


def own_tables(board: Board, ids: Mapping[str, str] | None = None, *, ranks: bool = False) -> list[TextTable]:
    """One table for each ranking, then one of the rows apart, where there are any.

    ids: run -> its short id, for a column of each line's runs in the order of the tasks; None for no such column.
    ranks: whether each score shows its rank in its column
    """
    tables = [_ranked(table, ids, ranks) for table in board.tables]
    return [*tables, _apart(board.apart, ids)] if board.apart else tables


def published_tables(rows: Sequence[Published], own: Iterable[Result] = ()) -> list[TextTable]:
    """One table of those that have the protocol of one's `own`, one of fine-tuned ones, one a kind of the others.

    A line for each model in each source and protocol.
    """
    own = list(own)
    same, tuned = beside(rows, own), beside_fine_tuned(rows, own)
    shown = {*same, *tuned}
    left = [row for row in rows if row not in shown]
    others = {title: [row for row in left if row.kind == kind] for kind, title in OTHER_PROTOCOLS.items()}
    return [
        _published_table(title, chosen)
        for title, chosen in {SAME_PROTOCOL: same, FINE_TUNED: tuned, **others}.items()
        if chosen
    ]


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
    named: dict[str, list[Result]] = {}
    for row in rows:
        named.setdefault(names[row.run], []).append(row)
    texts = {}
    for members in named.values():
        options = {option for row in members for option in row.encoder_options}
        differing = {each for each in options if len({repr(row.encoder_options.get(each)) for row in members}) > 1}
        for row in members:
            given = row.encoder_options.items()
            shown = [f"{option}={value!r}" for option, value in given if value is not None and option in differing]
            texts[row.run] = f" ({', '.join(shown)})" if shown else ""
    return texts


def _ranked(table: RankedTable, ids: Mapping[str, str] | None, ranks: bool) -> TextTable:
    names = encoder_names(cell.result for line in table.lines for cell in line.cells.values())
    metrics = {task: cell.result.metric for line in table.lines for task, cell in line.cells.items()}
    header = ["encoder", *(_task_header(task, metrics[task]) for task in table.tasks)]
    header += [*(f"{group} mean" for group in table.groups), *(["runs"] if ids else [])]
    rows = []
    for line in table.lines:
        cells = [_score(line.cells.get(task), ranks) for task in table.tasks]
        means = [_group_mean(line.means.get(group)) for group in table.groups]
        runs = [line.cells[task].result.run for task in table.tasks if task in line.cells]
        shown = [Text(", ".join(ids[run] for run in runs))] if ids else []
        rows.append((Text(names[line.row.run]), *cells, *means, *shown))
    notes = [*([MEAN_NOTE] if table.groups else []), *([RANK_NOTE] if ranks else [])]
    return TextTable(table.title, tuple(header), tuple(rows), tuple(notes))


def _group_mean(mean: GroupMean | None) -> Text:
    if mean is None:
        return Text("")
    return Text(per_cent(mean.score, mean.low, mean.high) + (" (few groups)" if mean.few_groups else ""))


def _score(cell: Cell | None, ranks: bool) -> Text:
    if cell is None:
        return Text("")
    row = cell.result
    said = "".join(f" ({remark})" for remark in remarks(row))
    rank = f" #{cell.rank}" if ranks else ""
    return Text(per_cent(row.score, row.low, row.high) + rank + said, cell.best, cell.tied)


def _apart(apart: Sequence[Apart], ids: Mapping[str, str] | None) -> TextTable:
    names = encoder_names(each.result for each in apart)
    header, lines = ["encoder", "task", "probe", "output", "score", "why"], []
    for row, why in ((each.result, each.reason) for each in apart):
        line = [names[row.run], row.task, row.probe, row.output, per_cent(row.score, row.low, row.high), why]
        lines.append(tuple(map(Text, [ids[row.run], *line] if ids else line)))
    header = ["run", *header] if ids else header
    return TextTable("Not ranked", tuple(header), tuple(lines), names=1 if ids else 4)


def _published_table(title: str, rows: Sequence[Published]) -> TextTable:
    """A line for each model under one protocol of one source: those with most tasks, then the best, first."""
    metrics = {row.task: row.metric for row in rows}
    tasks, origins = task_order(metrics), list(dict.fromkeys((row.protocol, row.source) for row in rows))
    lines: dict[tuple[str, str, str], dict[str, Published]] = {}
    for row in rows:
        lines.setdefault((row.model, row.protocol, row.source), {})[row.task] = row
    means = {line: mean_of_core({task: row.value for task, row in own.items()}) for line, own in lines.items()}
    with_mean = any(mean is not None for mean in means.values())
    cells = []
    means_of_all = {line: fmean(row.value for row in own.values()) for line, own in lines.items()}
    for line in sorted(lines, key=lambda line: (-len(lines[line]), -means_of_all[line], line)):
        own = lines[line]
        found = [own.get(task) for task in tasks]
        scores = [per_cent(row.value, row.low, row.high) if row else "" for row in found]
        mean = means[line]
        shown = ["" if mean is None else per_cent(mean)] if with_mean else []
        cells.append(tuple(map(Text, (line[0], *scores, *shown, f"[{origins.index(line[1:]) + 1}]"))))
    header = ("model", *(_task_header(task, metrics[task]) for task in tasks), *([MEAN] if with_mean else []), "source")
    splits = {task: " or ".join(dict.fromkeys(row.split for row in rows if row.task == task)) for task in tasks}
    notes = [CORE_MEAN_NOTE] if with_mean else []
    notes += [SPREAD_NOTE] if any(row.low is not None for row in rows) else []
    notes += ["splits: " + "; ".join(f"{task}: {split}" for task, split in splits.items())]
    notes += [f"[{number}] {protocol}; {source}" for number, (protocol, source) in enumerate(origins, start=1)]
    return TextTable(title, header, tuple(cells), tuple(notes))


def _task_header(task: str, metric: str) -> str:
    return task if metric == "accuracy" else f"{task} ({metric})"
