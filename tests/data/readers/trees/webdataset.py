"""Tars of WebDataset in a folder for each class, whose JSON names singers."""

import json
from pathlib import Path

import yaml

from evar.data.task import Task, load_task
from tests.data.hub_sets import tar, write
from tests.data.readers.trees.table import TASK

LISTED = False
STRADDLING = 0
PARTS = {"train": 1200, "valid": 400, "test": 400}
GONE = "tones/low"


def plant(data: Path) -> Task:
    """Write clips of 166 singers a split."""
    shards = {}
    for part, clips in PARTS.items():
        for first, label in enumerate(("low", "high")):
            members: dict[str, bytes] = {}
            for number in range(first, clips, 2):
                facts = {"label": label, "singer": f"{part} {number % 166}"}
                members |= {f"{number:06}.flac": b"", f"{number:06}.json": json.dumps(facts).encode()}
            shards[f"{label}/{part}-{first:06}.tar"] = tar(members)
    write(data / "tones", shards)
    file = data / "tones.yaml"
    expects = {"rows": sum(PARTS.values()), "classes": 2, "parts": PARTS}
    more = {"reader": "webdataset", "options": {"group": "singer"}, "classes": ["low", "high"], "expects": expects}
    file.write_text(yaml.safe_dump(TASK | more))
    return load_task(str(file))
