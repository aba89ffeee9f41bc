"""Scores that others published, to stand beside one's own and never among them: `results/published.csv`.

A row a score: task, model, metric, split and protocol in words, kind, value in per cent and its spread (±) as printed,
source. Kinds: `linear` (a linear classifier on a frozen encoder), `frozen` (another head or an unknown one on a frozen
encoder), `trained` (the encoder's weights were trained on the task, or nobody says otherwise).

The name of the task says whose split it is: `cremad` is the task of evar, with its clips, split, seconds and metric;
`cremad_xares` is the same dataset in another way, which no task of evar is, and `dataset_of` both is `cremad`. So a
row stands beside one's own where kind is linear and task and metric are the same, or where both were fine-tuned; of all
others of the dataset it is said that their protocols are others.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from evar.base.provenance import PACKAGE
from evar.data.task import BUNDLED
from evar.result import FINE_TUNING, Result

FILE = PACKAGE / "published.csv"
Kind = Literal["linear", "frozen", "trained"]
WHOSE = re.compile(r"(_(own|evar|hear|tfds|xares|paper|full|5h|50h))+\Z")  # whose split of a dataset a task has


@dataclass(frozen=True)
class Published:
    """One published score; value, low and high are shares (0 to 1), the last two None where no spread is given.

    The spread is as the source prints it, mostly over seeds of the probe: no interval over clips, as one's own is.
    """

    task: str
    model: str
    metric: str
    split: str
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
            "protocol": f"{self.protocol}; split: {self.split}", "source": self.source,
        }  # fmt: skip


@cache
def read_published() -> tuple[Published, ...]:
    """All published rows, in the file's order."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return tuple(_published(row) for row in csv.DictReader(file))


def dataset_of(task: str) -> str:
    """The name without whose split it is: `cremad_hear` and `cremad_tfds` are of `cremad`."""
    return WHOSE.sub("", task)


def of_same_datasets(published: Iterable[Published], tasks: Iterable[str]) -> list[Published]:
    """The published rows on datasets of these tasks, whatever their protocols are."""
    datasets = set(map(dataset_of, tasks))
    return [row for row in published if dataset_of(row.task) in datasets]


def beside(published: Iterable[Published], own: Iterable[Result]) -> list[Published]:
    """The published rows whose protocol is that of one's own: a linear classifier, on a task that comes with evar and
    by the metric of a row of `own` that may be ranked. Where there is none of one's own, those of all such tasks.
    """
    own, tasks = [row for row in own if row.probe != FINE_TUNING], {file.stem for file in BUNDLED.glob("*.yaml")}
    scored = {(row.task, row.metric) for row in own if not row.why_unranked}
    return [
        row
        for row in published
        if row.kind == "linear" and row.task in tasks and (not own or (row.task, row.metric) in scored)
    ]


def beside_fine_tuned(published: Iterable[Published], own: Iterable[Result]) -> list[Published]:
    """The published rows of fine-tuned encoders on tasks and by metrics of fine-tuned rows of `own` that are ranked."""
    scored = {(row.task, row.metric) for row in own if row.probe == FINE_TUNING and not row.why_unranked}
    return [row for row in published if row.kind == "trained" and (row.task, row.metric) in scored]


def _published(row: dict[str, str]) -> Published:
    kind = next(known for known in get_args(Kind) if known == row["kind"])
    value, spread = float(row["value"]) / 100, float(row["spread"]) / 100 if row["spread"] else None
    low, high = (None, None) if spread is None else (value - spread, value + spread)
    return Published(
        row["task"], row["model"], row["metric"], row["split"], kind, row["protocol"], value, low, high, row["source"]
    )
