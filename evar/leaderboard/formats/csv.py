"""A line an encoder: score, low, high and rank of each task, and means of groups, as shares; only ranked rows."""

from evar.data.groups import groups
from evar.leaderboard.csv_text import whole_table
from evar.leaderboard.formats import Format
from evar.leaderboard.ranking import RankedTable
from evar.leaderboard.read import Leaderboard

HEADER = ["probe", "output", "encoder", "weights", "weights_digest", "encoder_options"]
BOUNDS = ("_low", "_high")


def write(leaderboard: Leaderboard, width: int) -> str:
    """All tables below one header."""
    tables = leaderboard.unjudged.tables
    tasks = dict.fromkeys(task for table in tables for task in table.tasks)
    means = [f"mean_of_{name}" for name in groups() if any(name in table.groups for table in tables)]
    header = [*HEADER, *(f"{task}{end}" for task in tasks for end in ("", *BOUNDS, "_rank"))]
    header += [f"{mean}{end}" for mean in means for end in ("", *BOUNDS)]
    return whole_table(header, [row for table in tables for row in _rows(table)])


def _rows(table: RankedTable) -> list[dict[str, str]]:
    rows = []
    for line in table.lines:
        row = {
            "probe": table.probe, "output": table.output, "encoder": line.subject.encoder,
            "weights": line.subject.weights, "weights_digest": line.subject.digest,
            "encoder_options": line.subject.options,
        }  # fmt: skip
        for task, cell in line.cells.items():
            cells = cell.result.row()
            row |= {task: cells["score"], f"{task}_low": cells["low"], f"{task}_high": cells["high"]}
            row[f"{task}_rank"] = str(cell.rank)
        for name, mean in line.means.items():
            scores = zip(("", *BOUNDS), (mean.score, mean.low, mean.high), strict=True)
            row |= {f"mean_of_{name}{end}": f"{score:.6g}" for end, score in scores}
        rows.append(row)
    return rows


def open_format() -> Format:
    """The format."""
    return Format(write, lambda content: content.startswith(",".join(HEADER).encode()))
