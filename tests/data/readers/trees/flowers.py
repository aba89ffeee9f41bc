"""Oxford 102 Flowers: 8,189 names, and the two lists."""

from pathlib import Path

import numpy as np
from scipy.io import savemat

from evar.data.task import Task, load_task
from evar.testing.trees import touch

LISTED = True
STRADDLING = 0
GONE = "Flowers/jpg"


def plant(data: Path) -> Task:
    """Write the images and lists; classes in turn, and splits one after the other."""
    task = load_task("flowers")
    assert task.expects
    assert task.expects.parts
    root, rows = data / "Flowers", task.expects.rows
    touch(root, [f"jpg/image_{number:05}.jpg" for number in range(1, rows + 1)])
    savemat(root / "imagelabels.mat", {"labels": np.arange(rows) % task.expects.classes + 1})
    train, valid, _ = np.cumsum(list(task.expects.parts.values()))
    numbers = np.arange(1, rows + 1)
    lists = {"trnid": numbers[:train], "valid": numbers[train:valid], "tstid": numbers[valid:]}
    savemat(root / "setid.mat", lists)
    return task
