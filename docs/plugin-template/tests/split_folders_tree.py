"""Folders of folders: 30 clips, of two classes in three splits. `evar/testing/trees.py` explains the names."""

from pathlib import Path

from evar.data.task import Task, load_task
from evar.testing.trees import touch

LISTED = False
STRADDLING = 0
GONE = "sounds/test/low"
PARTS = ("train", "valid", "test")

TASK = """\
kind: single-label
reader: split_folders
folder: sounds
seconds: 1.0
splits: [train, valid, test]
classes: [low, high]
metric: accuracy
expects: {rows: 30, classes: 2, parts: {train: 10, valid: 10, test: 10}}
"""


def plant(data: Path) -> Task:
    """Write the clips and the task."""
    touch(data / "sounds", [f"{part}/{name}/{k}.wav" for part in PARTS for name in ("low", "high") for k in range(5)])
    (data / "sounds.yaml").write_text(TASK)
    return load_task(str(data / "sounds.yaml"))
