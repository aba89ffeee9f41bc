"""A line an encoder: score, low and high of each task, as shares; only ranked rows."""

from evar.leaderboard.csv_text import whole_table
from evar.leaderboard.formats import Format
from evar.leaderboard.ranking import RankedTable
from evar.leaderboard.read import Leaderboard

HEADER = ["probe", "output", "encoder", "weights", "weights_digest", "encoder_options"]


def write(leaderboard: Leaderboard, width: int) -> str:
    """All tables below one header."""
    tables = leaderboard.unjudged.tables
    tasks = dict.fromkeys(task for table in tables for task in table.tasks)
    header = [*HEADER, *(f"{task}{end}" for task in tasks for end in ("", "_low", "_high")), "mean_of_core"]
    return whole_table(header, [row for table in tables for row in _rows(table)])


def _rows(table: RankedTable) -> list[dict[str, str]]:
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


def open_format() -> Format:
    """The format."""
    return Format(write, lambda content: content.startswith(",".join(HEADER).encode()))
