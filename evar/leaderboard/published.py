"""Scores that others published, to stand beside one's own and never among them: `results/published.csv`.

A row a score: task (our name), model, metric, kind, protocol in the source's words, value and 95 % interval (± ci95) in
per cent as printed, source. Kinds: `linear` (a linear classifier on a frozen encoder), `frozen` (another head or an
unknown one on a frozen encoder), `trained` (the encoder's weights were trained on the task, or nobody says otherwise).
"""

import csv
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from evar.base.provenance import PACKAGE

FILE = PACKAGE / "published.csv"
Kind = Literal["linear", "frozen", "trained"]


@dataclass(frozen=True)
class Published:
    """One published score; value, low and high are shares (0 to 1), the last two None where no interval is given."""

    task: str
    model: str
    metric: str
    kind: Kind
    protocol: str
    value: float
    low: float | None
    high: float | None
    source: str

    def facts(self) -> dict[str, Any]:
        """What programs get of it; scores are shares in six digits."""
        scores = {name: None if share is None else float(f"{share:.6g}")
                  for name, share in (("score", self.value), ("low", self.low), ("high", self.high))}  # fmt: skip
        return {
            "task": self.task, "encoder": self.model, "metric": self.metric, **scores, "kind": self.kind,
            "protocol": self.protocol, "source": self.source,
        }  # fmt: skip


@cache
def read_published() -> tuple[Published, ...]:
    """All published rows, in the file's order."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return tuple(_published(row) for row in csv.DictReader(file))


def _published(row: dict[str, str]) -> Published:
    kind = next(known for known in get_args(Kind) if known == row["kind"])
    value, half = float(row["value"]) / 100, float(row["ci95"]) / 100 if row["ci95"] else None
    low, high = (None, None) if half is None else (value - half, value + half)
    return Published(row["task"], row["model"], row["metric"], kind, row["protocol"], value, low, high, row["source"])
