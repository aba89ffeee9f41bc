"""A dataset of someone's own: a CSV, a task file that says where it is, and clips in folders."""

from pathlib import Path

import pandas as pd
import yaml

from evar.data.task import Task, load_task
from evar.testing.trees import touch

LISTED = True
STRADDLING = 0
GONE = "tones/low"
PARTS = {"train": 6000, "valid": 2000, "test": 2000}
TASK = {
    "title": "Tones",
    "kind": "single-label",
    "reader": "table",
    "folder": "tones",
    "seconds": 1.0,
    "splits": list(PARTS),
    "metric": "accuracy",
    "expects": {"rows": 10_000, "classes": 2, "parts": PARTS},
    "source": "us",
    "licence": "MIT",
}


def plant(data: Path) -> Task:
    """Write clips of 500 singers, each of one split."""
    parts = [part for part, clips in PARTS.items() for _ in range(clips)]
    rows = [
        (f"{label}/{number}.wav", label, part, f"{part} {number % 166}")
        for number, part in enumerate(parts)
        for label in [("low", "high")[number % 2]]
    ]
    touch(data / "tones", [row[0] for row in rows])
    table = pd.DataFrame(rows, columns=["path", "label", "split", "group"])
    table.to_csv(data / "tones" / "clips.csv", index=False)
    file = data / "tones.yaml"
    file.write_text(yaml.safe_dump(TASK))
    return load_task(str(file))
