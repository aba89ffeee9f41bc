"""A dataset of the Hub's as a folder of audio with a table; Parquet files are in `tests/data/test_hub.py`."""

from pathlib import Path

import pandas as pd
import yaml

from evar.data.task import Task, load_task
from evar.testing.trees import touch
from tests.data.readers.trees.table import TASK

LISTED = True
STRADDLING = 0
PARTS = {"train": 1200, "valid": 400, "test": 400}
GONE = "tones/train/low"


def plant(data: Path) -> Task:
    """Write clips of 166 singers a split and the table in which they stand."""
    rows = [
        (f"{part}/{label}/{number}.wav", label, f"{part} {number % 166}")
        for part, clips in PARTS.items()
        for number in range(clips)
        for label in [("low", "high")[number % 2]]
    ]
    touch(data / "tones", [row[0] for row in rows])
    pd.DataFrame(rows, columns=["file_name", "label", "singer"]).to_csv(data / "tones" / "metadata.csv", index=False)
    expects = {"rows": sum(PARTS.values()), "classes": 2, "parts": PARTS}
    more = {"reader": "hub", "options": {"group": "singer"}, "expects": expects}
    file = data / "tones.yaml"
    file.write_text(yaml.safe_dump(TASK | more))
    return load_task(str(file))
