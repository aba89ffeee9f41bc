"""What a part found, line by line on its way into a file, and the Markdown that is made of it.

A part's file holds one JSON object a line: a row of a table, a fault, or why the part was left out. What was written
stays when the part is killed.
"""

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

Row = Mapping[str, Any]
NUMBERS_AS_THEY_ARE = 100  # from here on without decimals


class Skipped(Exception):
    """The part does not apply here; the text says why."""


class Report:
    """The part's side: `row` and `fail` as it goes; quick: tiny shapes are wanted; left(): seconds until its limit."""

    def __init__(self, file: Path, seconds: float, *, quick: bool) -> None:
        self.quick, self.failed = quick, False
        self._file, self._end = file, time.monotonic() + seconds

    @property
    def device(self) -> "torch.device":
        """The first CUDA device, else the CPU."""
        from evar.embeddings.device import choose_device

        return choose_device("auto")

    def left(self) -> float:
        """Seconds until this part is killed."""
        return self._end - time.monotonic()

    def row(self, table: str, cells: Row) -> None:
        """One more row of the table of that title, {column: text or number}."""
        self._say({"table": table, "row": {name: strict(cell) for name, cell in cells.items()}})

    def fail(self, what: str) -> None:
        """Something is not as it must be; the part goes on."""
        self.failed = True
        self._say({"failed": what})

    def skip(self, why: str) -> None:
        """The part does not apply here."""
        self._say({"skipped": why})

    def _say(self, content: dict[str, Any]) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(content) + "\n")


def strict(cell: Any) -> Any:
    """The cell, infinity and NaN as text: strict JSON has neither."""
    return str(cell) if isinstance(cell, float) and not math.isfinite(cell) else cell


def read(file: Path) -> tuple[dict[str, list[Row]], list[str], list[str]]:
    """({title: rows}, faults, reasons for leaving the part out) of a part's file, as far as it was written."""
    tables: dict[str, list[Row]] = {}
    said: dict[str, list[str]] = {"failed": [], "skipped": []}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        try:
            content = json.loads(line)
        except ValueError:  # cut off when the part was killed
            continue
        if "row" in content:
            tables.setdefault(content["table"], []).append(content["row"])
        else:
            for kind, what in content.items():
                said[kind].append(what)
    return tables, said["failed"], said["skipped"]


def markdown(results: Mapping[str, Any]) -> str:
    """A section for `benchmarks/RESULTS.md`: where and when, a row a part, then every part's tables."""
    facts: Row = next((part["tables"][MACHINE][0] for part in results["parts"] if MACHINE in part["tables"]), {})
    place = ", ".join(f"{name} {value}" if name != "device" else str(value) for name, value in facts.items())
    quick = " **Tiny shapes (QUICK=1): these rates say nothing about the device.**" if results["quick"] else ""
    parts = [{"part": part["part"], "state": part["state"], "seconds": part["seconds"]} for part in results["parts"]]
    lines = [
        "## On a GPU: `make gpu`",
        f"{results['date']}, {place or 'machine unknown'}, commit {results['commit']}. `{results['command']}`: "
        f"{results['seconds']:.0f} s in all.{quick}",
        table(parts),
    ]
    for part in results["parts"]:
        tables = {title: rows for title, rows in part["tables"].items() if title != MACHINE}
        if tables:
            lines.append(f"### {part['part']}: `python -m benchmarks.gpu --only {part['part']}`")
        for title, rows in tables.items():
            lines += [f"{title}:", table(rows)]
    return "\n\n".join(lines) + "\n"


MACHINE = "machine"  # title of the table whose one row is where it ran


def table(rows: list[Row]) -> str:
    """Rows as a Markdown table; a column for everything that one of them names."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, ["---"] * len(columns), *([shown(row.get(name)) for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shown(value: Any) -> str:
    """A cell: three digits of a number, yes or no, text in one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if abs(value) >= NUMBERS_AS_THEY_ARE:
            return f"{value:,.0f}"
        return f"{value:.3g}" if value == 0 or abs(value) >= 1e-3 else f"{value:.1e}"
    return " ".join(str(value).split()).replace("|", "\\|")
