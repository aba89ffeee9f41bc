"""Tables, rows apart, published and imported rows as one JSON object; scores are shares, null where there is none."""

import dataclasses
import json
from typing import Any

from evar.leaderboard.formats import Format
from evar.leaderboard.ranking import Line
from evar.leaderboard.read import Leaderboard
from evar.result import Result

FACTS = ("run", "time", "task", "encoder", "probe", "output", "metric", "score", "low", "high", "n", "coverage")


def write(leaderboard: Leaderboard, width: int) -> str:
    """All of it; `run` leads from a score to its record."""
    board = leaderboard.board
    content = {
        "tables": [
            {"probe": each.probe, "output": each.output, "tasks": each.tasks, "lines": list(map(_line, each.lines))}
            for each in board.tables
        ],
        "apart": [{"because": each.reason, **_facts(each.result)} for each in board.apart],
        "published": [row.facts() for row in leaderboard.published],
        "imported": [row.facts() for row in leaderboard.imported],
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _line(line: Line) -> dict[str, Any]:
    return {
        "encoder": line.subject.encoder,
        "weights": line.subject.weights,
        "weights_digest": line.subject.digest,
        "encoder_options": json.loads(line.subject.options),
        "means": {name: dataclasses.asdict(mean) for name, mean in line.means.items()},
        "scores": {
            task: {
                "best": cell.best,
                "not_separable_from_best": cell.tied,
                "rank": cell.rank,
                **_facts(cell.result),
            }
            for task, cell in line.cells.items()
        },
    }


def _facts(row: Result) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FACTS}


def open_format() -> Format:
    """The format."""
    return Format(write, lambda content: content.startswith(b'{\n "tables": ['))
