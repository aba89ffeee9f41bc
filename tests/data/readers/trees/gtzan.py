"""GTZAN: ten folders of a hundred clips, as a common mirror nests them, with spectrogram pictures beside."""

from pathlib import Path

from evar.data.task import Task, load_task
from evar.testing.trees import touch

LISTED = True
STRADDLING = 0
GONE = "GTZAN/Data/genres_original/jazz"


def plant(data: Path) -> Task:
    """Write all 1,000 clips, of which the split lists 930."""
    task = load_task("gtzan")
    assert task.classes
    names = [(genre, f"{genre}.{number:05}") for genre in task.classes for number in range(100)]
    touch(data / "GTZAN" / "Data" / "genres_original", [f"{genre}/{name}.wav" for genre, name in names])
    touch(
        data / "GTZAN" / "Data" / "images_original", [f"{genre}/{name.replace('.', '')}.png" for genre, name in names]
    )
    return task
