"""The leaderboard as text: blocks for the terminal, Markdown and LaTeX; rows as CSV (wide or long) and JSON.

Marks: the best score of a column is bold (`*` in the terminal); what is not separable from it has `≈` before it.
"""

import csv
import importlib.util
import io
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evar.base.errors import UsageError, install_hint
from evar.base.files import atomic_path
from evar.leaderboard.imported import Imported
from evar.leaderboard.published import Published
from evar.leaderboard.ranking import Board, RankedTable
from evar.leaderboard.text_tables import Text, TextTable
from evar.result import COLUMNS, Result

LEGEND = "Per cent ± half of the 95 % interval. {best} best of the column, ≈ not separable from the best."
LEAST_NAME = 24  # characters that the first column keeps in a narrow terminal
GAP = "  "
NUMBERS = ("score", "low", "high", "n", "groups", "coverage", "embed_clips_per_second")  # in a Parquet file
LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "≈": r"$\approx$",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "[": "{[}", "*": "{*}",  # which a line's end before them would take as its option
}  # fmt: skip
MARKDOWN = {**{letter: f"\\{letter}" for letter in "\\`*_[]<>|"}, "&": "&amp;"}
UNPRINTABLE = "\ufffd"  # stands for control characters, direction marks, lone surrogates and the like


def to_terminal(blocks: Sequence[TextTable], width: int) -> str:
    """Aligned columns within `width` columns of the screen; what comes from outside moves no cursor and breaks no line.

    A wider block is cut into parts that repeat the columns that name its lines. Where these leave no room for another
    one, each line becomes a few of `name: value`.
    """
    parts = [part for block in map(_printable_block, blocks) for part in _terminal_parts(block, width)]
    return "\n\n".join([*parts, LEGEND.format(best="*")])


def to_markdown(blocks: Sequence[TextTable]) -> str:
    """Pipe tables, ready for a README or an issue."""
    parts = []
    for block in blocks:
        lines = [_markdown_row([_plain_markdown(cell) for cell in block.header])]
        lines.append(_markdown_row(["---:" if block.numeric(k) else "---" for k in range(len(block.header))]))
        lines += [_markdown_row([_marked_markdown(cell) for cell in row]) for row in block.rows]
        notes = [f"\n{_plain_markdown(note)}" for note in block.notes]
        parts.append("\n".join([f"### {_plain_markdown(block.title)}\n", *lines, *notes]))
    return "\n\n".join([*parts, LEGEND.format(best="**Bold**:")]) + "\n"


def to_latex(blocks: Sequence[TextTable]) -> str:
    r"""One `table` with booktabs rules a block; the preamble needs \usepackage{booktabs}."""
    return "% needs \\usepackage{booktabs}\n" + "\n\n".join(map(_latex_table, blocks)) + "\n"


def to_long_csv(board: Board, published: Iterable[Published], imported: Iterable[Imported] = ()) -> str:
    """A line a score: one's own rows with all columns of the leaderboard, then others'; `origin` parts them."""
    header = ("origin", "ranked_in", "apart_because", *COLUMNS, "kind", "source", "report")
    rows = [
        {"origin": "own", "ranked_in": table.title, **cell.result.row()}
        for table in board.tables
        for line in table.lines
        for cell in line.cells.values()
    ]
    rows += [{"origin": "own", "apart_because": each.reason, **each.result.row()} for each in board.apart]
    rows += [{"origin": "published", **_cells(_published_facts(row))} for row in published]
    rows += [{"origin": "imported", **_cells(_imported_facts(row))} for row in imported]
    return _csv(header, rows)


def write_parquet(long_csv: str, path: Path) -> None:
    """The long table as Parquet: numbers as float64, all else as text. Raises UsageError where pyarrow is missing."""
    import pandas as pd

    if importlib.util.find_spec("pyarrow") is None:  # what pandas writes it with
        raise UsageError(f"--format parquet needs pyarrow: {install_hint('parquet')}, or give --format long")
    table = pd.read_csv(io.StringIO(long_csv), dtype=str, keep_default_na=False)
    for name in NUMBERS:
        table[name] = pd.to_numeric(table[name])
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)


def to_wide_csv(board: Board) -> str:
    """A line an encoder: score, low and high of each task, as shares; only ranked rows."""
    tasks = list(dict.fromkeys(task for table in board.tables for task in table.tasks))
    header = ["probe", "output", "encoder", "weights", "weights_digest", "encoder_options"]
    header += [f"{task}{end}" for task in tasks for end in ("", "_low", "_high")] + ["mean_of_core"]
    return _csv(header, [row for table in board.tables for row in _wide_rows(table)])


def to_json(board: Board, published: Iterable[Published], imported: Iterable[Imported] = ()) -> str:
    """Tables, rows apart, published and imported rows as one JSON object; scores are shares, null where nobody told."""
    tables = [
        {
            "probe": table.probe,
            "output": table.output,
            "tasks": table.tasks,
            "lines": [
                {
                    "encoder": line.subject.encoder,
                    "weights": line.subject.weights,
                    "weights_digest": line.subject.digest,
                    "encoder_options": json.loads(line.subject.options),
                    "mean_of_core": line.mean,
                    "scores": {
                        task: {"best": cell.best, "not_separable_from_best": cell.tied, **_facts(cell.result)}
                        for task, cell in line.cells.items()
                    },
                }
                for line in table.lines
            ],
        }
        for table in board.tables
    ]
    apart = [{"because": each.reason, **_facts(each.result)} for each in board.apart]
    beside = [_published_facts(row) for row in published]
    others = {"published": beside, "imported": [_imported_facts(row) for row in imported]}
    return json.dumps({"tables": tables, "apart": apart, **others}, ensure_ascii=False, indent=1)


def _facts(row: Result) -> dict[str, Any]:
    """What a reader of the JSON needs of a row; `run` leads to the rest."""
    names = ("run", "time", "task", "encoder", "probe", "output", "metric", "score", "low", "high", "n", "coverage")
    return {name: getattr(row, name) for name in names}


def _published_facts(row: Published) -> dict[str, Any]:
    def share(value: float | None) -> float | None:
        return None if value is None else float(f"{value:.6g}")

    scores = {"score": share(row.value), "low": share(row.low), "high": share(row.high)}
    return {
        "task": row.task, "encoder": row.model, "metric": row.metric, **scores, "kind": row.kind,
        "protocol": row.protocol, "source": row.source,
    }  # fmt: skip


def _imported_facts(row: Imported) -> dict[str, Any]:
    told = {"score": row.score, "report": row.report, "source": row.source}
    return {"task": row.task, "encoder": row.representation, **told}


def _cells(facts: dict[str, Any]) -> dict[str, str]:
    """Facts as cells of a CSV."""
    return {name: f"{fact:.10g}" if isinstance(fact, float) else fact or "" for name, fact in facts.items()}


def _wide_rows(table: RankedTable) -> list[dict[str, str]]:
    rows = []
    for line in table.lines:
        row = {
            "probe": table.probe, "output": table.output, "encoder": line.subject.encoder,
            "weights": line.subject.weights, "weights_digest": line.subject.digest,
            "encoder_options": line.subject.options,
            "mean_of_core": "" if line.mean is None else f"{line.mean:.6g}",
        }  # fmt: skip
        for task, cell in line.cells.items():
            cells = cell.result.row()
            row |= {task: cells["score"], f"{task}_low": cells["low"], f"{task}_high": cells["high"]}
        rows.append(row)
    return rows


def _csv(header: Sequence[str], rows: Iterable[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, header, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _shown(cell: Text) -> str:
    return f"* {cell.text}" if cell.best else f"≈ {cell.text}" if cell.tied else cell.text


def _latex_table(block: TextTable) -> str:
    columns = "".join("r" if block.numeric(k) else "l" for k in range(len(block.header)))
    caption = ". ".join([block.title, *block.notes, LEGEND.format(best="Bold:")])
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escape_latex(caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(_escape_latex, block.header)) + r" \\",
        r"\midrule",
        *(" & ".join(map(_marked_latex, row)) + r" \\" for row in block.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _widths(block: TextTable) -> list[int]:
    lines = [block.header, *(tuple(map(_shown, row)) for row in block.rows)]
    return [max(map(_columns, column)) for column in zip(*lines, strict=True)]


def _columns(text: str) -> int:
    """How many columns of a screen the text takes: wide letters two, combining marks none."""
    marks = sum(unicodedata.category(letter) in ("Mn", "Me") for letter in text)
    return len(text) - marks + sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)


def _padded(text: str, width: int, *, right: bool = False) -> str:
    blanks = " " * (width - _columns(text))
    return blanks + text if right else text + blanks


def _shortened(text: str, width: int) -> str:
    if _columns(text) <= width:
        return text
    while _columns(text) >= width:
        text = text[:-1]
    return f"{text}…"


def printable(text: str, mark: str = UNPRINTABLE) -> str:
    """The text on one line, a mark for each character that is no sign (Unicode's category C)."""
    return " ".join("".join(mark if unicodedata.category(each)[0] == "C" else each for each in text).split())


def _printable_block(block: TextTable) -> TextTable:
    rows = tuple(tuple(Text(printable(cell.text), cell.best, cell.tied) for cell in row) for row in block.rows)
    header, notes = tuple(map(printable, block.header)), tuple(map(printable, block.notes))
    return replace(block, title=printable(block.title), header=header, rows=rows, notes=notes)


def _terminal_parts(block: TextTable, width: int) -> list[str]:
    named, widths = _least_named(block, width), _widths(block)[block.names :]
    if named + len(GAP) + max(widths) > width:
        return [_records(block, width)]
    return [_aligned(part, width) for part in _cut(block, width)]


def _least_named(block: TextTable, width: int) -> int:
    """The least room of the columns that name a line, the first of which may be shortened."""
    first, *others = _widths(block)[: block.names]
    return min(first, max(LEAST_NAME, width // 3)) + sum(len(GAP) + each for each in others)


def _records(block: TextTable, width: int) -> str:
    """The block's lines as `name: value`, below each other; the first tells where a record begins."""
    lines = [block.title]
    for row in block.rows:
        told = [f"{name}: {_shown(cell)}" for name, cell in zip(block.header, row, strict=True) if cell.text]
        for number, text in enumerate(told):
            lines += _folded(text, "" if number == 0 else "  ", width)
    return "\n".join([*lines, *block.notes])


def _folded(text: str, indent: str, width: int) -> list[str]:
    """The text in lines that break between words, from the second on with more indent; no word is broken."""
    first, *words = text.split()
    lines = [indent + first]
    for word in words:
        if _columns(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(f"{indent}    {word}")
    return lines


def _cut(block: TextTable, width: int) -> list[TextTable]:
    """The block in parts of as many columns as fit beside those that name its lines; at least one column a part."""
    names, widths = block.names, _widths(block)[block.names :]
    room, parts, taken = width - _least_named(block, width), [], 0
    while taken < len(widths):
        used, end = 0, taken
        while end < len(widths) and (end == taken or used + len(GAP) + widths[end] <= room):
            used, end = used + len(GAP) + widths[end], end + 1
        columns = slice(names + taken, names + end)
        rows = tuple((*row[:names], *row[columns]) for row in block.rows)
        title = block.title if not taken else f"{block.title} (continued)"
        header, notes = (*block.header[:names], *block.header[columns]), block.notes if end == len(widths) else ()
        parts.append(TextTable(title, header, rows, notes, names))
        taken = end
    return parts


def _aligned(block: TextTable, width: int) -> str:
    first, *widths = _widths(block)
    first = max(min(first, width - sum(len(GAP) + each for each in widths)), min(first, max(LEAST_NAME, width // 3)))
    lines = [block.header, *(tuple(map(_shown, row)) for row in block.rows)]
    numeric = [block.numeric(k) for k in range(1, len(block.header))]
    shown = []
    for name, *cells in lines:
        rest = [_padded(c, w, right=right) for c, w, right in zip(cells, widths, numeric, strict=True)]
        shown.append(GAP.join([_padded(_shortened(name, first), first), *rest]).rstrip())
    return "\n".join([block.title, *shown, *block.notes])


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain_markdown(text: str) -> str:
    return "".join(MARKDOWN.get(letter, letter) for letter in printable(text))


def _marked_markdown(cell: Text) -> str:
    text = _plain_markdown(cell.text)
    return f"**{text}**" if cell.best else f"≈ {text}" if cell.tied else text


def _escape_latex(text: str) -> str:
    return "".join(LATEX.get(letter, letter) for letter in printable(text, mark="?"))


def _marked_latex(cell: Text) -> str:
    text = _escape_latex(cell.text)
    return rf"\textbf{{{text}}}" if cell.best else rf"$\approx$ {text}" if cell.tied else text
